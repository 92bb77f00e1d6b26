"""Exact confidence intervals of proportions, computed without SciPy, which isn't installed on a Pi."""

import math
from collections.abc import Callable

from edge.share import Share


def exact_share(right: int, count: int, level: float = 0.95) -> Share:
    """A proportion with its exact interval. Arguments and errors are those of `clopper_pearson`.

    >>> str(exact_share(20, 20))
    '1.000 [0.832, 1.000] 20/20'
    """
    low, high = clopper_pearson(right, count, level)
    return Share(right / count, low, high, right, count) if count else Share(None, None, None, 0, 0)


def clopper_pearson(right: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """The bounds of the exact two-sided interval of a proportion, each 0 to 1.

    Args:
        right: successes, 0 to `count`.
        count: trials; with 0 the bounds are 0 and 1.
        level: confidence, 0 to 1.

    Raises:
        ValueError: if `right` is outside 0..`count`.

    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    if not 0 <= right <= count:
        raise ValueError(f"{right} of {count} is no proportion")
    tail = (1 - level) / 2
    low = _root(lambda p: at_least(right, count, p) < tail) if right else 0.0
    high = _root(lambda p: at_least(count - right, count, 1 - p) > tail) if right < count else 1.0
    return low, high


def at_least(successes: int, count: int, p: float) -> float:
    """The binomial chance of `successes` or more in `count` trials. p: chance in one trial, above 0 and below 1."""
    whole = math.lgamma(count + 1)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * math.log(p) + (count - k) * math.log1p(-p)
        )
        for k in range(successes, count + 1)
    )


def _root(below: Callable[[float], bool]) -> float:
    """Where `below` changes from true (at 0) to false (at 1), found by bisection to the last bit."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if below(middle) else (low, middle)
    return low
