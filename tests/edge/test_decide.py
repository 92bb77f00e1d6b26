import numpy as np
import pytest

from edge.decide import NO_ANSWER, REVIEW, Decision, Rules, decide, merged

NAMES = ("lymphocyte", "monocyte")
PLAIN = Rules(NAMES)
KINDS = (*NAMES, "eosinophil", "other", "patch")
WITH_OTHER = Rules((*NAMES, "other"), KINDS)
STRICT = Rules(
    (*NAMES, "other"),
    KINDS,
    min_confidence=0.9,
    max_other=0.2,
    min_other=0.8,
    min_subclass=0.5,
    max_distance=2.0,
    abstain=True,
)


def tempered(temperature: float) -> Rules:
    return Rules(NAMES, temperature=temperature)


def test_the_likeliest_label_wins() -> None:
    decision = decide(np.array([0.3, 0.7], np.float32), PLAIN)
    assert decision == Decision("monocyte", {"lymphocyte": 0.3, "monocyte": 0.7})


def test_temperature_divides_the_logits() -> None:
    decision = decide(np.array([0.2, 0.8]), tempered(2.0))
    assert decision.probabilities["monocyte"] == pytest.approx(2 / 3, abs=1e-4)  # odds of 4 become sqrt(4)
    certain = decide(np.array([0.0, 1.0]), tempered(2.0))
    assert certain.probabilities == {"lymphocyte": 0.0, "monocyte": 1.0}


def test_the_shift_is_subtracted_from_the_network_s_own_logits() -> None:
    decision = decide(np.array([0.2, 0.8]), tempered(0.5), shift=np.log(2))
    assert decision.probabilities["monocyte"] == pytest.approx(0.8, abs=1e-4)  # odds of 4 become 2, and then 4
    assert decide(np.array([0.2, 0.8]), PLAIN, shift=2.0).label == "lymphocyte"


def test_kinds_are_merged() -> None:
    assert merged(np.array([0.1, 0.2, 0.3, 0.25, 0.15]), 3).tolist() == pytest.approx([0.1, 0.2, 0.7])
    decision = decide([0.1, 0.2, 0.3, 0.25, 0.15], WITH_OTHER)
    assert decision.label == "other" and decision.reason == "like an eosinophil"
    assert decision.probabilities == pytest.approx({"lymphocyte": 0.1, "monocyte": 0.2, "other": 0.7})
    assert decide([0.1, 0.2, 0.1, 0.5, 0.1], WITH_OTHER).reason == "", "it has no name"
    assert decide([0.1, 0.2, 0.1, 0.1, 0.5], WITH_OTHER).reason == "no white cell"
    assert decide([0.1, 0.2, 0.7], WITH_OTHER).label == "other", "merged already"


def test_without_review_the_likeliest_label_is_the_answer() -> None:
    """Also if OTHER has less than one half."""
    assert decide([0.3, 0.25, 0.45, 0.0, 0.0], WITH_OTHER).label == "other"
    assert decide([0.25, 0.4, 0.35, 0.0, 0.0], WITH_OTHER).label == "monocyte"


def test_the_logit_of_other_is_scaled_and_shifted() -> None:
    rules = Rules((*NAMES, "other"), KINDS, other_platt=(0.5, 1.0))
    decision = decide([0.1, 0.4, 0.5, 0.0, 0.0], rules)  # logit 0 becomes -2
    assert decision.probabilities["other"] == pytest.approx(1 / (1 + np.exp(2)), abs=1e-4)
    assert decision.label == "monocyte" and decision.probabilities["monocyte"] == pytest.approx(0.8 * 0.8808, abs=1e-3)


@pytest.mark.parametrize(
    ("kinds", "distance", "doubt", "reason"),
    [
        ([0.02, 0.95, 0.03, 0, 0], 1.0, "", ""),
        ([0.30, 0.65, 0.05, 0, 0], 1.0, "", "close call 68:32"),
        ([0.02, 0.70, 0.28, 0, 0], 1.0, "", "perhaps another type, 28 %, most like an eosinophil"),
        ([0.02, 0.95, 0.03, 0, 0], 2.1, "", "unlike anything in training"),
        ([0.02, 0.95, 0.03, 0, 0], 1.0, "cut by the border", "cut by the border"),
        ([0.10, 0.20, 0.70, 0, 0], 1.0, "", "perhaps another type, 70 %, most like an eosinophil"),
        ([0.10, 0.20, 0, 0.70, 0], 1.0, "", "perhaps another type, 70 %"),
        ([0.10, 0.20, 0, 0, 0.70], 1.0, "", "perhaps no white cell, 70 %"),
        ([0.10, 0.20, 0.70], 1.0, "", "perhaps another type, 70 %"),
        ([0.02, 0.03, 0.35, 0.3, 0.3], 1.0, "", "like no kind that it knows"),
        ([0.02, 0.03, 0.95, 0, 0], 2.1, "", "unlike anything in training"),
    ],
)
def test_doubtful_cells_are_left_for_review_with_a_reason(
    kinds: list[float], distance: float, doubt: str, reason: str
) -> None:
    decision = decide(kinds, STRICT, distance=distance, picture_doubt=lambda: doubt)
    assert decision.reason == reason and decision.label == ("review" if reason else "monocyte")


def test_without_review_even_doubtful_cells_get_an_answer() -> None:
    assert (
        decide([0.3, 0.4, 0.3, 0, 0], WITH_OTHER, distance=9.0, picture_doubt=lambda: "cut by the border").label
        == "monocyte"
    )


def test_a_cell_of_other_is_answered_even_if_the_border_cuts_it() -> None:
    decision = decide([0.01, 0.02, 0.97, 0, 0], STRICT, distance=1.0, picture_doubt=lambda: "cut by the border")
    assert decision.label == "other" and decision.reason == "like an eosinophil"


@pytest.mark.parametrize("rules", [PLAIN, WITH_OTHER, STRICT])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_never_a_name(rules: Rules, bad: float) -> None:
    sure = np.full(len(rules.kinds or rules.labels), 0.0)
    sure[0] = 1.0
    for kinds, distance in ((sure * bad, 1.0), (np.where(sure == 1, sure, bad), 1.0), (sure, bad)):
        decision = decide(kinds, rules, distance=distance)
        assert decision == Decision(REVIEW, dict.fromkeys(rules.labels, 0.0), reason=NO_ANSWER)
