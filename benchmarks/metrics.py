"""Decisions against the truth -> figures with their intervals; photographs of one physical cell count once."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.decide import OTHER, REVIEW, RISK, Decision, decide
from edge.model import Model, Prediction
from train.evaluation import calibration, intervals, model_card


def decided(model: Model, seen: Sequence[Prediction]) -> list[Decision]:
    """What the runner makes of what a model sees."""
    rules = model.rules(RISK)
    return [decide(each.kinds, rules, distance=each.distance) for each in seen]


def likelier(decisions: Sequence[Decision], names: Sequence[str]) -> np.ndarray:
    """Which of the names is the likeliest, whatever else is told or doubted -> numbers, int [n]."""
    return _shares(decisions, names).argmax(axis=1)


def _shares(decisions: Sequence[Decision], names: Sequence[str]) -> np.ndarray:
    """Of the names among themselves, float [n, names]."""
    shares = np.array([[each.probabilities[name] for name in names] for each in decisions])
    return (shares + 1e-6) / (shares + 1e-6).sum(axis=1, keepdims=True)


def judged(truth: np.ndarray, decisions: Sequence[Decision], cells: np.ndarray, labels: Sequence[str]) -> dict:
    """truth, cells (which physical cell): int [n] -> {"count", "cells", "classes": {name: {"recall"}},
    "balanced_accuracy", "ece", and of two names "auroc": all of which of the names is the likeliest, so that networks
    compare, whatever else they tell; "coverage": share given an answer, not left for a person; "risk": share of wrong
    ones among these}. labels: what is told; the truth is none of OTHER.

    Each share has "value", "low" and "high"; what isn't defined is None, as a class that isn't there.
    """
    names = [label for label in labels if label != OTHER]
    given, shares = likelier(decisions, names), _shares(decisions, names)
    answered = np.array([each.label != REVIEW for each in decisions], bool)
    right = np.array([each.label == names[t] for each, t in zip(decisions, truth, strict=True)], bool)
    classes = {
        name: {"recall": intervals.share(given[truth == i] == i, cells[truth == i])} for i, name in enumerate(names)
    }
    result = {
        "count": len(truth),
        "cells": len(np.unique(cells)),
        "coverage": intervals.share(answered, cells),
        "risk": intervals.share(~right[answered], cells[answered]),
        "classes": classes,
        "balanced_accuracy": mean([each["recall"] for each in classes.values()]),
        "ece": calibration.calibration(truth, shares)["ece"],
    }
    if len(names) == 2 and 0 < truth.sum() < len(truth):
        result["auroc"] = float(roc_auc_score(truth, shares[:, 1]))
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
    """judged() in words: recalls, the rarer class first, balanced accuracy, ECE, coverage, risk."""
    recalls = [model_card.share(each["recall"]) for each in reversed(figures["classes"].values())]
    balanced = figures["balanced_accuracy"]
    shares = [_percent(figures[name]) for name in ("coverage", "risk")]
    return [*recalls, model_card.value(balanced["value"], balanced), f"{figures['ece']:.3f}", *shares]


def _percent(share: Mapping) -> str:
    return "-" if share["value"] is None else f"{100 * share['value']:.1f} %"
