"""Are answers given at 90 % right nine times in ten?"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from edge.decide import LEAST
from edge.share import Share, share
from edge.site.check import BINS, calibration_error, confidence_bins

_LEAST, _MOST = 0.2, 5.0  # bounds of the temperature; if no answer is wrong, the best temperature would be 0


@dataclass(frozen=True)
class Bin:
    """One range of confidence of a reliability diagram.

    Attributes:
        low: lower border of the range, 0 to 1; not included.
        high: upper border of the range, 0 to 1; included.
        count: number of answers in the range.
        confidence: their mean confidence, 0 to 1.
        accuracy: share of these answers that are right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: Share


@dataclass(frozen=True)
class Reliability:
    """How confident the answers are, compared with how often they are right.

    Attributes:
        ece: expected calibration error, 0 to 1.
        bins: the ranges of confidence that hold answers.
    """

    ece: float
    bins: tuple[Bin, ...]


def calibration(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """The expected calibration error, and the ranges that a reliability diagram shows.

    Args:
        truth: class indices, int [n].
        probabilities: float [n, classes].
        bins: number of equally wide ranges of confidence.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == truth
    edges, place = confidence_bins(confidence, bins)
    ranges = tuple(
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int((place == i).sum()),
            confidence=float(confidence[place == i].mean()),
            accuracy=share(right[place == i].sum(), (place == i).sum()),
        )
        for i in np.unique(place)
    )
    return Reliability(calibration_error(truth, probabilities, bins), ranges)


def temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The number to divide the logits by so that confidence matches accuracy, rounded to thousandths.

    It is above 1 for a network that is too confident. It is below 1 for one that isn't confident enough, for example
    after label smoothing.

    Args:
        truth: class indices, int [n].
        probabilities: float [n, classes].

    Source: the temperature with the least log loss, Guo et al., ICML 2017, section 4.2.
    """
    logits = np.log(np.where(probabilities > 0, probabilities, LEAST).astype(float))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truth)), truth].mean())

    best = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return round(float(np.exp(best.x)), 3)
