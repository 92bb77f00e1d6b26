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
