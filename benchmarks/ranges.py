"""A measured value with the range around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Range:
    """A value and the range around it.

    Attributes:
        value: the measured value; the median if it was measured repeatedly.
        low: the lowest measurement, or the lower bound of a 95 % interval.
        high: the highest measurement, or the upper bound of a 95 % interval.
    """

    value: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """As tables show it: "7.48 [7.20, 7.91]"."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def difference(a: Range, b: Range) -> Range:
    """a - b with its 95 % interval, for two independent figures with 95 % intervals.

    The figures differ significantly if the interval of the difference doesn't contain 0.

    Source: Zou and Donner, Statistics in Medicine 27 (2008): distances to the bounds are added like standard errors.
    """
    value = a.value - b.value
    return Range(
        value,
        value - math.hypot(a.value - a.low, b.high - b.value),
        value + math.hypot(a.high - a.value, b.value - b.low),
    )


def spread(values: Sequence[float] | np.ndarray) -> Range:
    """The median, the lowest and the highest of at least one value."""
    return Range(float(np.median(values)), float(np.min(values)), float(np.max(values)))
