"""Calibration: is a network as confident as it is right?"""

import numpy as np
import pytest

from train.evaluation.calibration import calibration, temperature


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found_and_corrects_the_error(factor: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, 6000)
    truth = (rng.random(6000) < 1 / (1 + np.exp(-logits))).astype(int)
    stated = 1 / (1 + np.exp(-logits * factor))
    answers = np.stack([1 - stated, stated], axis=1)
    found = temperature(truth, answers)
    assert found == pytest.approx(factor, rel=0.08)
    corrected = answers ** (1 / found) / (answers ** (1 / found)).sum(axis=1, keepdims=True)
    assert calibration(truth, corrected).ece < 0.015
    assert factor == 1.0 or calibration(truth, answers).ece > 0.04


def test_answers_without_a_mistake_have_a_limit() -> None:
    truth = np.array([0, 1] * 10)
    assert temperature(truth, np.eye(2)[truth] * 0.98 + 0.01) == pytest.approx(0.2, abs=0.01)


def test_a_confidence_on_a_border_belongs_to_the_range_below_it() -> None:
    """0.60 = 9 / 15 is in range 9 of 15. tests/edge/site/test_check.py computes the 0.18333 by hand."""
    confidence = np.repeat([0.58, 0.60, 0.63], 10)
    truth = np.repeat([0, 1, 0, 0, 1], [5, 5, 10, 4, 6])
    found = calibration(truth, np.stack([confidence, 1 - confidence], axis=1), 15)
    assert found.ece == pytest.approx(5.5 / 30)
    assert [(each.count, each.accuracy.right) for each in found.bins] == [(20, 15), (10, 4)]
