"""Labelled cells of a site -> the profile that they teach, better or not (edge.site.adapt asks that)."""

from dataclasses import dataclass

import numpy as np

from edge.contract import Decision, Platt, Thresholds
from edge.decide import LEAST, Rules
from edge.model import Model
from edge.site import recalibration
from edge.site.intervals import at_least
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, LogitOffset, Profile
from edge.site.recalibration import LogitMap

FOLDS = 5

_SURE = 1.0  # standard errors, by which left-out cells must be answered better than by the model
_GAIN = 0.01  # of the loss, that a last layer must spare to be moved
_SLACK = (1.5, 3.0)  # standard deviations of the shift of the names' logit, and of all else's
_NEAR = 0.95  # of the labelled cells: as far from training as these, others may be
_CHANCE = 0.2  # so likely, more wrong answers are still chance
_STEP = 1e-4  # of the thresholds


def fit(cells: Cells, model: Model, seed: int = 0) -> Profile:
    """Cells with names and, if there are at least FEWEST physical ones, others.

    Each physical cell counts once and each label the same, so that what was labelled more isn't favoured. The names'
    logit learns from cells with a name, that of all else from all. Thresholds of doubt are the model's own, or stricter
    where left-out cells ask for it: a risk of 1 % can't be read from 50 cells.
    """
    home = model.rules(None)
    spread = spread_features(cells, model)
    named = cells.truth < 2
    bent, logits = _learned(
        _Task(
            cells.at(named), names(cells)[named], spread[named], 1, LogitMap(1 / home.temperature, 0.0, ()), _SLACK[0]
        ),
        seed,
    )
    seconds = np.full(len(cells), 0.5)
    seconds[named] = recalibration.sigmoid(logits)
    platt = None
    others, lean = np.zeros(len(cells)), LogitOffset()
    if home.knows_other:
        scale, shift = home.other_platt
        logits = (rest(cells) - shift) / scale
        if cells.count(2) >= FEWEST:
            start = LogitMap(1 / scale, -shift / scale, ())
            other, logits = _learned(_Task(cells, rest(cells), spread, 2, start, _SLACK[1]), seed)
            if other is not start:
                scale, shift, lean = 1 / other.scale, 0.0, _lean(other, model)
        others = recalibration.sigmoid(logits)
        platt = Platt(round(scale, 4), round(shift, 4))
    risks = {f"{risk:g}": _thresholds(cells, seconds, others, model.rules(risk), risk) for risk in model.risks}
    decision = Decision(round(1 / bent.scale, 4), platt, risks)
    counts = {label: cells.count(i) for i, label in enumerate(model.labels) if cells.count(i)}
    pictures = {label: int((cells.truth == model.labels.index(label)).sum()) for label in counts}
    return Profile(model.sha256, counts, _lean(bent, model), lean, decision, {"pictures": pictures})


def names(cells: Cells) -> np.ndarray:
    """Logits of the second name against the first, float64 [n]."""
    return _logit(cells.kinds[:, 1] / np.maximum(cells.kinds[:, :2].sum(axis=1), 1e-9))


def rest(cells: Cells) -> np.ndarray:
    """Logits of all else against the two names, float64 [n]."""
    return _logit(cells.kinds[:, 2:].sum(axis=1))


def spread_features(cells: Cells, model: Model) -> np.ndarray:
    """Features by which the last layer may move, float64 [n, m], of a length of about 1; m 0 where there are none."""
    return np.zeros((len(cells), 0)) if model.distance is None else model.distance.standardised(cells.features)


def _logit(shares: np.ndarray) -> np.ndarray:
    shares = np.clip(shares, LEAST, 1 - LEAST)
    return np.log(shares / (1 - shares))


def _lean(bent: LogitMap, model: Model) -> LogitOffset:
    """What is added before the scale, by the model's own features."""
    shift, weights = bent.shift / bent.scale, np.array(bent.weights) / bent.scale
    if model.distance is None or not len(weights):
        return LogitOffset(round(shift, 4))
    weights, more = model.distance.for_raw_features(weights)
    return LogitOffset(round(shift + more, 4), tuple(float(f"{w:.6g}") for w in weights))


