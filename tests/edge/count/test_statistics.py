"""Are the figures of a count those of SciPy and statsmodels?"""

import doctest

import numpy as np
import pytest
from scipy.stats import beta, fisher_exact, hypergeom

from edge.count import statistics
from edge.count.statistics import agreement, differ, kappa, nucleated_red_factor, ratio, second_count, target_for
from edge.share import Share, exact

SIX = 1e-6


def count(right: int, cells: int) -> Share:
    return Share(None, None, None, right, cells)


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert not doctest.testmod(statistics).failed


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 1), (30, 150), (0, 200), (3, 97), (20_000, 80_000)])
def test_a_ratio_has_the_odds_of_the_exact_interval(numerator: int, denominator: int) -> None:
    found = ratio(numerator, denominator)
    low = beta.ppf(0.025, numerator, denominator + 1) if numerator else 0.0
    high = beta.ppf(0.975, numerator + 1, denominator)
    assert found.value == numerator / denominator
    assert (found.low, found.high) == pytest.approx((low / (1 - low), high / (1 - high)), abs=SIX)


def test_a_ratio_to_nothing_has_no_value_and_no_upper_bound() -> None:
    found = ratio(5, 0)
    assert found.value is None and found.high is None and str(found) == "-"
    assert found.low == pytest.approx(beta.ppf(0.025, 5, 1) / (1 - beta.ppf(0.025, 5, 1)), abs=SIX)
    nothing = ratio(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("half_width", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 1.0])
def test_the_target_is_the_smallest_count_that_is_enough(share: float, half_width: float, level: float) -> None:
    def width(cells: int) -> float:
        right, tail = share * cells, (1 - level) / 2
        low = beta.ppf(tail, right, cells - right + 1) if right else 0.0
        return (beta.isf(tail, right + 1, cells - right) if right < cells else 1.0) - low

    target = target_for(share, half_width, level)
    assert width(target) <= 2 * half_width + 1e-9 < width(target - 1)


def test_an_impossible_plan_is_an_error() -> None:
    for share, half_width in ((0.1, 0.0), (0.1, 0.6), (1.1, 0.1)):
        with pytest.raises(ValueError, match="can't be planned"):
            target_for(share, half_width)


PAIRS = [
    (9, 200, 22, 200),
    (0, 100, 5, 100),
    (10, 200, 10, 200),
    (3, 40, 60, 900),
    (0, 0, 3, 10),
    (500, 9000, 420, 9000),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_two_counts_differ_as_fishers_exact_test_says(pair: tuple[int, int, int, int]) -> None:
    a, n, b, m = pair
    expected = fisher_exact([[a, n - a], [b, m - b]]).pvalue
    assert differ(count(a, n), count(b, m)) == pytest.approx(expected, abs=SIX)


@pytest.mark.parametrize(("right", "cells", "second"), [(10, 200, 200), (0, 100, 100), (5, 100, 400), (200, 200, 50)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_limits_of_a_second_count_have_both_tails(right: int, cells: int, second: int, level: float) -> None:
    tail = (1 - level) / 2
    usual = []
    for other in range(second + 1):
        first = hypergeom(cells + second, right + other, cells)
        if first.cdf(right) >= tail and first.sf(right - 1) >= tail:
            usual.append(other)
    assert second_count(exact(right, cells), second, level) == (usual[0], usual[-1])
    assert usual == list(range(usual[0], usual[-1] + 1))


def test_second_counts_of_one_slide_lie_within_the_limits_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for first, second in rng.binomial(200, 0.08, (500, 2)):
        low, high = second_count(exact(first, 200), 200)
        inside += low <= second <= high
        # Rümke's question, whether two counts of 200 cells differ, has the same answer both ways.
        assert (low <= second <= high) == (differ(count(first, 200), count(second, 200)) >= 0.05)
    assert inside >= 0.95 * 500


TABLES = [
    [[88, 14, 18], [10, 40, 10], [2, 6, 12]],
    [[20, 5], [10, 15]],
    [[0, 5], [7, 0]],
    [[50, 1, 0, 0], [2, 30, 1, 0], [0, 0, 9, 2], [0, 0, 0, 5]],
]


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("table", TABLES)
def test_kappa_is_that_of_statsmodels(table: list[list[int]], level: float) -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    known = inter_rater.cohens_kappa(table)
    # statsmodels' interval has a fixed level, so its standard error is compared.
    half = statistics.NormalDist().inv_cdf((1 + level) / 2) * known.std_kappa
    expected = known.kappa, max(-1.0, known.kappa - half), min(1.0, known.kappa + half)
    assert kappa(table, level) == pytest.approx(expected, abs=SIX)


def test_kappa_of_one_class_or_of_no_cells_is_undefined() -> None:
    assert kappa([[7, 0], [0, 0]]) == kappa([[0, 0], [0, 0]]) == kappa(np.zeros((0, 0))) == (None, None, None)
    found = agreement([], [])
    assert (found.labels, found.table, found.kappa) == ((), (), None) and found.same.value is None


def test_an_agreement_counts_who_said_what() -> None:
    found = agreement(["L", "M", "L", "unsure"], ["L", "L", "L", "M"])
    assert found.labels == ("L", "M", "unsure") and found.table == ((2, 0, 0), (1, 0, 0), (0, 1, 0))
    assert found.same == exact(2, 4) and (found.kappa, found.low, found.high) == kappa(found.table)
    with pytest.raises(ValueError, match="shorter"):
        agreement(["L", "M"], ["L"])


def test_white_cells_are_corrected_from_5_nucleated_red_cells_in_100_on() -> None:
    assert nucleated_red_factor(9, 200) is None and nucleated_red_factor(3, 0) is None
    assert nucleated_red_factor(10, 200) == pytest.approx(100 / 105)
    assert nucleated_red_factor(300, 200) == pytest.approx(100 / 250)
