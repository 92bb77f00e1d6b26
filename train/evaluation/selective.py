"""Selective classification: which answers may be given at a stated risk, and which cells are left to a person.

The rules are fitted on the val split, to the answers of the very model file that will use them.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from edge.contract import Decision, Platt, Selective, Thresholds
from edge.decide import LEAST, OTHER, Rules, decide, merged
from edge.share import share
from train.evaluation import calibration
from train.evaluation.evaluate import names_only

RISKS = (0.005, 0.01, 0.02, 0.05, 0.1)  # wrong answers among those given, 0 to 1; a user chooses one
_FAR = 0.99  # quantile of the val cells' distances from the training data; cells that lie farther are left to a person
_UNLIKE_KINDS = 0.15  # share of val's OTHER cells left to a person as like no kind; far larger on other microscopes
_STEPS = 1000  # the least confidence for an answer is rounded up to a multiple of 1 / _STEPS


def decision(
    truth: np.ndarray, kinds: np.ndarray, distances: np.ndarray, labels: Sequence[str], names: Sequence[str]
) -> Decision:
    """How to turn probabilities into answers: temperature, Platt scaling, and thresholds for each of RISKS.

    All are fitted on the val split, from which the arguments come.

    Args:
        truth: indices into `labels`, int [n].
        kinds: probabilities, float [n, kinds].
        distances: Mahalanobis distances from the training cells, float [n]; all 0 if they are unknown.
        labels: what an answer can be.
        names: names of the kinds.

    A cell with a name is one whose label isn't OTHER. The risk is the share of wrong answers among those given to such
    cells. It is estimated from the calibrated probabilities, because a val split of a few hundred cells holds too few
    errors to count them. Of the cells of OTHER, a share of about twice the risk is given a name.

    Source: selective classification, Geifman and El-Yaniv, NIPS 2017.
    """
    count = len(labels) - (labels[-1] == OTHER)
    named = truth < count
    probabilities = merged(np.nan_to_num(kinds), len(labels))
    own = probabilities if count == len(labels) else names_only(probabilities)
    temperature = calibration.temperature(truth[named], own[named])
    platt = None
    if count < len(labels) and 0 < named.sum() < len(named):
        platt = Platt(*_platt(~named, probabilities[:, -1]))
    scaling = platt or Platt()
    plain = Rules(tuple(labels), tuple(names), temperature, (scaling.scale, scaling.shift))
    shares = np.array([list(decide(each, plain).probabilities.values()) for each in kinds])
    likeliest = np.nan_to_num(kinds)[:, count:].max(axis=1) if count < len(labels) else np.zeros(len(truth))
    far = float(np.quantile(distances, _FAR)) if distances.any() else None
    risks = {f"{risk:g}": _limits(named, shares, likeliest, distances, far, count, risk) for risk in RISKS}
    return Decision(temperature, platt, {risk: each for risk, each in risks.items() if each})


def _platt(other: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """(scale, shift) with which sigmoid((logit(share) - shift) / scale) has the least log loss.

    Args:
        other: whether each cell's label is OTHER, bool [n].
        share: each cell's probability of OTHER, float [n].

    Source: Platt, Probabilistic Outputs for Support Vector Machines (1999).
    """
    clipped = np.clip(share.astype(float), LEAST, 1 - LEAST)
    logits = np.log(clipped / (1 - clipped))

    def loss(x: np.ndarray) -> float:
        z = (logits - x[1]) / np.exp(x[0])
        return float((np.logaddexp(0, z) - other * z).mean())

    best = minimize(loss, np.zeros(2), bounds=[(np.log(0.2), np.log(5.0)), (-3.0, 3.0)], method="L-BFGS-B").x
    return round(float(np.exp(best[0])), 3), round(float(best[1]), 3)


def _limits(
    named: np.ndarray,
    shares: np.ndarray,
    likeliest: np.ndarray,
    distances: np.ndarray,
    far: float | None,
    count: int,
    risk: float,
) -> Thresholds | None:
    """The thresholds for one risk; None if no answer is confident enough.

    Args:
        named: whether each cell's label is a name, not OTHER, bool [n].
        shares: calibrated probabilities of the labels, float [n, labels].
        likeliest: probability of the likeliest kind of OTHER, float [n].
        distances: Mahalanobis distances, float [n].
        far: largest distance allowed; None if distances are unknown.
        count: how many labels are names.
        risk: the stated risk, 0 to 1.
    """
    limits: dict[str, float] = {}
    names = shares[:, :count] / np.maximum(shares[:, :count].sum(axis=1, keepdims=True), 1e-9)
    given, wrong = named.copy(), 0
    if far is not None:
        limits["max_distance"] = round(far, 2)
        given &= distances <= far
    if shares.shape[1] > count:
        other, others = shares[:, count], (~named).any()
        limits["max_other"] = round(min(0.5, float(np.quantile(other[~named], 2 * risk))), 3) if others else 0.5
        limits["min_other"] = round(max(0.5, float(np.quantile(other[named], 1 - risk / 10))), 3)
        limits["min_subclass"] = round(float(np.quantile(likeliest[~named], _UNLIKE_KINDS)), 3) if others else 0.0
        wrong = int((given & (other >= limits["min_other"]) & (likeliest >= limits["min_subclass"])).sum())
        given &= other <= limits["max_other"]
    confidence = np.sort(names.max(axis=1)[given])[::-1]
    expected = (np.cumsum(1 - confidence) + wrong) / (np.arange(len(confidence)) + 1 + wrong)
    allowed = np.flatnonzero(expected <= risk)
    if not len(allowed):
        return None
    limits["min_confidence"] = round(float(np.ceil(confidence[allowed[-1]] * _STEPS - 1e-6) / _STEPS), 3)
    return Thresholds(**limits)


def figures(truth: np.ndarray, decisions: Sequence[str], labels: Sequence[str]) -> Selective:
    """Coverage and risk of decisions on a set of cells.

    Args:
        truth: indices into `labels`, int [n].
        decisions: n labels, or REVIEW.
        labels: what an answer can be.
    """
    count = len(labels) - (labels[-1] == OTHER)
    named = truth < count
    numbers = np.array([labels.index(each) if each in labels else -1 for each in decisions])
    given = named & (numbers >= 0)
    called = (numbers >= 0) & (numbers < count)
    return Selective(
        coverage=share(given.sum(), named.sum()),
        risk=share((numbers != truth)[given].sum(), given.sum()),
        named=share(called[~named].sum(), (~named).sum()) if count < len(labels) else None,
    )
