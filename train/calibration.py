"""Are answers given at 90 % right nine times in ten?"""

import numpy as np

from train import evaluate

BINS = 15


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
