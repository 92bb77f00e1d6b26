"""Wilson's interval, compared with SciPy's."""

import pytest

from edge.share import Share, share


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (0, 10), (9, 10), (10, 10), (431, 444), (1230, 1351)])
def test_the_interval_equals_scipy_s(right: int, count: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for level in (0.9, 0.95):
        expected = stats.binomtest(right, count).proportion_ci(level, method="wilson")
        found = share(right, count, level)
        assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
        assert found.value == right / count


def test_without_trials_there_is_no_proportion() -> None:
    assert share(0, 0) == Share(None, None, None, 0, 0) and str(share(0, 0)) == "-"


@pytest.mark.parametrize(("right", "count"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_errors(right: int, count: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        share(right, count)


def test_a_share_as_json_and_as_text() -> None:
    found = share(431, 444)
    assert str(found) == "0.971 [0.951, 0.983] 431/444"
    assert Share.of(found.document()) == found and "cells" not in found.document()
    counted = Share(0.5, 0.1, 0.9, 1, 2, cells=1)
    assert counted.document()["cells"] == 1 and Share.of(counted.document()) == counted
