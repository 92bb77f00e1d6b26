"""Figures of two classes, with intervals that count a physical cell once, however many photographs it has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from edge.contract import ClassFigures, Figures
from edge.output.tables import Table
from train.evaluation import calibration, error_balance, evaluate, intervals
from train.evaluation.calibration import Reliability
from train.evaluation.error_balance import ErrorBalance
from train.evaluation.intervals import Estimate, Interval

SEED = 0  # of the bootstrap
OVERALL = {"balanced_accuracy": "balanced accuracy", "auroc": "AUROC", "average_precision": "average precision"}


@dataclass(frozen=True, kw_only=True)
class CellFigures(Figures):
    """Figures of one set of pictures, with intervals that allow for several photographs of one cell.

    Attributes:
        average_precision: of the second class, 0 to 1; None if only one class is there.
        cells: number of physical cells that the pictures show.
        intervals: intervals of the figures that are not proportions, by name: "f1 LABEL" and the keys of OVERALL.
        calibration: how confident the answers are, compared with how often they are right.
        bias: which class the errors favour. Each cell counts once, with the answer that is likeliest by the mean of its
            photographs' probabilities.
    """

    average_precision: float | None = None
    cells: int
    intervals: dict[str, Interval]
    calibration: Reliability
    bias: ErrorBalance

    def estimate(self, name: str) -> Estimate:
        """A figure with its interval from `intervals`. name: "f1 LABEL" or a key of OVERALL."""
        label = name.removeprefix("f1 ")
        value = getattr(self, name) if name in OVERALL else self.classes[label].f1
        return Estimate(value, self.intervals[name].low, self.intervals[name].high)


def figures(truth: np.ndarray, probabilities: np.ndarray, cells: np.ndarray, labels: Sequence[str]) -> CellFigures:
    """Figures of one set of pictures.

    Args:
        truth: indices into `labels`, int [n]; cells of OTHER must be left out.
        probabilities: float [n, 2].
        cells: number of the physical cell that each picture shows, int [n].
        labels: the names of the two classes.
    """
    plain = evaluate.metrics(truth, probabilities, labels)
    answers, score = probabilities.argmax(axis=1), probabilities[:, 1]
    classes = {}
    for i, label in enumerate(labels):
        there, called = truth == i, answers == i
        recall = intervals.share(called[there], cells[there])
        precision = intervals.share(there[called], cells[called])
        classes[label] = ClassFigures(recall, precision, plain.classes[label].f1)
    _, first, place = np.unique(cells, return_index=True, return_inverse=True)
    mean = np.stack([np.bincount(place, p) / np.bincount(place) for p in probabilities.T], axis=1)
    return CellFigures(
        **vars(replace(plain, accuracy=intervals.share(truth == answers, cells), classes=classes)),
        average_precision=None if plain.auroc is None else float(average_precision_score(truth, score)),
        cells=len(first),
        intervals=intervals.bootstrap(lambda weights: _weighted(truth, probabilities, weights, labels), cells, SEED),
        calibration=calibration.calibration(truth, probabilities),
        bias=error_balance.balance(truth[first], mean.argmax(axis=1), labels),
    )


def by_source(
    truth: np.ndarray, probabilities: np.ndarray, cells: np.ndarray, sources: np.ndarray, labels: Sequence[str]
) -> dict[str, CellFigures]:
    """`figures` of all pictures, under "all", and of each source. sources: str [n]; the others as for `figures`."""
    together = figures(truth, probabilities, cells, labels)
    names = sorted(set(sources.tolist()))
    if len(names) == 1:  # not computed twice, as the bootstrap takes seconds
        return {"all": together, names[0]: together}
    groups = {name: sources == name for name in names}
    return {"all": together} | {
        name: figures(truth[rows], probabilities[rows], cells[rows], labels) for name, rows in groups.items()
    }


def _weighted(
    truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, labels: Sequence[str]
) -> dict[str, float]:
    """The figures of one draw of the bootstrap; NaN if the draw lacks a class."""
    answers, score = probabilities.argmax(axis=1), probabilities[:, 1]
    table = np.bincount(2 * truth + answers, weights, minlength=4).reshape(2, 2)
    with np.errstate(invalid="ignore"):
        recall = table.diagonal() / table.sum(axis=1)
        f1 = 2 * table.diagonal() / (table.sum(axis=0) + table.sum(axis=1))
    both = not np.isnan(recall).any()
    return {
        **{f"f1 {label}": float(value) for label, value in zip(labels, f1, strict=True)},
        "balanced_accuracy": float(recall.mean()),
        "auroc": float(roc_auc_score(truth, score, sample_weight=weights)) if both else np.nan,
        "average_precision": float(average_precision_score(truth, score, sample_weight=weights)) if both else np.nan,
    }


def class_rows(figures: CellFigures) -> list[list[str]]:
    """Label, recall, precision and F1 of each class; the rarer class comes first."""
    return [
        [label, str(each.recall), str(each.precision), str(figures.estimate(f"f1 {label}"))]
        for label, each in reversed(figures.classes.items())
    ]


def class_table(figures: dict[str, CellFigures]) -> Table:
    """Recall, precision and F1, one row for each source and class."""
    rows = [[source, *row] for source, each in figures.items() for row in class_rows(each)]
    return Table(["source", "class", "recall", "precision", "F1"], rows)


def summary_table(figures: dict[str, CellFigures]) -> Table:
    """Counts, recalls, the figures of OVERALL, and the expected calibration error; one row per source."""
    labels = list(reversed(figures["all"].classes))
    heads = ["source", "pictures", "cells", *(f"{label} recall" for label in labels), *OVERALL.values(), "ECE"]
    rows = [
        [
            source,
            f"{each.count:,}",
            f"{each.cells:,}",
            *(str(each.classes[label].recall) for label in labels),
            *(str(each.estimate(name)) for name in OVERALL),
            f"{each.calibration.ece:.3f}",
        ]
        for source, each in figures.items()
    ]
    return Table(heads, rows)
