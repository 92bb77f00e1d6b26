"""Are the intervals those of SciPy?"""

import pytest
from scipy.stats import binomtest

from edge.site.intervals import interval


@pytest.mark.parametrize("count", [1, 5, 20, 50, 400])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_intervals_are_clopper_and_pearson_s(count: int, share: float, confidence: float) -> None:
    hits = round(share * count)
    known = binomtest(hits, count).proportion_ci(confidence, method="exact")
    assert interval(hits, count, confidence) == pytest.approx((known.low, known.high), abs=1e-9)


def test_nothing_says_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        interval(3, 2)
