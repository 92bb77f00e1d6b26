"""Decisions against the truth -> figures with their intervals; photographs of one physical cell count once."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.decide import Decision, decide
from edge.model import Model
from train import calibration, card, intervals

REVIEW = "review"  # the answer of a network that leaves it to a person: not answered, and so neither right nor wrong


def decided(model: Model, probabilities: np.ndarray) -> list[Decision]:
    """What the runner makes of a model's outputs, float [n, labels]."""
    return [decide(each, model.labels, model.temperature) for each in probabilities]


def answers(decisions: Sequence[Decision], labels: Sequence[str]) -> np.ndarray:
    """-> class numbers, int [n], -1 where a person has to look."""
    return np.array([-1 if each.label == REVIEW else labels.index(each.label) for each in decisions])


def judged(truth: np.ndarray, decisions: Sequence[Decision], cells: np.ndarray, labels: Sequence[str]) -> dict:
    """truth, cells (which physical cell): int [n] -> {"count", "cells", "coverage" (share answered), "classes": {label:
    {"recall" (of what was answered)}}, "balanced_accuracy", "ece", and of two labels "auroc"}.

    Each share has "value", "low" and "high"; what isn't defined is None, as a class that isn't there.
    """
    given = answers(decisions, labels)
    answered = given >= 0
    probabilities = np.array([[each.probabilities[label] for label in labels] for each in decisions])
    classes = {}
    for i, label in enumerate(labels):
        those = answered & (truth == i)
        classes[label] = {"recall": intervals.share(given[those] == i, cells[those])}
    result = {
        "count": len(truth),
        "cells": len(np.unique(cells)),
        "coverage": intervals.share(answered, cells),
        "classes": classes,
        "balanced_accuracy": mean([each["recall"] for each in classes.values()]),
        "ece": calibration.calibration(truth, probabilities)["ece"],
    }
    if len(labels) == 2 and 0 < truth.sum() < len(truth):
        result["auroc"] = float(roc_auc_score(truth, probabilities[:, 1]))
    return result


def mean(shares: Sequence[Mapping]) -> dict:
    """Of independent figures with intervals -> {"value", "low", "high"}, None where one of them isn't defined.

    Zou and Donner, Statistics in Medicine 27 (2008): the distances to the limits add as standard errors do.
    """
    if any(each["value"] is None for each in shares):
        return {"value": None, "low": None, "high": None}
    value = sum(each["value"] for each in shares) / len(shares)
    below = math.hypot(*(each["value"] - each["low"] for each in shares)) / len(shares)
    above = math.hypot(*(each["high"] - each["value"] for each in shares)) / len(shares)
    return {"value": value, "low": value - below, "high": value + above}


def difference(a: Mapping, b: Mapping) -> dict:
    """a - b of independent figures with intervals, as mean() -> {"value", "low", "high"}; they differ where 0 isn't in
    it.
    """
    value = a["value"] - b["value"]
    below = math.hypot(a["value"] - a["low"], b["high"] - b["value"])
    above = math.hypot(a["high"] - a["value"], b["value"] - b["low"])
    return {"value": value, "low": value - below, "high": value + above}


def row(figures: Mapping) -> list[str]:
    """judged() in words: recalls, the rarer class first, balanced accuracy, ECE, coverage."""
    recalls = [card.share(each["recall"]) for each in reversed(figures["classes"].values())]
    balanced = figures["balanced_accuracy"]
    return [*recalls, card.value(balanced["value"], balanced), f"{figures['ece']:.3f}", _percent(figures["coverage"])]


def _percent(share: Mapping) -> str:
    return "-" if share["value"] is None else f"{100 * share['value']:.1f} %"
