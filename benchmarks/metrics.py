"""Compares answers with the truth. In the intervals, a cell that was photographed several times counts once."""

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
    """The figures of one name, lymphocyte or monocyte.

    Attributes:
        recall: share of the pictures with this true label for which it is the likelier of the names.
    """

    recall: Share


@dataclass(frozen=True)
class Figures:
    """How accurately one set of labelled pictures is answered.

    The *names* are all labels except *other*: usually lymphocyte and monocyte. `classes`, `balanced_accuracy`, `ece`
    and `auroc` only ask which name is the likeliest. So networks can be compared even if some of them don't know
    *other*.

    Attributes:
        count: number of pictures.
        cells: number of physical cells in these pictures.
        coverage: share of the pictures that get an answer; the others are left for review.
        risk: share of wrong answers among those given.
        classes: figures by name.
        balanced_accuracy: mean recall of the names.
        ece: expected calibration error, 0 to 1.
        auroc: area under the ROC curve of the second name against the first, 0 to 1; None unless there are exactly two
            names and both occur.
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
    """The answers at the usual stated risk. The quality of the pictures isn't checked."""
    rules = model.rules(RISK)
    return [decide(each.kinds, rules, distance=each.distance) for each in predictions]


def likelier(answers: Sequence[Decision], names: Sequence[str]) -> np.ndarray:
    """The likeliest of the names for each answer, as indices into `names`, int [n]; even if the answer is another."""
    return _name_shares(answers, names).argmax(axis=1)


def _name_shares(answers: Sequence[Decision], names: Sequence[str]) -> np.ndarray:
    """Probabilities of the names, scaled so that they sum to 1 without *other*, float [n, names]."""
    shares = np.array([[each.probabilities[name] for name in names] for each in answers])
    return (shares + 1e-6) / (shares + 1e-6).sum(axis=1, keepdims=True)


def figures(truth: np.ndarray, answers: Sequence[Decision], cells: np.ndarray, labels: Sequence[str]) -> Figures:
    """The figures of one set of n pictures.

    Args:
        truth: true labels, as indices into `labels`, int [n]; none of them is OTHER.
        answers: the n answers.
        cells: number of the physical cell in each picture, int [n].
        labels: the labels that an answer can have.
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
    """The mean of independent proportions with its 95 % interval. It is undefined if one of the proportions is.

    Source: Zou and Donner, Statistics in Medicine 27 (2008): distances to the bounds are added like standard errors.
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
    """The headings of the columns in `row`."""
    recalls = [f"{name} recall" for name in reversed(result.classes)]
    return [*recalls, "balanced accuracy", "ECE", "answered", "wrong of these"]


def row(result: Figures) -> list[str]:
    """The figures as one row of a table. The recall of monocytes, the rare class, comes first."""
    recalls = [str(each.recall) for each in reversed(result.classes.values())]
    percentages = [percentage(each) for each in (result.coverage, result.risk)]
    return [*recalls, str(result.balanced_accuracy), f"{result.ece:.3f}", *percentages]


def percentage(share: Share) -> str:
    """A share as text: "97.1 %", or "-" if nothing was counted."""
    return "-" if share.value is None else f"{100 * share.value:.1f} %"
