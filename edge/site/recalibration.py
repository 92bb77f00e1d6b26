"""Recalibration of one logit to a site: a logistic regression on a few labelled cells.

It starts from the model's own answer. Since there are few cells, a normal prior keeps it near that answer. The features
of the network's last layer are used only where that helps on cells that were left out (edge.site.refit decides this).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Standard deviations that are tried for the prior of the features' weights, in logits of a typical cell; 0 means that
# no features are used.
WEIGHT_DEVIATIONS = (0.0, 1.0, 2.0, 4.0)
_SCALE = 0.5  # standard deviation of the scale's prior, as a share of the model's own scale
# Least scale, as a share of the model's own; the largest is 1. So a profile can't reverse answers or make them surer.
_FLATTEST = 0.2
_ROUNDS = 40  # the most steps of Newton's method


@dataclass(frozen=True)
class LogitMap:
    """Maps a logit to scale * logit + shift + features @ weights.

    Attributes:
        scale: above 0.
        shift: in logits.
        weights: one for each feature; empty where the features aren't used.
    """

    scale: float
    shift: float
    weights: Sequence[float] = ()

    def of(self, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
        """The mapped logits, float64 [n]. logits: float [n]; features: float [n, m]."""
        mapped = self.scale * logits + self.shift
        return mapped + features @ np.asarray(self.weights) if len(self.weights) else mapped


@dataclass(frozen=True)
class Prior:
    """Which LogitMap is expected before any cell is seen: a normal distribution.

    Attributes:
        middle: the mean, which is the model's own map, without weights.
        shift: standard deviation of the shift, in logits.
        weights: standard deviation of each feature's weight; 0 leaves the features out.
    """

    middle: LogitMap
    shift: float
    weights: float = 0.0


def fit_logit_map(
    logits: np.ndarray, features: np.ndarray, target: np.ndarray, picture_weights: np.ndarray, prior: Prior
) -> LogitMap:
    """The most likely LogitMap: ridge logistic regression, solved by Newton's method.

    Args:
        logits: the model's, float [n].
        features: each cell's with a length of about 1, float [n, m].
        target: 1 for a cell of the label that the logit stands for, else 0, [n].
        picture_weights: how much each picture counts, float [n].
        prior: the prior of the map.

    Source: le Cessie and van Houwelingen, JRSS C 41 (1992).
    """
    own = prior.middle
    free = features if prior.weights else features[:, :0]
    # The weights are a combination of the cells' features. With few cells, those directions alone are faster to fit.
    directions = np.linalg.qr(free.T)[0] if free.shape[1] > len(free) else np.eye(free.shape[1])
    free = free @ directions
    x = np.column_stack([logits, np.ones(len(logits)), free])
    start = np.r_[own.scale, own.shift, np.zeros(free.shape[1])]
    precision = 1 / np.r_[_SCALE * own.scale, prior.shift, np.full(free.shape[1], prior.weights)] ** 2
    fitted = _newton(x, target, picture_weights, start, precision)
    least, most = _FLATTEST * own.scale, own.scale
    if not least <= fitted[0] <= most:
        start[0], precision[0] = min(max(fitted[0], least), most), 1e9
        fitted = _newton(x, target, picture_weights, start, precision)
    return LogitMap(float(fitted[0]), float(fitted[1]), tuple((directions @ fitted[2:]).tolist()))


def _newton(x: np.ndarray, y: np.ndarray, weights: np.ndarray, start: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The coefficients that minimise the weighted log loss + precision * (coefficients - start) ** 2 / 2."""

    def cost(at: np.ndarray) -> float:
        return float(weights @ log_losses(x @ at, y) + precision @ (at - start) ** 2 / 2)

    at, lowest = start, cost(start)
    for _ in range(_ROUNDS):
        p = sigmoid(x @ at)
        slope = x.T @ (weights * (p - y)) + precision * (at - start)
        step = np.linalg.solve((x.T * (weights * p * (1 - p))) @ x + np.diag(precision), slope)
        share = 1.0
        while (tried := cost(at - share * step)) > lowest and share > 1e-3:
            share /= 2
        if tried >= lowest - 1e-9:
            break
        at, lowest = at - share * step, tried
    return at


def log_losses(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The log loss of each answer, float [n]. logits: float [n]; target: 0 or 1, [n]."""
    return np.logaddexp(0, logits) - target * logits


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits -> probabilities, of the same shape."""
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def folds(truth: np.ndarray, physical: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Deals pictures into parts for cross-validation: which part each picture is in, int64 [n].

    All pictures of a physical cell are in the same part; each label is spread evenly over the parts.

    Args:
        truth: numbers of labels, int [n].
        physical: number of the physical cell of each picture, int [n].
        count: number of parts.
        rng: decides the order in which cells are dealt.
    """
    part = np.zeros(len(truth), np.int64)
    dealt = 0
    for label in np.unique(truth):
        for cell in rng.permutation(np.unique(physical[truth == label])):
            part[physical == cell] = dealt % count
            dealt += 1
    return part
