"""A proportion with its confidence interval. This project reports every recall, precision and risk in this way."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any


@dataclass(frozen=True)
class Share:
    """A proportion of counted cases.

    Attributes:
        value: right / count, 0 to 1; None if nothing was counted.
        low: lower bound of the 95 % interval, 0 to 1; None if nothing was counted.
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
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (value + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(value * (1 - value) / count + z**2 / (4 * count**2))
    low = 0.0 if value == 0 else max(0.0, middle - half)
    return low, 1.0 if value == 1 else min(1.0, middle + half)
