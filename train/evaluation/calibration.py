"""Are answers given at 90 % right nine times in ten?"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from edge.decide import LEAST
from edge.share import Share, share
from edge.site.check import BINS, calibration_error, confidence_bins

_LEAST, _MOST = 0.2, 5.0  # of the temperature: where no answer is wrong, the best would be 0


@dataclass(frozen=True)
class Bin:
    """One range of confidence of a reliability diagram.

    Attributes:
        low, high: its borders, each 0 to 1; open below and closed above.
        count: answers in it.
        confidence: their mean confidence, 0 to 1.
        accuracy: share of right ones.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: Share


@dataclass(frozen=True)
class Reliability:
    """How sure answers are against how right they are.

    Attributes:
        ece: expected calibration error, 0 to 1.
        bins: the ranges that hold answers.
    """

    ece: float
    bins: tuple[Bin, ...]


def calibration(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """The expected calibration error and what a reliability diagram shows.

    Args:
        truth: int [n].
        probabilities: float [n, classes].
        bins: equal ranges of confidence.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == truth
    edges, place = confidence_bins(confidence, bins)
    found = tuple(
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int((place == i).sum()),
            confidence=float(confidence[place == i].mean()),
            accuracy=share(right[place == i].sum(), (place == i).sum()),
        )
        for i in np.unique(place)
    )
    return Reliability(calibration_error(truth, probabilities, bins), found)


def temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """What logits must be divided by so that answers are as sure as they are right, to thousandths.

    Above 1 for a network that is too sure, below 1 for one that is too modest, as label smoothing leaves it.

    Args:
        truth: int [n].
        probabilities: float [n, classes].

    Source: the least log loss (Guo et al., ICML 2017, section 4.2).
    """
    logits = np.log(np.where(probabilities > 0, probabilities, LEAST).astype(float))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return round(float(np.exp(found.x)), 3)
