"""Thresholds for stated risks, on answers whose true labels are drawn from their own probabilities."""

import numpy as np
import pytest

from edge.contract import Decision, Platt, Thresholds, document
from edge.decide import Rules, decide
from train.evaluation import selective

LABELS = ("lymphocyte", "monocyte", "other")
KINDS = ("lymphocyte", "monocyte", "basophil", "patch")


def answers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True labels (of LABELS) and calibrated probabilities (of KINDS), from unsure to sure."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3.0, (count, len(KINDS)))
    kinds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (kinds.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return np.minimum(drawn, 2), kinds


def rules(decision: Decision, risk: str) -> Rules:
    """A fitted decision at one risk, as the runner uses it."""
    platt = decision.other or Platt()
    limits = {name: value for name, value in vars(at(decision, risk)).items() if value is not None}
    return Rules(LABELS, KINDS, decision.temperature, (platt.scale, platt.shift), **limits)


def at(decision: Decision, risk: str) -> Thresholds:
    assert decision.risks
    return decision.risks[risk]


@pytest.mark.parametrize("risk", ["0.02", "0.05", "0.1"])
def test_a_stated_risk_holds_on_cells_not_seen(risk: str) -> None:
    truth, kinds = answers(4000, 0)
    found = selective.decision(truth, kinds, np.zeros(len(truth)), LABELS, KINDS)
    assert found.temperature == pytest.approx(1, abs=0.1)
    later, seen = answers(4000, 1)
    decisions = [decide(each, rules(found, risk)).label for each in seen]
    figures = selective.figures(later, decisions, LABELS)
    assert figures.risk.low is not None and figures.coverage.value is not None
    assert figures.risk.low <= float(risk) and figures.coverage.value > 0.1
    assert figures.named and figures.named.low is not None and figures.named.low <= 2 * float(risk)


def test_a_lower_risk_means_fewer_answers_and_a_risk_that_cannot_be_held_is_not_offered() -> None:
    truth, kinds = answers(4000, 0)
    found = selective.decision(truth, kinds, np.zeros(len(truth)), LABELS, KINDS)
    given = [
        np.mean([decide(each, rules(found, risk)).label != "review" for each in kinds]) for risk in found.risks or ()
    ]
    assert given == sorted(given) and len(set(given)) > 2
    blind = np.full_like(kinds, 0.25)
    assert selective.decision(truth, blind, np.zeros(len(truth)), LABELS, KINDS).risks == {}


def test_cells_far_from_training_are_left_for_review() -> None:
    truth, kinds = answers(1000, 0)
    distances = np.random.default_rng(0).uniform(0.5, 1.5, 1000)
    found = selective.decision(truth, kinds, distances, LABELS, KINDS)
    far = at(found, "0.1").max_distance
    assert far is not None and np.mean(distances > far) == pytest.approx(0.01, abs=0.006)
    sure = [0.999, 0.001, 0.0, 0.0]
    assert decide(sure, rules(found, "0.1"), distance=far).label == "lymphocyte"
    assert decide(sure, rules(found, "0.1"), distance=far + 0.1).reason == "unlike anything in training"


def test_two_labels_need_no_other() -> None:
    rng = np.random.default_rng(0)
    monocyte = 1 / (1 + np.exp(-rng.normal(0, 3, 3000)))
    truth = (rng.random(3000) < monocyte).astype(int)
    kinds = np.stack([1 - monocyte, monocyte], axis=1)
    found = selective.decision(truth, kinds, np.zeros(3000), LABELS[:2], LABELS[:2])
    limits = at(found, "0.05")
    assert found.other is None and set(document(limits)) == {"sure"} and limits.min_confidence is not None
    names_only = Rules(LABELS[:2], (), found.temperature, min_confidence=limits.min_confidence)
    decisions = [decide(each, names_only).label for each in kinds]
    risk = selective.figures(truth, decisions, LABELS[:2]).risk
    assert risk.low is not None and risk.low <= 0.05
