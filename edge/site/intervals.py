"""Exact intervals of shares, without SciPy."""

import math
from collections.abc import Callable


def interval(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval of a share of which `hits` of `count` were seen (Clopper and Pearson, Biometrika 1934).

    (0, 1) of nothing. Raises ValueError for counts that can't be.
    """
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
    tail = (1 - confidence) / 2
    low = _root(lambda p: at_least(hits, count, p) < tail) if hits else 0.0
    high = _root(lambda p: at_least(count - hits, count, 1 - p) > tail) if hits < count else 1.0
    return low, high


def at_least(hits: int, count: int, p: float) -> float:
    """The chance of so many hits or more, each of chance p, strictly between 0 and 1."""
    whole = math.lgamma(count + 1)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * math.log(p) + (count - k) * math.log1p(-p)
        )
        for k in range(hits, count + 1)
    )


def _root(below: Callable[[float], bool]) -> float:
    """Where `below`, true at 0 and false at 1, changes: by bisection, to the last bit."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if below(middle) else (low, middle)
    return low
