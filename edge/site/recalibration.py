"""A logit bent to a site by a few labelled cells of it: a logistic regression that starts from the model's own answer.

Cells are few, so all is held to what the model says by a prior, and its last layer moves only where that helps on cells
that were left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REACHES = (0.0, 1.0, 2.0, 4.0)  # standard deviations of the last layer's change, in logits of a usual cell
_SCALE = 0.5  # of the scale's prior, in shares of the model's own
_FLATTEST = 0.2  # of the model's own scale: no site turns its answers round, and none makes it surer than it was
_ROUNDS = 40


@dataclass(frozen=True)
class LogitMap:
    """logit -> scale * logit + shift + features @ weights; no weights where the last layer stays."""

    scale: float
    shift: float
    weights: Sequence[float]

    def of(self, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
        """float [n], float [n, m] -> float64 [n]."""
        bent = self.scale * logits + self.shift
        return bent + features @ np.asarray(self.weights) if len(self.weights) else bent


def bend(
    logits: np.ndarray,
    features: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray,
    home: LogitMap,
    reach: float,
    slack: float,
) -> LogitMap:
    """The most likely LogitMap under a normal prior round `home` (ridge logistic regression: le Cessie and van Houwelingen,
    JRSS C 1992), by Newton's steps.

    logits: float [n]; features: float [n, m], of a length of about 1; target: 0 or 1, [n]; weights: what each picture
    counts, float [n]; reach: the standard deviation of the features' weights, 0 to leave them; slack: the shift's.
    """
    free = features if reach else features[:, :0]
    x = np.column_stack([logits, np.ones(len(logits)), free])
    start = np.r_[home.scale, home.shift, np.zeros(free.shape[1])]
    tight = 1 / np.r_[_SCALE * home.scale, slack, np.full(free.shape[1], reach)] ** 2
    found = _newton(x, target, weights, start, tight)
    least, most = _FLATTEST * home.scale, home.scale
    if not least <= found[0] <= most:
        start[0], tight[0] = min(max(found[0], least), most), 1e9
        found = _newton(x, target, weights, start, tight)
    return LogitMap(float(found[0]), float(found[1]), tuple(found[2:].tolist()))


def _newton(x: np.ndarray, y: np.ndarray, weights: np.ndarray, start: np.ndarray, tight: np.ndarray) -> np.ndarray:
    """The least weighted log loss + half of tight * (found - start) ** 2."""

    def cost(at: np.ndarray) -> float:
        return float(weights @ losses(x @ at, y) + tight @ (at - start) ** 2 / 2)

    at, now = start, cost(start)
    for _ in range(_ROUNDS):
        p = sigmoid(x @ at)
        slope = x.T @ (weights * (p - y)) + tight * (at - start)
        step = np.linalg.solve((x.T * (weights * p * (1 - p))) @ x + np.diag(tight), slope)
        share = 1.0
        while (then := cost(at - share * step)) > now and share > 1e-3:
            share /= 2
        if then >= now - 1e-9:
            break
        at, now = at - share * step, then
    return at


def losses(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The log loss of each answer."""
    return np.logaddexp(0, logits) - target * logits


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def folds(truth: np.ndarray, cells: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which of `count` parts each picture is in, int64 [n]: all of one physical cell in the same, each class dealt out
    evenly.
    """
    part = np.zeros(len(truth), np.int64)
    dealt = 0
    for label in np.unique(truth):
        for cell in rng.permutation(np.unique(cells[truth == label])):
            part[cells == cell] = dealt % count
            dealt += 1
    return part
