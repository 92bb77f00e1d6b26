"""Fits a profile to the labelled cells of a site; edge.site.adapt finds out whether it improves the answers."""

import math
from dataclasses import dataclass

import numpy as np

from edge.contract import Decision, Platt, Thresholds
from edge.decide import LEAST, Rules
from edge.model import Model
from edge.share import at_least
from edge.site import recalibration
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, LogitOffset, Profile
from edge.site.recalibration import LogitMap, Prior

FOLDS = 5  # parts of the cross-validation

_SURE = 1.0  # standard errors of the gain; left-out cells must gain more than this over the model alone
_GAIN = 0.01  # share of the loss; using the features more strongly must save more than this
_NAME_SHIFT, _OTHER_SHIFT = 1.5, 3.0  # standard deviations of the shifts' priors, in logits
_NEAR = 0.95  # share of the labelled cells that the largest allowed distance must include
_CHANCE = 0.2  # wrong answers count as chance if, at the stated risk, as many or more have at least this probability
_STEP = 1e-4  # if no cell may pass, the threshold lies this far above the most confident one


def fit(cells: Cells, model: Model, seed: int = 0) -> Profile:
    """The profile that fits labelled cells.

    Each physical cell counts once and each label counts the same, so that a label with more cells isn't favoured. The
    logit of the second name is fitted to cells with a name, that of *other* to all cells. Thresholds are the model's
    own, or stricter where left-out cells call for it. They are not made looser, because a risk of 1 % can't be measured
    on 50 cells; only the largest distance may grow.

    Args:
        cells: cells with both names; *other* is fitted if there are at least FEWEST physical cells of it.
        model: a model without a profile.
        seed: seed of the cross-validation.
    """
    rules = model.rules(None)
    features = standardised_features(cells, model)
    named = cells.truth < 2
    name_map, logits = _fit_if_better(
        _Task(
            cells.at(named),
            second_name_logits(cells)[named],
            features[named],
            label=1,
            prior=Prior(LogitMap(1 / rules.temperature, 0.0), _NAME_SHIFT),
        ),
        seed,
    )
    second = np.full(len(cells), 0.5)
    second[named] = recalibration.sigmoid(logits)
    platt = None
    other, other_offset = np.zeros(len(cells)), LogitOffset()
    if rules.knows_other:
        scale, shift = rules.other_platt
        logits = (other_logits(cells) - shift) / scale
        if cells.count(2) >= FEWEST:
            own = LogitMap(1 / scale, -shift / scale)
            task = _Task(cells, other_logits(cells), features, label=2, prior=Prior(own, _OTHER_SHIFT))
            other_map, logits = _fit_if_better(task, seed)
            if other_map is not own:
                scale, shift, other_offset = 1 / other_map.scale, 0.0, logit_offset(other_map, model)
        other = recalibration.sigmoid(logits)
        platt = Platt(round(scale, 4), round(shift, 4))
    risks = {f"{risk:g}": _thresholds(cells, second, other, model.rules(risk), risk) for risk in model.risks}
    counts = {label: cells.count(i) for i, label in enumerate(model.labels) if cells.count(i)}
    return Profile(
        model=model.sha256,
        cells=counts,
        second_name=logit_offset(name_map, model),
        other=other_offset,
        decision=Decision(round(1 / name_map.scale, 4), platt, risks),
        pictures={label: int((cells.truth == model.labels.index(label)).sum()) for label in counts},
    )


def second_name_logits(cells: Cells) -> np.ndarray:
    """Logits of the second name against the first, float64 [n]."""
    return _logit(cells.kinds[:, 1] / np.maximum(cells.kinds[:, :2].sum(axis=1), 1e-9))


def other_logits(cells: Cells) -> np.ndarray:
    """Logits of *other* against the two names, float64 [n]."""
    return _logit(cells.kinds[:, 2:].sum(axis=1))


def standardised_features(cells: Cells, model: Model) -> np.ndarray:
    """Each cell's features for a regression, float64 [n, m], with a length of about 1; m is 0 without features."""
    return np.zeros((len(cells), 0)) if model.distance is None else model.distance.standardised(cells.features)


def _logit(shares: np.ndarray) -> np.ndarray:
    shares = np.clip(shares, LEAST, 1 - LEAST)
    return np.log(shares / (1 - shares))


def logit_offset(fitted: LogitMap, model: Model) -> LogitOffset:
    """What a map adds to a logit before scaling it, with weights for raw instead of standardised features."""
    shift, weights = fitted.shift / fitted.scale, np.array(fitted.weights) / fitted.scale
    if model.distance is None or not len(weights):
        return LogitOffset(round(shift, 4))
    weights, constant = model.distance.for_raw_features(weights)
    return LogitOffset(round(shift + constant, 4), tuple(float(f"{w:.6g}") for w in weights))


