"""What a count of cells says about a slide: shares, ratios, comparisons of two counts, agreement of two readers."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from edge.share import Share, clopper_pearson, exact

NUCLEATED_RED_FROM = 5  # nucleated red cells per 100 white cells from which a count of white cells is corrected
_TIE = 1 + 1e-7  # tables whose chances differ by less count as equally likely, as in R and SciPy


@dataclass(frozen=True)
class Ratio:
    """The ratio of two counts of one slide.

    Attributes:
        value: numerator / denominator, 0 or more; None if the denominator is 0.
        low: lower bound of its interval, 0 or more; None if nothing was counted.
        high: upper bound; None if there is none, because the denominator is 0.
        numerator: cells of the first kind, 0 or more.
        denominator: cells of the second kind, 0 or more.
    """

    value: float | None
    low: float | None
    high: float | None
    numerator: int
    denominator: int

    def __str__(self) -> str:
        """The ratio as in reports: "0.200 [0.130, 0.298] 30:150", or "-" if it is unknown."""
        if self.value is None:
            return "-"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] {self.numerator}:{self.denominator}"


def ratio(numerator: int, denominator: int, level: float = 0.95) -> Ratio:
    """The ratio of two counts with its exact interval, for example of monocytes to lymphocytes.

    Given their total, the first count is binomial. So the bounds are p / (1 - p), p being the exact bounds of its share
    of the total.

    Args:
        numerator: cells of the first kind, 0 or more.
        denominator: cells of the second kind of the same slide, 0 or more.
        level: confidence, 0 to 1.

    Raises:
        ValueError: for a count below 0.

    >>> str(ratio(30, 150))
    '0.200 [0.130, 0.298] 30:150'
    """
    found = exact(numerator, numerator + denominator, level)
    low, high = (None if bound is None or bound == 1 else bound / (1 - bound) for bound in (found.low, found.high))
    return Ratio(numerator / denominator if denominator else None, low, high, numerator, denominator)


def target_for(share: float, half_width: float, level: float = 0.95) -> int:
    """How many cells must be counted, so that the exact interval of a share is narrow enough.

    Args:
        share: the share that is expected, 0 to 1. It counts exactly, also where it is no whole number of cells.
        half_width: the interval may be twice as wide, above 0 and at most 0.5.
        level: confidence, 0 to 1.

    Returns:
        The smallest such number of cells, 1 or more.

    Raises:
        ValueError: if an argument is out of its range.

    >>> target_for(0.1, 0.05)
    158
    """
    if not (0 <= share <= 1 and 0 < half_width <= 0.5):
        raise ValueError(f"a share of {share} within {half_width} can't be planned")

    def is_enough(count: int) -> bool:
        low, high = clopper_pearson(share * count, count, level)
        return high - low <= 2 * half_width

    enough = 1
    while not is_enough(enough):
        enough *= 2
    return 1 + bisect_left(range(1, enough), True, key=is_enough)


def differ(first: Share, second: Share) -> float:
    """Could two counts come from one slide?

    Args:
        first: a count, of which `right` and `count` matter.
        second: the other.

    Returns:
        p: two-sided p value of Fisher's exact test, 0 to 1; small if the counts differ by more than chance explains.

    Source: Fisher, JRSS 98 (1935).

    >>> round(differ(exact(9, 200), exact(22, 200)), 4)
    0.0235
    """
    total = first.right + second.right
    chances, least = _hypergeometric(first.count, second.count, total)
    observed = chances[first.right - least]
    return min(1.0, float(chances[chances <= observed * _TIE].sum()))


def second_count(first: Share, count: int, level: float = 0.95) -> tuple[int, int]:
    """The limits of a second count of the same slide, if only chance makes it differ from the first.

    At most (1 - level) / 2 of all second counts lie below the limits, and as many above. Rümke's well-known table
    holds the exact interval of the first count alone (`edge.share.exact`): there lies the slide's true share. A second
    count scatters around that share, so its limits are wider.

    Args:
        first: the first count, of which `right` and `count` matter.
        count: cells of all kinds in the second count, 0 or more.
        level: confidence, 0 to 1.

    Returns:
        The smallest and the largest number of cells of the first count's kind, each 0 to `count`.

    Source: Rümke, Statistically expected variability in differential leukocyte counting, in Koepke (ed.), Differential
    Leukocyte Counting, College of American Pathologists (1977), for the table; Thatcher, JRSS B 26 (1964), for the
    limits of a second count from Fisher's exact test.

    >>> second_count(exact(10, 200), 200)
    (3, 21)
    """
    tail = (1 - level) / 2

    def chances(right: int) -> tuple[float, float]:
        """If the second count has `right` such cells: how likely has the first as few as it has, and as many?"""
        each, least = _hypergeometric(first.count, count, first.right + right)
        place = first.right - least
        return float(each[: place + 1].sum()), float(each[place:].sum())

    counts = range(count + 1)
    low = bisect_left(counts, True, key=lambda right: chances(right)[1] >= tail)
    return low, bisect_left(counts, True, key=lambda right: chances(right)[0] < tail) - 1


def _hypergeometric(first: int, second: int, total: int) -> tuple[np.ndarray, int]:
    """How `total` cells of a kind may be divided between two counts of `first` and `second` cells.

    Returns:
        The chance of each number in the first count, float64; and the least such number.
    """
    least, most = max(0, total - second), min(first, total)
    here = np.arange(least, most, dtype=np.float64)
    steps = np.log((total - here) * (first - here) / ((here + 1) * (second - total + here + 1)))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    chances = np.exp(logs - logs.max())
    return chances / chances.sum(), least


@dataclass(frozen=True)
class Agreement:
    """What two readers said about the same cells.

    Attributes:
        labels: the n classes.
        table: cells by the class of the first reader (row) and of the second (column), n rows of n counts.
        same: share of the cells that both call the same, with its exact interval.
        kappa: Cohen's kappa, -1 to 1; None if it is undefined, because both readers used one and the same class alone.
        low: lower bound of its interval, -1 to 1; None if kappa is undefined.
        high: upper bound, likewise.
    """

    labels: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    same: Share
    kappa: float | None
    low: float | None
    high: float | None


def agreement(first: Sequence[str], second: Sequence[str], level: float = 0.95) -> Agreement:
    """How well two readers agree.

    Args:
        first: class of each cell by the first reader.
        second: class of the same cells by the second reader.
        level: confidence, 0 to 1.

    Raises:
        ValueError: if there aren't equally many.

    >>> found = agreement("LLLLMMMO", "LLLMMMMO")
    >>> str(found.same), round(found.kappa, 3)
    ('0.875 [0.473, 0.997] 7/8', 0.795)
    """
    labels = tuple(dict.fromkeys([*first, *second]))
    table = np.zeros((len(labels), len(labels)), int)
    for one, other in zip(first, second, strict=True):
        table[labels.index(one), labels.index(other)] += 1
    return Agreement(
        labels=labels,
        table=tuple(tuple(row) for row in table.tolist()),
        same=exact(int(table.trace()), len(first), level),
        **dict(zip(("kappa", "low", "high"), kappa(table, level), strict=True)),
    )


def kappa(
    table: Sequence[Sequence[int]] | np.ndarray, level: float = 0.95
) -> tuple[float | None, float | None, float | None]:
    """Cohen's kappa with its large-sample interval.

    The interval is too narrow for few cells, and has no width if the readers agree on all of them.

    Args:
        table: cells by the class of the first reader (row) and of the second (column), int [n, n].
        level: confidence, 0 to 1.

    Returns:
        Kappa and its bounds, each -1 to 1; None if both readers used one and the same class alone, or saw no cell.

    Source: Cohen, Educ. Psychol. Meas. 20 (1960); standard error of Fleiss et al., Psychol. Bull. 72 (1969).

    >>> [round(each, 3) for each in kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]])]
    [0.492, 0.392, 0.591]
    """
    counts = np.asarray(table, np.float64)
    cells = counts.sum()
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if not cells or (rows * columns).sum() == cells**2:
        return None, None, None
    shares, rows, columns = counts / cells, rows / cells, columns / cells
    same, by_chance = shares.trace(), rows @ columns
    value = (same - by_chance) / (1 - by_chance)
    mixed = columns[:, np.newaxis] + rows[np.newaxis, :]
    weights = (np.eye(len(counts)) - mixed * (1 - value)) ** 2
    variance = (shares * weights).sum() - (value - by_chance * (1 - value)) ** 2
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(max(0.0, variance) / cells) / (1 - by_chance)
    return float(value), max(-1.0, float(value - half)), min(1.0, float(value + half))


def nucleated_red_factor(nucleated_red: int, white: int) -> float | None:
    """What a count of white cells is multiplied by, if nucleated red cells were counted as white cells.

    Args:
        nucleated_red: nucleated red cells that were seen, 0 or more.
        white: white cells that were seen at the same time, 0 or more.

    Returns:
        100 / (100 + nucleated red cells per 100 white cells), 0 to 1; None below 5 in 100, where no correction is made,
        and without white cells.

    >>> nucleated_red_factor(50, 200)
    0.8
    """
    if not white or nucleated_red * 100 < NUCLEATED_RED_FROM * white:
        return None
    return white / (white + nucleated_red)
