"""The gate: tests that a quantized file is not much less accurate than the float model on the same pictures."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from scipy.stats import binomtest

from edge.contract import Changes, Differences, Figures, Gate, Loss
from edge.decide import OTHER
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from train.evaluation import calibration, evaluate

LIMITS = Loss(balanced_accuracy=0.005, recall=0.01)  # the largest allowed losses, unless the user sets others
_Z = 1.282  # standard errors on each side of an 80 % interval: a loss is above its lower end with 90 %
_IN_A_ROW = 16  # pictures that one model answers before it is the next model's turn
T = TypeVar("T")


class NotProven(UserError):
    """A file loses more accuracy than allowed. That isn't the user's mistake, so it has an exit code of its own."""

    exit_code = 3


@dataclass(frozen=True)
class Both(Generic[T]):
    """The same quantity for the float model and for the quantized file.

    Attributes:
        before: its value for the float model.
        after: its value for the quantized file.
    """

    before: T = field(metadata={"key": "float"})
    after: T = field(metadata={"key": "quantized"})


@dataclass(frozen=True)
class Verdict:
    """What the gate found. The contract stores a part of it, see `stored`.

    Attributes:
        passed: whether the file may be written.
        against: why the file may not be written, a clause for each reason; empty if it passed.
        limits: the largest allowed losses.
        rare: the class whose recall is compared: "monocyte" or, with other labels, the rarest class.
        lost: the losses that were measured.
        before: accuracy of the float model, by source.
        after: accuracy of the quantized file, by source.
        ece: expected calibration errors, each 0 to 1.
        differences: how far the probabilities differ.
        answers: how many answers changed.
        chance: whether the float model answers no better than guessing.
        few: in a sentence, how much one picture weighs, if that is more than is allowed; else "".
    """

    passed: bool
    against: tuple[str, ...]
    limits: Loss
    rare: str
    lost: Loss
    before: dict[str, Figures] = field(metadata={"key": "float"})
    after: dict[str, Figures] = field(metadata={"key": "quantized"})
    ece: Both[float]
    differences: Differences
    answers: Changes
    chance: bool = False
    few: str = ""

    def stored(self, split: str) -> Gate:
        """The part that is stored in the file's contract. split: the split on which the gate measured."""
        return Gate(split, self.limits, self.rare, self.lost, self.differences, self.answers)


def answers(model: Model, crops: np.ndarray) -> np.ndarray:
    """The probabilities that an opened model gives, float32 [n, labels]. crops: uint8 [n, size, size, 3]."""
    return np.stack([model.probabilities(crop) for crop in crops])


def race(
    runners: Sequence[tuple[Model, np.ndarray]], progress: Progress = silent
) -> list[tuple[list[Prediction], np.ndarray]]:
    """Runs several models on the same pictures in turns, and measures how long each prediction takes.

    Args:
        runners: each model with its crops of the pictures, uint8 [n, size, size, 3].
        progress: see edge.system.progress.

    Returns:
        For each model its n predictions, and the seconds that each of them took, float [n].

    The models take turns, so that other work on the machine slows all of them equally. In each turn a model answers 16
    pictures. With only one picture per turn, a small model would run slower after a large one, which has filled the
    processor's cache.
    """
    count = len(runners[0][1])
    seen: list[list[Prediction]] = [[] for _ in runners]
    seconds = np.zeros((len(runners), count))
    what = f"Running pictures through {len(runners)} models"
    for first in range(0, count, _IN_A_ROW):
        progress(what, first, count)
        for m, (model, crops) in enumerate(runners):
            for i in range(first, min(first + _IN_A_ROW, count)):
                start = time.perf_counter()
                seen[m].append(model.predict(crops[i]))
                seconds[m, i] = time.perf_counter() - start
    progress(what, count, count)
    return list(zip(seen, seconds, strict=True))


def verdict(
    truth: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    sources: Sequence[str],
    labels: Sequence[str],
    limits: Loss = LIMITS,
) -> Verdict:
    """Compares the answers of the float model and of the quantized file to n pictures.

    A loss above its limit fails the file. If a single picture weighs more than the limit, one changed answer must not
    decide: then the file fails only if the whole 80 % interval of the loss lies above the limit. A file also fails if
    the float model itself answers at chance, because then there is no accuracy to keep.

    Args:
        truth: true labels, as indices into `labels`, int [n].
        before: probabilities given by the float model, float [n, labels].
        after: probabilities given by the quantized file, float [n, labels].
        sources: the source of each picture, n names.
        labels: the labels that an answer can have.
        limits: the largest allowed losses.
    """
    finite = bool(np.isfinite(after).all())
    after = np.nan_to_num(after)
    figures = [evaluate.by_source(truth, p, sources, labels) for p in (before, after)]
    names = [label for label in labels if label != OTHER]
    counts = np.bincount(truth, minlength=len(labels))[: len(names)]
    rare = "monocyte" if "monocyte" in names else names[len(names) - 1 - int(np.argmin(counts[::-1]))]
    recalls = [each["all"].classes[rare].recall.value or 0.0 for each in figures]
    lost = Loss(figures[0]["all"].balanced_accuracy - figures[1]["all"].balanced_accuracy, recalls[0] - recalls[1])
    against = [] if finite else ["it answers with values that are not numbers"]
    chance = at_chance(figures[0]["all"])
    if chance:
        against.append(
            f"the float model itself answers no better than guessing (balanced accuracy "
            f"{figures[0]['all'].balanced_accuracy:.2f} on {len(truth):,} pictures)"
        )
    losses = _losses(truth, before, after, names)
    few = []
    for what, value, limit, parts in (
        ("balanced accuracy", lost.balanced_accuracy, limits.balanced_accuracy, list(losses.values())),
        (f"{rare} recall", lost.recall, limits.recall, [losses[rare]] if rare in losses else []),
    ):
        weight = max((1 / (len(parts) * count) for count, _, _ in parts), default=0.0)
        if 0 < limit < weight:
            middle = sum(mean for _, mean, _ in parts) / len(parts)
            half = _Z * math.hypot(*(error for _, _, error in parts)) / len(parts)
            few.append(
                f"{100 * weight:.1f} points of {what} (80 % interval of the change: {-100 * (middle + half):+.1f} to "
                f"{-100 * (middle - half):+.1f})"
            )
            if middle - half <= limit:
                continue
        against += exceeded({what: (value, limit)})
    difference = np.abs(before - after).max(axis=1)
    return Verdict(
        passed=not against,
        against=tuple(against),
        limits=limits,
        rare=rare,
        lost=lost,
        before=figures[0],
        after=figures[1],
        ece=Both(*(calibration.calibration(truth, p).ece for p in (before, after))),
        differences=Differences(
            mean=float(difference.mean()),
            percentile_99=float(np.percentile(difference, 99)),
            largest=float(difference.max()),
        ),
        answers=changes(truth, before.argmax(axis=1), after.argmax(axis=1)),
        chance=chance,
        few=f"Val is small: one picture weighs {' and '.join(few)}." if few else "",
    )


