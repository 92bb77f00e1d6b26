"""Bias, limits of agreement and intraclass correlation are those of other programs."""

import numpy as np
import pytest

from benchmarks.agreement import agreement, icc

# Six targets, four judges: the example of Shrout and Fleiss, Psychol. Bull. 86 (1979).
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_the_intraclass_correlation_is_that_of_pingouin() -> None:
    found = icc(JUDGES)  # pingouin 0.6, ICC(A,1), before it rounds the interval
    assert (found.value, found.low, found.high) == pytest.approx((0.289764, 0.018787, 0.761084), abs=1e-6)


def test_two_methods_with_a_bias() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(2, 20, 30)
    found = agreement(reference + rng.normal(1.5, 2, 30), reference)
    assert (found.icc.value, found.icc.low, found.icc.high) == pytest.approx((0.896835, 0.371945, 0.968177), abs=1e-6)
    assert found.bias.low and found.bias.high and found.bias.low < 1.5 < found.bias.high


def test_bias_and_limits_of_known_differences() -> None:
    found = agreement(np.array([1.0, 3.0, 5.0, np.nan]), np.array([0.0, 1.0, 2.0, 3.0]))
    assert found.slides == 3 and found.bias.value == 2 and found.limits == pytest.approx((2 - 1.96, 2 + 1.96))
    # Student's t with 2 degrees of freedom: 4.302653
    assert (found.bias.low, found.bias.high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


def test_equal_values_agree_wholly_and_without_values_nothing_is_known() -> None:
    same = np.array([2.0, 5.0, 9.0])
    assert (agreement(same, same).icc.value, agreement(same, same).limits) == (1.0, (0.0, 0.0))
    assert icc(np.ones((5, 2))).value is None
    none = agreement(np.full(3, np.nan), same)
    assert (none.slides, none.bias.value, none.limits, none.icc.value) == (0, None, None, None)
