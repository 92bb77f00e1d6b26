"""A proportion with its confidence interval. This project reports every recall, precision and risk in this way."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Share:
    """A proportion of counted cases.

    Attributes:
        value: right / count, 0 to 1; None if nothing was counted.
        low: lower bound of its interval, 0 to 1; None if nothing was counted.
        high: upper bound, likewise.
        right: successes, 0 to `count`.
        count: trials.
        cells: number of different cells in the trials, if a cell may have been photographed more than once; else None.
    """

    value: float | None
    low: float | None
    high: float | None
    right: int
    count: int
    cells: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.count or any(
            each is not None and not 0 <= each <= 1 for each in (self.value, self.low, self.high)
        ):
            raise ValueError(f"{self.right} of {self.count}, {self.value} [{self.low}, {self.high}], is no proportion")

    def document(self) -> dict[str, Any]:
        """The share as a JSON object: keys value, right, count, low, high and, if it is known, cells."""
        found = {"value": self.value, "right": self.right, "count": self.count, "low": self.low, "high": self.high}
        return found if self.cells is None else found | {"cells": self.cells}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Share":
        """The inverse of `document`. Raises KeyError if a key is missing."""
        value, low, high = document["value"], document["low"], document["high"]
        return cls(value, low, high, document["right"], document["count"], document.get("cells"))

    def __str__(self) -> str:
        """The share as in reports: "0.971 [0.950, 0.983] 431/444", or "-" if nothing was counted."""
        if self.value is None:
            return "-"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] {self.right}/{self.count}"


def share(right: int, count: int, level: float = 0.95) -> Share:
    """Wilson's score interval of a proportion.

    Args:
        right: successes, 0 to `count`.
        count: trials; with 0 the value and the bounds are None.
        level: confidence, 0 to 1.

    Returns:
        The proportion with its bounds, each 0 to 1.

    Raises:
        ValueError: if `right` is outside 0..`count`.

    Source: Wilson, JASA 22 (1927).

    >>> round(share(9, 10).low, 3)
    0.596
    """
    right, count = int(right), int(count)
    if not 0 <= right <= count:
        raise ValueError(f"{right} of {count} is not a proportion")
    if not count:
        return Share(None, None, None, 0, 0)
    low, high = wilson(right / count, count, level)
    return Share(right / count, low, high, right, count)


def wilson(value: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """The bounds of Wilson's score interval, each 0 to 1.

    Args:
        value: the proportion that was observed, 0 to 1.
        count: number of trials, above 0. If they depend on each other, the effective number, which may be a fraction.
        level: confidence, 0 to 1.
    """
    from statistics import NormalDist  # brings fractions and decimals, which no run at the shell needs

    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (value + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(value * (1 - value) / count + z**2 / (4 * count**2))
    low = 0.0 if value == 0 else max(0.0, middle - half)
    return low, 1.0 if value == 1 else min(1.0, middle + half)


def exact(right: int, count: int, level: float = 0.95) -> Share:
    """The exact interval of a proportion. Arguments, result and errors are those of `share`.

    >>> str(exact(20, 20))
    '1.000 [0.832, 1.000] 20/20'
    """
    low, high = clopper_pearson(right, count, level)
    return Share(right / count, low, high, right, count) if count else Share(None, None, None, 0, 0)


@lru_cache(maxsize=64)  # a page asks for the same shares again and again
def clopper_pearson(right: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """The bounds of the exact two-sided interval of a proportion, each 0 to 1.

    Args:
        right: successes, 0 to `count`; need not be whole, which plans of counts use.
        count: trials; with 0 the bounds are 0 and 1.
        level: confidence, 0 to 1.

    Raises:
        ValueError: if `right` is outside 0..`count`.

    Source: Clopper and Pearson, Biometrika 26 (1934).

    >>> [round(bound, 4) for bound in clopper_pearson(5, 100)]
    [0.0164, 0.1128]
    """
    if not 0 <= right <= count:
        raise ValueError(f"{right} of {count} is not a proportion")
    tail = (1 - level) / 2
    low = _root(lambda p: at_least(right, count, p) < tail) if right else 0.0
    high = _root(lambda p: at_least(count - right, count, 1 - p) > tail) if right < count else 1.0
    return low, high


def at_least(successes: float, count: float, p: float) -> float:
    """The binomial chance of `successes` or more in `count` trials, 0 to 1. p: chance in one trial, 0 to 1.

    >>> round(at_least(9, 10, 0.5), 6)
    0.010742
    """
    if successes <= 0:
        return 1.0
    return 0.0 if successes > count else _incomplete_beta(successes, count - successes + 1, p)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, 0 to 1. a, b: above 0; x: 0 to 1.

    Source: the continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions, summed by the method
    of Lentz, Applied Optics 15 (1976).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - _incomplete_beta(b, a, 1 - x)
    factor = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value, change, m = d, 0.0, 0
    while abs(change - 1) > 1e-15:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            c, d = 1 + term / c, 1 / (1 + term * d)
            change *= c * d
        value *= change
    return factor * value / a


def _root(below: Callable[[float], bool]) -> float:
    """Where `below` changes from true (at 0) to false (at 1), found by bisection to the last bit."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if below(middle) else (low, middle)
    return low