def at_chance(figures: Figures) -> bool:
    """Whether guessing can explain the balanced accuracy: its 95 % interval reaches down to that of guessing.

    Source of the interval: see benchmarks.metrics.mean.
    """
    recalls = [each.recall for each in figures.classes.values()]
    below = [each.value - each.low for each in recalls if each.value is not None and each.low is not None]
    if len(below) < max(2, len(recalls)):
        return False  # a class has no pictures, or there is nothing to guess
    return figures.balanced_accuracy - math.hypot(*below) / len(below) <= 1 / len(below)


def _losses(
    truth: np.ndarray, before: np.ndarray, after: np.ndarray, names: Sequence[str]
) -> dict[str, tuple[int, float, float]]:
    """For each name that has pictures: their number, the recall that is lost, -1 to 1, and its standard error.

    The arguments are those of `verdict`; `names` are the labels without *other*.

    Source: Agresti and Min, Statistics in Medicine 24 (2005): a paired difference of proportions, with half a picture
    added to each of the four cases.
    """
    called = [p[:, : len(names)].argmax(axis=1) for p in (before, after)]
    result = {}
    for number, name in enumerate(names):
        right = [each[truth == number] == number for each in called]
        if count := len(right[0]):
            spoiled, mended = int((right[0] & ~right[1]).sum()) + 0.5, int((right[1] & ~right[0]).sum()) + 0.5
            lost = (spoiled - mended) / (count + 2)
            result[name] = count, lost, math.sqrt(((spoiled + mended) / (count + 2) - lost * lost) / (count + 2))
    return result


def exceeded(losses: dict[str, tuple[float, float]]) -> list[str]:
    """A clause for each measure that loses more than allowed. losses: by measure, the loss and its limit, as shares."""
    return [
        f"it loses {100 * lost:.1f} points of {what} where {100 * limit:.1f} are allowed"
        for what, (lost, limit) in losses.items()
        if lost > limit + 1e-9  # a rounding error in the last bit must not decide
    ]


def changes(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> Changes:
    """How the answers of two models to the same pictures differ.

    Args:
        truth: true classes, as indices, int [n].
        before: answers of the first model, as indices, int [n].
        after: answers of the second model, as indices, int [n].

    McNemar's exact test looks at the pictures that only one of the two models answers correctly. It asks whether chance
    alone could divide them so unevenly between the models.

    Source: McNemar, Psychometrika 12 (1947).
    """
    spoiled = int(((before == truth) & (after != truth)).sum())
    mended = int(((before != truth) & (after == truth)).sum())
    return Changes(
        count=len(truth),
        changed=int((before != after).sum()),
        spoiled=spoiled,
        mended=mended,
        p=float(binomtest(spoiled, spoiled + mended).pvalue) if spoiled + mended else 1.0,
    )


def sentence(verdict: Verdict) -> str:
    """The verdict in a sentence."""
    lost, changed = verdict.lost, verdict.answers
    return (
        f"{'Passed' if verdict.passed else 'Failed'}: {points(lost.balanced_accuracy)} of balanced accuracy, "
        f"{points(lost.recall)} of {verdict.rare} recall; {changed.changed} of {changed.count:,} answers changed, "
        f"{changed.spoiled} for the worse and {changed.mended} for the better (McNemar's exact p {changed.p:.2g})."
        f"{' ' if verdict.few else ''}{verdict.few}"
    )


def points(lost: float) -> str:
    """A loss written as a change in percentage points: "-0.4 points" for a loss of 0.004."""
    return f"{round(-100 * lost, 1) + 0.0:+.1f} points"


def comparison(rows: dict[str, dict[str, Figures]], sources: Sequence[str] = ("all",)) -> Table:
    """A table of recalls and balanced accuracy, with one row per model and source.

    Columns are in the reverse order of the labels, so that monocyte recall, the rare class's, comes first.

    Args:
        rows: accuracy by model and source.
        sources: the sources to show.
    """
    labels = list(reversed(next(iter(rows.values()))[sources[0]].classes))
    return Table(
        ["", *(f"{label} recall" for label in labels), "balanced accuracy"],
        [
            [
                f"{model}, {source}",
                *(f"{figures[source].classes[label].recall.value or 0.0:.4f}" for label in labels),
                f"{figures[source].balanced_accuracy:.4f}",
            ]
            for model, figures in rows.items()
            for source in sources
            if any(each.recall.count for each in figures[source].classes.values())  # not a source of other cells alone
        ],
    )
