"""95 % intervals in which a physical cell counts once, however often it was photographed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edge import share as shares
from edge.share import Share
from train.data import Example

RESAMPLES = 1000


def clusters(examples: Sequence[Example]) -> np.ndarray:
    """Which physical cell each picture is of, int [n]; a picture of a cell that isn't known is its own."""
    names = [(e.source, "cell", e.cell) if e.cell else (e.source, "path", e.path) for e in examples]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names])


def share(hits: np.ndarray, cells: np.ndarray) -> Share:
    """A proportion over pictures, with an interval for as many independent pictures as they are worth.

    Args:
        hits: bool [n].
        cells: which physical cell each picture is of, int [n].

    Photographs of one cell are taken to be answered alike, so with m of each cell their mean varies like that of
    (sum m)^2 / sum m^2 pictures of different cells (Kish, Survey Sampling, 1965: the design effect where the
    correlation within clusters is 1). That number stands for n in Wilson's formula (JASA 1927).
    """
    plain = shares.share(hits.sum(), len(hits))
    photographs = np.unique(cells, return_counts=True)[1]
    if plain.value is None:
        return replace(plain, cells=0)
    low, high = shares.wilson(plain.value, float(photographs.sum() ** 2 / (photographs**2).sum()))
    return replace(plain, low=low, high=high, cells=len(photographs))


def bootstrap(
    statistic: Callable[[np.ndarray], dict[str, float]], cells: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> dict[str, dict[str, float | None]]:
    """Percentile intervals of many figures at once, by drawing cells with all their photographs.

    statistic: weights, float [n], one a picture -> figures by name, NaN where they aren't defined; cells: int [n].
    -> {"low", "high"} by name, None of a figure that was never defined; draws in which it wasn't are left out.
    (Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; over clusters: Davison, Hinkley, Bootstrap
    Methods and their Application, 1997, section 3.8.)
    """
    rng = np.random.default_rng(seed)
    _, place = np.unique(cells, return_inverse=True)
    count = place.max() + 1
    draws = [
        statistic(np.bincount(rng.integers(count, size=count), minlength=count)[place].astype(float))
        for _ in range(resamples)
    ]
    result: dict[str, dict[str, float | None]] = {}
    for name in draws[0]:
        values = np.array([draw[name] for draw in draws])
        values = values[~np.isnan(values)]
        low, high = map(float, np.percentile(values, [2.5, 97.5])) if len(values) else (None, None)
        result[name] = {"low": low, "high": high}
    return result
