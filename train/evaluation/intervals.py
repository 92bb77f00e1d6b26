"""95 % intervals that count a physical cell once, however many photographs it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge import share as shares
from edge.share import Share
from train.data.dataset import Example

RESAMPLES = 1000  # draws of the bootstrap


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of one figure.

    Attributes:
        low: its lower bound; None if no draw of the bootstrap defines the figure.
        high: its upper bound; None likewise.
    """

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Estimate:
    """A figure that is not a proportion, with its 95 % interval.

    Attributes:
        value: the figure; None if it is not defined.
        low: lower bound; None if it is not defined.
        high: upper bound, likewise.
    """

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """As reports show it: "0.978 [0.970, 0.985]", or "-" if it is not defined."""
        if self.value is None or self.low is None:
            return "-"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def clusters(examples: Sequence[Example]) -> np.ndarray:
    """The number of the physical cell that each picture shows, int [n]. If it isn't known, it counts as a new cell."""
    names = [(e.source, "cell", e.cell) if e.cell else (e.source, "path", e.path) for e in examples]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names])


def share(hits: np.ndarray, cells: np.ndarray) -> Share:
    """A proportion of pictures, with an interval that allows for several photographs of one cell.

    Args:
        hits: whether each picture is counted in the proportion, bool [n].
        cells: number of the physical cell that each picture shows, int [n].

    The interval assumes that all photographs of a cell get the same answer. Then, with m photographs of each cell, they
    are together worth (sum m)^2 / sum m^2 pictures of different cells. Wilson's formula takes this number as its n.

    Source: design effect with a correlation of 1 within clusters, Kish, Survey Sampling (1965); Wilson, JASA 22 (1927).
    """
    plain = shares.share(hits.sum(), len(hits))
    photographs = np.unique(cells, return_counts=True)[1]
    if plain.value is None:
        return replace(plain, cells=0)
    low, high = shares.wilson(plain.value, float(photographs.sum() ** 2 / (photographs**2).sum()))
    return replace(plain, low=low, high=high, cells=len(photographs))


def bootstrap(statistic: Callable[[np.ndarray], dict[str, float]], cells: np.ndarray, seed: int) -> dict[str, Interval]:
    """Percentile intervals of several figures at once: RESAMPLES draws of physical cells with all their photographs.

    Args:
        statistic: takes the weight of each picture, float [n], and returns figures by name; NaN if one is not defined.
        cells: number of the physical cell that each picture shows, int [n].
        seed: seed of the draws.

    Returns:
        The interval of each figure, by name. Draws in which a figure is not defined are left out for that figure.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; over clusters: Davison and
    Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    rng = np.random.default_rng(seed)
    _, place = np.unique(cells, return_inverse=True)
    count = place.max() + 1
    draws = [
        statistic(np.bincount(rng.integers(count, size=count), minlength=count)[place].astype(float))
        for _ in range(RESAMPLES)
    ]
    return {name: _percentiles(np.array([draw[name] for draw in draws])) for name in draws[0]}


def _percentiles(values: np.ndarray) -> Interval:
    """The interval that holds the middle 95 % of the values; NaN is ignored."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(None, None)
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))
