"""How well a network answers: figures with counts and intervals, from its answers and the true labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.contract import ClassFigures, Figures, OtherFigures
from edge.decide import OTHER
from edge.output.tables import Table
from edge.share import share


def metrics(truth: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> Figures:
    """Figures of one set of pictures.

    Args:
        truth: indices into `labels`, int [n]; n may be 0, as for a source that only holds other cells.
        probabilities: float [n, labels].
        labels: what an answer can be. If the last one is OTHER, only the figures of `other` cover all pictures. All
            other figures leave out the cells of OTHER, and ask which of the other labels is likeliest. So they can be
            compared with those of a network that does not know OTHER.

    Returns:
        Recall and precision with Wilson's 95 % intervals. With two labels besides OTHER, AUROC is that of the second
        against the first.
    """
    if OTHER in labels:
        named = truth < len(labels) - 1
        of_names = metrics(truth[named], names_only(probabilities[named]), labels[:-1])
        return replace(of_names, other=other(truth, probabilities))
    pairs = truth * len(labels) + probabilities.argmax(axis=1)
    table = np.bincount(pairs, minlength=len(labels) ** 2).reshape(len(labels), len(labels))
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
    """Probabilities of the names, that is, the labels without OTHER: float64 [n, names], summing to 1.

    Args:
        probabilities: float [n, labels]; the last label is OTHER.
    """
    names = probabilities[:, :-1].astype(float)
    return (names + 1e-12) / (names + 1e-12).sum(axis=1, keepdims=True)


def other(truth: np.ndarray, probabilities: np.ndarray) -> OtherFigures:
    """How the cells of OTHER, the last label, are answered.

    Args:
        truth: label indices, int [n].
        probabilities: float [n, labels].
    """
    last = probabilities.shape[1] - 1
    is_other, called_other = truth == last, probabilities.argmax(axis=1) == last
    both = 0 < is_other.sum() < len(truth)
    return OtherFigures(
        recall=share(called_other[is_other].sum(), is_other.sum()),
        lost=share(called_other[~is_other].sum(), (~is_other).sum()),
        auroc=float(roc_auc_score(is_other, probabilities[:, last])) if both else None,
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def by_source(
    truth: np.ndarray, probabilities: np.ndarray, sources: Sequence[str], labels: Sequence[str]
) -> dict[str, Figures]:
    """`metrics` of all pictures, under "all", and of each source, under its name.

    Args:
        truth: indices into `labels`, int [n].
        probabilities: float [n, labels].
        sources: name of each picture's source, n names.
        labels: what an answer can be.
    """
    names = np.array(sources)
    result = {"all": metrics(truth, probabilities, labels)}
    for name in sorted(set(sources)):
        result[name] = metrics(truth[names == name], probabilities[names == name], labels)
    return result


def table(figures: Mapping[str, Figures]) -> Table:
    """The figures of `by_source`, one row per source. Monocyte recall comes first: monocytes are the rare class."""
    return Table(
        ["", "monocyte recall", "lymphocyte recall", "balanced accuracy", "AUROC"],
        [
            [
                name,
                *(str(each.classes[label].recall) for label in ("monocyte", "lymphocyte")),
                f"{each.balanced_accuracy:.3f}" if each.count else "-",
                "-" if each.auroc is None else f"{each.auroc:.3f}",
            ]
            for name, each in figures.items()
        ],
    )