@dataclass(frozen=True)
class _Task:
    """One of the two logits with the cells that teach it: float64 [n], features by which it may move, float64 [n, m],
    the label that it is of, where it starts, and the standard deviation of its shift.
    """

    cells: Cells
    logits: np.ndarray
    features: np.ndarray
    label: int
    home: LogitMap
    slack: float

    def fit(self, known: np.ndarray, reach: float) -> LogitMap:
        """known: bool [n]."""
        cells = self.cells.at(known)
        target = (cells.truth == self.label).astype(np.float64)
        return recalibration.bend(
            self.logits[known], self.features[known], target, weights(cells), self.home, reach, self.slack
        )

    def left_out(self, part: np.ndarray, reach: float) -> np.ndarray:
        """The logits of the cells of each part, learned from the others."""
        result = np.zeros(len(part))
        for each in np.unique(part):
            asked = part == each
            result[asked] = self.fit(~asked, reach).of(self.logits[asked], self.features[asked])
        return result


def _learned(task: _Task, seed: int) -> tuple[LogitMap, np.ndarray]:
    """The LogitMap, and the logits of left-out cells: the model's own where these aren't answered surely better, its last
    layer moved as far as they like it best.
    """
    cells = task.cells
    part = recalibration.folds(cells.truth, cells.cells, FOLDS, np.random.default_rng(seed))
    target = (cells.truth == task.label).astype(np.float64)
    bent, logits = task.home, task.home.of(task.logits, task.features)
    cost = recalibration.losses(logits, target)
    for reach in recalibration.REACHES if task.features.shape[1] else recalibration.REACHES[:1]:
        there = task.left_out(part, reach)
        less, doubt = gained(cost - recalibration.losses(there, target), cells)
        if less > (_SURE * doubt if bent is task.home else _GAIN * float(np.average(cost, weights=weights(cells)))):
            bent, logits, cost = task.fit(np.ones(len(cells), bool), reach), there, recalibration.losses(there, target)
    return bent, logits


def weights(cells: Cells) -> np.ndarray:
    """What each picture counts, float64 [n]: each label the same, and in it each physical cell; in sum, cells."""
    number, photographs = np.unique(cells.cells, return_inverse=True, return_counts=True)[1:]
    each = 1 / photographs[number]
    found = np.unique(cells.truth)
    for label in found:
        same = cells.truth == label
        each[same] *= len(photographs) / len(found) / each[same].sum()
    return each


def gained(gains: np.ndarray, cells: Cells) -> tuple[float, float]:
    """What a picture gains, float [n]; over physical cells, each label weighing the same -> mean and standard error."""
    weight = weights(cells)
    physical = np.unique(cells.cells, return_inverse=True)[1]
    total = np.bincount(physical, weight)
    each = np.bincount(physical, weight * gains) / total
    mean = float(total @ each / total.sum())
    return mean, float(np.sqrt(total**2 @ (each - mean) ** 2) / total.sum())


def _thresholds(cells: Cells, seconds: np.ndarray, others: np.ndarray, rules: Rules, risk: float) -> Thresholds:
    """The model's own rules for that risk, made so strict that of these cells, each answered by a profile that doesn't
    know it, no more are answered wrongly than chance explains at that risk: a risk of 1 % can't be read from 50 cells.

    seconds: the second name's share against the first, others: that of all else; float64 [n].
    """
    named, told = cells.truth < 2, others < 0.5
    sure, mistaken = np.maximum(seconds, 1 - seconds), (seconds > 0.5) != (cells.truth == 1)
    far = float(np.quantile(cells.distance, _NEAR))
    return Thresholds(
        max_distance=round(max(rules.max_distance, round(far, 2)), 4),
        max_other=round(1 - _least(1 - others, ~named, told, risk, 1 - rules.max_other), 4),
        min_other=round(_least(others, named, ~told, risk, rules.min_other), 4),
        min_subclass=round(rules.min_subclass, 4),
        min_confidence=round(_least(sure, mistaken, named & told, risk, rules.min_confidence), 4),
    )


def _least(sure: np.ndarray, wrong: np.ndarray, asked: np.ndarray, risk: float, floor: float) -> float:
    """The least share, at `floor` or above, from which on no more of those asked are wrong than chance explains."""
    rows = np.flatnonzero(asked & (sure >= floor))
    rows = rows[np.argsort(sure[rows], kind="stable")]
    for start, row in enumerate(rows):
        count = int(wrong[rows[start:]].sum())
        if not count or at_least(count, len(rows) - start, risk) >= _CHANCE:
            return float(sure[row]) if start else floor
    return float(sure[rows[-1]]) + _STEP if len(rows) else floor
