"""Decisions compared with the truth: figures with intervals in which a physical cell counts once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.decide import OTHER, REVIEW, RISK, Decision, decide
from edge.model import Model, Prediction
from edge.share import Share
from train.evaluation import calibration, intervals
from train.evaluation.intervals import Estimate


@dataclass(frozen=True)
class ClassFigures:
    """One name.

    Attributes:
        recall: share of its pictures of which it is the likelier name.
    """

    recall: Share


@dataclass(frozen=True)
class Figures:
    """How one set of labelled pictures is answered.

    `classes`, `balanced_accuracy`, `ece` and `auroc` are about which of the names is the likeliest, so that networks
    compare, whatever other answers they can give.

    Attributes:
        count: pictures.
        cells: physical cells that they show.
        coverage: share of the pictures that get an answer and are not left for a person to review.
        risk: share of wrong answers among these.
        classes: by name.
        balanced_accuracy: mean recall of the names.
        ece: expected calibration error, 0 to 1.
        auroc: of the second name against the first, 0 to 1; None where there are not just two.
    """

    count: int
    cells: int
    coverage: Share
    risk: Share
    classes: dict[str, ClassFigures]
    balanced_accuracy: Estimate
    ece: float
    auroc: float | None = None


def decisions(model: Model, predictions: Sequence[Prediction]) -> list[Decision]:
    """The answers at the usual stated risk, without a look at the quality of the pictures."""
    rules = model.rules(RISK)
    return [decide(each.kinds, rules, distance=each.distance) for each in predictions]


def likelier(answers: Sequence[Decision], names: Sequence[str]) -> np.ndarray:
    """Which of the names is the likeliest, whatever the answer is, as numbers among `names`, int [n]."""
    return _name_shares(answers, names).argmax(axis=1)


def _name_shares(answers: Sequence[Decision], names: Sequence[str]) -> np.ndarray:
    """Probabilities of the names among themselves, float [n, names]."""
    shares = np.array([[each.probabilities[name] for name in names] for each in answers])
    return (shares + 1e-6) / (shares + 1e-6).sum(axis=1, keepdims=True)


def figures(truth: np.ndarray, answers: Sequence[Decision], cells: np.ndarray, labels: Sequence[str]) -> Figures:
    """The figures of one set of pictures.

    Args:
        truth: numbers among `labels`, int [n]; none is OTHER.
        answers: n of them.
        cells: which physical cell each picture shows, int [n].
        labels: what an answer can be.
    """
    names = [label for label in labels if label != OTHER]
    called, shares = likelier(answers, names), _name_shares(answers, names)
    answered = np.array([each.label != REVIEW for each in answers], bool)
    right = np.array([each.label == names[t] for each, t in zip(answers, truth, strict=True)], bool)
    recalls = {name: intervals.share(called[truth == i] == i, cells[truth == i]) for i, name in enumerate(names)}
    both = len(names) == 2 and 0 < truth.sum() < len(truth)
    return Figures(
        count=len(truth),
        cells=len(np.unique(cells)),
        coverage=intervals.share(answered, cells),
        risk=intervals.share(~right[answered], cells[answered]),
        classes={name: ClassFigures(recall) for name, recall in recalls.items()},
        balanced_accuracy=mean(list(recalls.values())),
        ece=calibration.calibration(truth, shares).ece,
        auroc=float(roc_auc_score(truth, shares[:, 1])) if both else None,
    )


def mean(shares: Sequence[Share]) -> Estimate:
    """The mean of independent proportions, with its interval; not defined where one of them isn't.

    Source: Zou and Donner, Statistics in Medicine 27 (2008): the distances to the bounds add as standard errors do.
    """
    values, below, above = [], [], []
    for each in shares:
        if each.value is None or each.low is None or each.high is None:
            return Estimate(None, None, None)
        values.append(each.value)
        below.append(each.value - each.low)
        above.append(each.high - each.value)
    value = sum(values) / len(values)
    return Estimate(value, value - math.hypot(*below) / len(values), value + math.hypot(*above) / len(values))


def heads(result: Figures) -> list[str]:
    """The heads of the columns of `row`."""
    recalls = [f"{name} recall" for name in reversed(result.classes)]
    return [*recalls, "balanced accuracy", "ECE", "answered", "wrong of these"]


def row(result: Figures) -> list[str]:
    """The figures as cells of a table; monocyte recall, the rare class's, comes first."""
    recalls = [str(each.recall) for each in reversed(result.classes.values())]
    percentages = [percentage(each) for each in (result.coverage, result.risk)]
    return [*recalls, str(result.balanced_accuracy), f"{result.ece:.3f}", *percentages]


def percentage(share: Share) -> str:
    """ "97.1 %", or "-" where nothing was counted."""
    return "-" if share.value is None else f"{100 * share.value:.1f} %"
