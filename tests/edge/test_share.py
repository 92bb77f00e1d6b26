"""The intervals of Wilson and of Clopper and Pearson, compared with SciPy's."""

import doctest

import pytest
from scipy.stats import binom, binomtest

import edge.share
from edge.share import Share, at_least, clopper_pearson, exact, share


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (0, 10), (9, 10), (10, 10), (431, 444), (1230, 1351)])
def test_the_interval_equals_scipy_s(right: int, count: int) -> None:
    for level in (0.9, 0.95):
        expected = binomtest(right, count).proportion_ci(level, method="wilson")
        found = share(right, count, level)
        assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
        assert found.value == right / count


def test_without_trials_there_is_no_proportion() -> None:
    assert share(0, 0) == exact(0, 0) == Share(None, None, None, 0, 0) and str(share(0, 0)) == "-"
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("right", "count"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_errors(right: int, count: int) -> None:
    for function in (share, exact, clopper_pearson):
        with pytest.raises(ValueError, match="not a proportion"):
            function(right, count)


def test_a_share_as_json_and_as_text() -> None:
    found = share(431, 444)
    assert str(found) == "0.971 [0.951, 0.983] 431/444"
    assert Share.of(found.document()) == found and "cells" not in found.document()
    counted = Share(0.5, 0.1, 0.9, 1, 2, cells=1)
    assert counted.document()["cells"] == 1 and Share.of(counted.document()) == counted


@pytest.mark.parametrize("count", [1, 5, 20, 50, 400, 100_000])
@pytest.mark.parametrize("value", [0.0, 0.001, 0.1, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_exact_interval_equals_scipy_s(count: int, value: float, level: float) -> None:
    right = round(value * count)
    expected = binomtest(right, count).proportion_ci(level, method="exact")
    found = exact(right, count, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.value == right / count and (found.right, found.count) == (right, count)


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (1, 10), (10, 10), (11, 10), (37, 400), (50_100, 100_000)])
def test_the_binomial_tail_equals_scipy_s(successes: int, count: int) -> None:
    for p in (0.0, 0.01, 0.1, 0.5, 1.0):
        assert at_least(successes, count, p) == pytest.approx(binom.sf(successes - 1, count, p), abs=1e-9)


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert not doctest.testmod(edge.share).failed
