"""When an answer may be trusted: a contract's rules, fitted on what the very file says of the val split."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from edge.decide import LEAST, OTHER, Rules, decide, merged
from train.evaluation import calibration
from train.evaluation.evaluate import names_only, share

RISKS = (0.005, 0.01, 0.02, 0.05, 0.1)  # shares of wrong answers among those given, to choose from
_FAR = 0.99  # of the val pictures lie nearer to the training pictures than what is called unlike them
_ALIKE = 0.15  # of the val pictures of other types are too unlike each kind to be called OTHER; elsewhere far more are
_STEPS = 1000  # in which the least share of a name is sought


def rules(
    truth: np.ndarray, kinds: np.ndarray, distances: np.ndarray, labels: Sequence[str], names: Sequence[str]
) -> dict:
    """-> a contract's "decision": how sure answers are ("temperature", "rest"), and for each of RISKS what they must
    keep to ("risks"), see edge.decide.Rules.

    truth: numbers among `labels`, int [n]; kinds: probabilities float [n, kinds], and `names` theirs; distances: float
    [n], 0 where there are none. A risk is the share of wrong answers among those that cells with a name are given,
    expected by the probabilities, once these are as sure as they are right (selective classification: Geifman and
    El-Yaniv, NIPS 2017; with the expected instead of the counted risk, which a val split of some hundred cells tells
    more finely). Of cells of other types about twice the risk is given a name.
    """
    count = len(labels) - (labels[-1] == OTHER)
    named = truth < count
    probabilities = merged(np.nan_to_num(kinds), len(labels))
    own = probabilities if count == len(labels) else names_only(probabilities)
    result: dict = {"temperature": calibration.temperature(truth[named], own[named])}
    rest = (1.0, 0.0)
    if count < len(labels) and 0 < named.sum() < len(named):
        rest = _platt(~named, probabilities[:, -1])
        result["rest"] = {"scale": rest[0], "shift": rest[1]}
    plain = Rules(tuple(labels), tuple(names), result["temperature"], rest)
    told = np.array([list(decide(each, plain).probabilities.values()) for each in kinds])
    likeliest = np.nan_to_num(kinds)[:, count:].max(axis=1) if count < len(labels) else np.zeros(len(truth))
    far = float(np.quantile(distances, _FAR)) if distances.any() else None
    limits = {f"{risk:g}": _limits(named, told, likeliest, distances, far, count, risk) for risk in RISKS}
    result["risks"] = {risk: each for risk, each in limits.items() if each}
    return result


def _platt(other: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """(scale, shift): sigmoid((logit(share) - shift) / scale) has the least log loss (Platt, 1999).

    other: bool [n]; share: float [n].
    """
    clipped = np.clip(share.astype(float), LEAST, 1 - LEAST)
    logits = np.log(clipped / (1 - clipped))

    def loss(x: np.ndarray) -> float:
        z = (logits - x[1]) / np.exp(x[0])
        return float((np.logaddexp(0, z) - other * z).mean())

    found = minimize(loss, np.zeros(2), bounds=[(np.log(0.2), np.log(5.0)), (-3.0, 3.0)], method="L-BFGS-B").x
    return round(float(np.exp(found[0])), 3), round(float(found[1]), 3)


def _limits(
    named: np.ndarray,
    told: np.ndarray,
    likeliest: np.ndarray,
    distances: np.ndarray,
    far: float | None,
    count: int,
    risk: float,
) -> dict:
    """What Rules keeps to for one risk, nothing where no answer is so sure.

    told: probabilities as answers give them, float [n, labels]; likeliest: of the kinds of OTHER, float [n].
    """
    limits: dict = {}
    names = told[:, :count] / np.maximum(told[:, :count].sum(axis=1, keepdims=True), 1e-9)
    given, wrong = named.copy(), 0
    if far is not None:
        limits["far"] = round(far, 2)
        given &= distances <= far
    if told.shape[1] > count:
        rest = told[:, count]
        limits["named"] = round(min(0.5, float(np.quantile(rest[~named], 2 * risk))), 3) if (~named).any() else 0.5
        limits["other"] = round(max(0.5, float(np.quantile(rest[named], 1 - risk / 10))), 3)
        limits["alike"] = round(float(np.quantile(likeliest[~named], _ALIKE)), 3) if (~named).any() else 0.0
        wrong = int((given & (rest >= limits["other"]) & (likeliest >= limits["alike"])).sum())
        given &= rest <= limits["named"]
    sure = np.sort(names.max(axis=1)[given])[::-1]
    expected = (np.cumsum(1 - sure) + wrong) / (np.arange(len(sure)) + 1 + wrong)
    fine = np.flatnonzero(expected <= risk)
    if not len(fine):
        return {}
    limits["sure"] = round(float(np.ceil(sure[fine[-1]] * _STEPS - 1e-6) / _STEPS), 3)
    return limits


def figures(truth: np.ndarray, decisions: Sequence[str], labels: Sequence[str]) -> dict:
    """What the rules come to: of cells with a name, "coverage", the share that is given an answer, and "risk", the
    share of wrong ones among those; of the others "named", the share that is given a name.

    truth: numbers among `labels`, int [n]; decisions: labels, or REVIEW.
    """
    count = len(labels) - (labels[-1] == OTHER)
    named = truth < count
    numbers = np.array([labels.index(each) if each in labels else -1 for each in decisions])
    given = named & (numbers >= 0)
    result = {
        "coverage": share(int(given.sum()), int(named.sum())),
        "risk": share(int((numbers != truth)[given].sum()), int(given.sum())),
    }
    if count < len(labels):
        rest = ~named
        result["named"] = share(int(((numbers >= 0) & (numbers < count))[rest].sum()), int(rest.sum()))
    return result
