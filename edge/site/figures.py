"""Figures that tell how well a site's labelled cells are answered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge.decide import REVIEW, Decision
from edge.share import Share, exact


@dataclass(frozen=True)
class SiteFigures:
    """How labelled cells are answered. Figures are 0 to 1, rounded to ten-thousandths; None where there are no cells.

    Attributes:
        balanced_accuracy: mean recall of the two names, where each cell with a name is given the likelier of the two;
            the answers *other* and review are ignored.
        mean_recall: mean recall of all labels, where each cell is given the likeliest label, without review.
        coverage: share of the cells with a name that get an answer; the others are left for review.
        risk: share of wrong answers among the cells with a name that get an answer.
        other_named: share of the other cells that are given a name.
    """

    balanced_accuracy: float | None
    mean_recall: float | None = field(metadata={"key": "labels"})
    coverage: float | None = field(metadata={"key": "given"})
    risk: float | None = field(metadata={"key": "wrong"})
    other_named: float | None = field(metadata={"key": "named"})


@dataclass(frozen=True)
class LeftOut:
    """How well those cells were answered that were left out when a profile was fitted.

    Attributes:
        before: figures of the model alone.
        after: figures of the model with a profile.
        gain: by how much the mean log loss falls with the profile, each label weighing the same.
        standard_error: standard error of `gain`.
    """

    before: SiteFigures
    after: SiteFigures
    gain: float
    standard_error: float


def figures(decisions: Sequence[Decision], truth: Sequence[int] | np.ndarray, labels: Sequence[str]) -> SiteFigures:
    """The figures of n decisions on labelled cells.

    Args:
        decisions: one for each cell.
        truth: numbers of the true labels, [n].
        labels: the model's labels; the two names come first.
    """
    truth = np.asarray(truth, np.int64)
    probabilities = np.array([[decision.probabilities[label] for label in labels] for decision in decisions])
    probabilities = probabilities.reshape(len(truth), len(labels))
    answer = np.array([decision.label for decision in decisions], dtype=str)
    likelier = (probabilities[:, 1] > probabilities[:, 0]).astype(np.int64)
    likeliest = probabilities.argmax(axis=1)
    named = truth < 2
    answered = named & (answer != REVIEW)
    return SiteFigures(
        balanced_accuracy=_mean(_mean(likelier[truth == i] == i) for i in (0, 1)),
        mean_recall=_mean(_mean(likeliest[truth == i] == i) for i in range(len(labels))),
        coverage=_mean(answered[named]),
        risk=_mean((answer != np.array(labels)[truth])[answered]),
        other_named=_mean(np.isin(answer[~named], labels[:2])),
    )


def recalls(
    decisions: Sequence[Decision],
    truth: Sequence[int] | np.ndarray,
    physical: Sequence[int] | np.ndarray,
    labels: Sequence[str],
) -> dict[str, Share]:
    """The share of each label's physical cells that are found, with its exact 95 % interval, to ten-thousandths.

    A cell is found if its label is the likeliest in more than half of its pictures. Labels without cells are left out.

    Args:
        decisions: one for each picture.
        truth: numbers of the true labels, [n].
        physical: number of the physical cell of each picture, [n].
        labels: the model's labels.
    """
    hits: dict[int, dict[int, list[bool]]] = {}
    for decision, label, cell in zip(decisions, truth, physical, strict=True):
        likeliest = max(labels, key=decision.probabilities.__getitem__)
        hits.setdefault(int(label), {}).setdefault(int(cell), []).append(likeliest == labels[label])
    result = {}
    for number, each in sorted(hits.items()):
        found = exact(sum(2 * sum(right) > len(right) for right in each.values()), len(each))
        value, low, high = (round(bound or 0.0, 4) for bound in (found.value, found.low, found.high))
        result[labels[number]] = replace(found, value=value, low=low, high=high)
    return result


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that aren't None, rounded to ten-thousandths; None where there are none."""
    known = [float(value) for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None