@dataclass(frozen=True)
class _Task:
    """One of the two logits, with the cells that it is fitted to.

    Attributes:
        cells: n pictures.
        logits: the model's logits, float64 [n].
        features: standardised features, float64 [n, m].
        label: number of the label that the logit stands for.
        prior: prior of the map, without weights.
    """

    cells: Cells
    logits: np.ndarray
    features: np.ndarray
    label: int
    prior: Prior

    @property
    def target(self) -> np.ndarray:
        """1 for a cell of the label, else 0: float64 [n]."""
        return (self.cells.truth == self.label).astype(np.float64)

    def fit(self, known: np.ndarray, deviation: float) -> LogitMap:
        """The map fitted to the pictures `known`, bool [n]. deviation: as Prior.weights."""
        return recalibration.fit_logit_map(
            self.logits[known],
            self.features[known],
            self.target[known],
            picture_weights(self.cells.at(known)),
            Prior(self.prior.middle, self.prior.shift, deviation),
        )

    def left_out(self, part: np.ndarray, deviation: float) -> np.ndarray:
        """Each picture's logit by a map that was fitted without its part, float64 [n]. part: int [n]."""
        result = np.zeros(len(part))
        for each in np.unique(part):
            asked = part == each
            result[asked] = self.fit(~asked, deviation).of(self.logits[asked], self.features[asked])
        return result


def _fit_if_better(task: _Task, seed: int) -> tuple[LogitMap, np.ndarray]:
    """The fitted map, and the logits of left-out cells, float64 [n].

    If left-out cells aren't clearly answered better, the map is the model's own. The features are used only as strongly
    as helps on left-out cells.
    """
    cells = task.cells
    part = recalibration.folds(cells.truth, cells.physical, FOLDS, np.random.default_rng(seed))
    best, logits = task.prior.middle, task.prior.middle.of(task.logits, task.features)
    losses = recalibration.log_losses(logits, task.target)
    deviations = recalibration.WEIGHT_DEVIATIONS
    for deviation in deviations if task.features.shape[1] else deviations[:1]:
        candidate = task.left_out(part, deviation)
        gain, standard_error = weighted_gain(losses - recalibration.log_losses(candidate, task.target), cells)
        if best is task.prior.middle:
            least = _SURE * standard_error
        else:
            least = _GAIN * float(np.average(losses, weights=picture_weights(cells)))
        if gain > least:
            best, logits = task.fit(np.ones(len(cells), bool), deviation), candidate
            losses = recalibration.log_losses(candidate, task.target)
    return best, logits


def picture_weights(cells: Cells) -> np.ndarray:
    """How much each picture counts, float64 [n].

    Each label counts the same, and so does each physical cell within a label. The sum is the number of physical cells.
    """
    number, photographs = np.unique(cells.physical, return_inverse=True, return_counts=True)[1:]
    weights = 1 / photographs[number]
    labels = np.unique(cells.truth)
    for label in labels:
        same = cells.truth == label
        weights[same] *= len(photographs) / len(labels) / weights[same].sum()
    return weights


def weighted_gain(gains: np.ndarray, cells: Cells) -> tuple[float, float]:
    """The mean gain of physical cells, each label weighing the same, and its standard error.

    gains: the gain of each picture, float [n].
    """
    weights = picture_weights(cells)
    cell = np.unique(cells.physical, return_inverse=True)[1]
    total = np.bincount(cell, weights)
    each = np.bincount(cell, weights * gains) / total
    mean = float(total @ each / total.sum())
    return mean, float(np.sqrt(total**2 @ (each - mean) ** 2) / total.sum())


def _thresholds(cells: Cells, second: np.ndarray, other: np.ndarray, rules: Rules, risk: float) -> Thresholds:
    """The thresholds at one stated risk: the model's own, or stricter.

    They are made stricter until chance can explain the number of wrong answers at that risk. Only the largest distance
    may grow, so that it includes most labelled cells of the site.

    Args:
        cells: n pictures.
        second: probability of the second name against the first, float64 [n], fitted without the cell itself.
        other: probability of *other*, float64 [n], fitted without the cell itself.
        rules: the model's own rules at that risk.
        risk: share of wrong answers among those given, 0 to 1.
    """
    named, called_name = cells.truth < 2, other < 0.5
    confidence, wrong = np.maximum(second, 1 - second), (second > 0.5) != (cells.truth == 1)
    far = round(float(np.quantile(cells.distance, _NEAR)), 2)
    return Thresholds(
        max_distance=round(max(rules.max_distance, far), 4) if math.isfinite(rules.max_distance) else None,
        max_other=round(1 - _least(1 - other, ~named, called_name, risk, 1 - rules.max_other), 4),
        min_other=round(_least(other, named, ~called_name, risk, rules.min_other), 4),
        min_subclass=round(rules.min_subclass, 4),
        min_confidence=round(_least(confidence, wrong, named & called_name, risk, rules.min_confidence), 4),
    )


def _least(confidence: np.ndarray, wrong: np.ndarray, asked: np.ndarray, risk: float, floor: float) -> float:
    """The least confidence, `floor` or higher, above which chance can explain the number of wrong answers.

    confidence: float [n]; wrong: bool [n]; asked: which cells count, bool [n]; risk: 0 to 1.
    """
    rows = np.flatnonzero(asked & (confidence >= floor))
    rows = rows[np.argsort(confidence[rows], kind="stable")]
    for start, row in enumerate(rows):
        count = int(wrong[rows[start:]].sum())
        if not count or at_least(count, len(rows) - start, risk) >= _CHANCE:
            return float(confidence[row]) if start else floor
    return float(confidence[rows[-1]]) + _STEP if len(rows) else floor
