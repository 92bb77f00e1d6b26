"""Are answers given at 90 % right nine times in ten?"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from train.evaluation import evaluate

BINS = 15
_LEAST, _MOST = 0.2, 5.0  # of the temperature: where no answer is wrong the best would be none


def calibration(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> dict:
    """The expected calibration error and what a reliability diagram shows.

    truth: int [n]; probabilities: float [n, classes]. Answers go into `bins` equal ranges of confidence, each open
    below and closed above; the error is the mean of |share of right answers - mean confidence|, weighted with the
    ranges' counts (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3).
    -> {"ece", "bins": [{"low", "high", "count", "confidence", "accuracy" (a share)} of each range that isn't empty]}.
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    place = np.digitize(confidence, edges[1:-1], right=True)
    found: list[dict] = []
    for i in np.unique(place):
        members = place == i
        found.append(
            {
                "low": float(edges[i]),
                "high": float(edges[i + 1]),
                "count": int(members.sum()),
                "confidence": float(confidence[members].mean()),
                "accuracy": evaluate.share(int(right[members].sum()), int(members.sum())),
            }
        )
    gaps = [each["count"] * abs(each["accuracy"]["value"] - each["confidence"]) for each in found]
    return {"ece": float(sum(gaps) / len(truth)), "bins": found}


def temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """By which the logits of answers must be divided to be as sure as they are right, to thousandths: above 1 for a
    network that is too sure, below 1 for one that is too modest, as label smoothing leaves it.

    truth: int [n]; probabilities: float [n, classes]. The least log loss (Guo et al., ICML 2017, section 4.2).
    """
    logits = np.log(np.where(probabilities > 0, probabilities, 1 / 512).astype(float))  # int8 knows steps of 1/256

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return round(float(np.exp(found.x)), 3)
