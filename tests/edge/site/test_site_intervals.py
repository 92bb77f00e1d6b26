"""Are the intervals the same as SciPy's?"""

import pytest
from scipy.stats import binomtest

from edge.site.intervals import clopper_pearson, exact_share


@pytest.mark.parametrize("count", [1, 5, 20, 50, 400])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_are_the_same_as_those_of_scipy(count: int, share: float, level: float) -> None:
    right = round(share * count)
    known = binomtest(right, count).proportion_ci(level, method="exact")
    assert clopper_pearson(right, count, level) == pytest.approx((known.low, known.high), abs=1e-9)
    exact = exact_share(right, count, level)
    assert (exact.low, exact.high) == clopper_pearson(right, count, level)
    assert exact.value == right / count and (exact.right, exact.count) == (right, count)


def test_without_trials_the_interval_is_0_to_1() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert str(exact_share(0, 0)) == "-"


def test_impossible_counts_are_refused() -> None:
    for function in (clopper_pearson, exact_share):
        with pytest.raises(ValueError, match="3 of 2"):
            function(3, 2)
