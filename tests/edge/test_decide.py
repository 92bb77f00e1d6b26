import numpy as np
import pytest

from edge.decide import decide

LABELS = ("lymphocyte", "monocyte")


def test_the_likeliest_label_wins() -> None:
    decision = decide(np.array([0.3, 0.7], np.float32), LABELS)
    assert decision.label == "monocyte" and decision.probabilities == {"lymphocyte": 0.3, "monocyte": 0.7}


def test_temperature_divides_the_logits() -> None:
    decision = decide(np.array([0.2, 0.8]), LABELS, temperature=2.0)
    assert decision.probabilities["monocyte"] == pytest.approx(2 / 3, abs=1e-4)  # odds of 4 become sqrt(4)
    certain = decide(np.array([0.0, 1.0]), LABELS, temperature=2.0)
    assert certain.probabilities == {"lymphocyte": 0.0, "monocyte": 1.0}


def test_the_shift_comes_off_the_network_s_own_logits() -> None:
    decision = decide(np.array([0.2, 0.8]), LABELS, temperature=0.5, shift=np.log(2))
    assert decision.probabilities["monocyte"] == pytest.approx(0.8, abs=1e-4)  # odds of 4 become 2, and then 4
    assert decide(np.array([0.2, 0.8]), LABELS, shift=2.0).label == "lymphocyte"
