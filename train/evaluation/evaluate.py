"""Answers against the truth -> figures with counts and intervals."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, roc_auc_score

from edge.contract import ClassFigures, Figures, OtherFigures
from edge.decide import OTHER
from edge.output.tables import Table
from edge.share import share


def metrics(truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> Figures:
    """Figures of one set of pictures.

    Args:
        truth: numbers among `labels`, int [n].
        probabilities: float [n, labels].
        labels: what an answer can be. Where OTHER is the last one, all figures but `other` are about the cells that
            have a name, and about which name is likelier: so they compare with a network that doesn't know OTHER.

    Returns:
        Recall and precision with Wilson's 95 % intervals. With two names, AUROC is of the second against the first.
    """
    if OTHER in labels:
        named = truth < len(labels) - 1
        found = metrics(truth[named], names_only(probabilities[named]), labels[:-1])
        return Figures(**(vars(found) | {"other": other(truth, probabilities)}))
    table = confusion_matrix(truth, probabilities.argmax(axis=1), labels=range(len(labels)))
    classes = {
        label: ClassFigures(
            recall=share(table[i, i], table[i].sum()),
            precision=share(table[i, i], table[:, i].sum()),
            f1=_ratio(2 * table[i, i], table[i].sum() + table[:, i].sum()),
        )
        for i, label in enumerate(labels)
    }
    both = len(labels) == 2 and 0 < truth.sum() < len(truth)
    return Figures(
        count=len(truth),
        accuracy=share(table.trace(), len(truth)),
        balanced_accuracy=float(np.mean([each.recall.value or 0.0 for each in classes.values()])),
        classes=classes,
        confusion=tuple(tuple(map(int, row)) for row in table),
        auroc=float(roc_auc_score(truth == 1, probabilities[:, 1])) if both else None,
    )


def names_only(probabilities: np.ndarray) -> np.ndarray:
    """float [n, labels], the last of them OTHER -> the names among themselves, float64 [n, names], summing to 1."""
    names = probabilities[:, :-1].astype(float)
    return (names + 1e-12) / (names + 1e-12).sum(axis=1, keepdims=True)


def other(truth: np.ndarray, probabilities: np.ndarray) -> OtherFigures:
    """What becomes of the cells of OTHER, the last label. truth: int [n]; probabilities: float [n, labels]."""
    last = probabilities.shape[1] - 1
    which, called = truth == last, probabilities.argmax(axis=1) == last
    return OtherFigures(
        recall=share(called[which].sum(), which.sum()),
        lost=share(called[~which].sum(), (~which).sum()),
        auroc=float(roc_auc_score(which, probabilities[:, last])) if 0 < which.sum() < len(truth) else None,
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def by_source(
    truth: np.ndarray, probabilities: np.ndarray, sources: Sequence[str], labels: Sequence[str]
) -> dict[str, Figures]:
    """`metrics` of all pictures ("all") and of each source."""
    names = np.array(sources)
    result = {"all": metrics(truth, probabilities, labels)}
    for name in sorted(set(sources)):
        result[name] = metrics(truth[names == name], probabilities[names == name], labels)
    return result


def table(results: dict[str, Figures]) -> Table:
    """The figures of `by_source`, a row a source; monocyte recall, the rare class's, comes first."""
    return Table(
        ["", "monocyte recall", "lymphocyte recall", "balanced accuracy", "AUROC"],
        [
            [
                name,
                *(str(figures.classes[label].recall) for label in ("monocyte", "lymphocyte")),
                f"{figures.balanced_accuracy:.3f}",
                "-" if figures.auroc is None else f"{figures.auroc:.3f}",
            ]
            for name, figures in results.items()
        ],
    )
