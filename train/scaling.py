"""What training leaves askew, put right on val: how sure the network is, and where its thresholds lie.

Augmented views are harder than the runner's pictures, weights and smoothing bend the answers: so a trained network is
less sure than it might be, and leans to one class, on its own microscope as well as on others.
"""

import keras
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

_STEEPEST = np.log(5.0)  # of the scale, either way: a val split that is told apart without a mistake would want more
_FARTHEST = 3.0  # logits that a class may gain


def scaling(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """-> (scale, offsets float [classes]): softmax(scale * logits + offsets) has the least weighted log loss.

    truth: int [n]; probabilities: float [n, classes]; weights: float [n]. Bias-corrected temperature scaling
    (Alexandari, Kundaje and Shrikumar, ICML 2020).
    """
    logits = np.log(np.maximum(probabilities.astype(float), 1e-7))
    count = logits.shape[1]

    def loss(x: np.ndarray) -> float:
        moved = log_softmax(np.exp(x[0]) * logits + np.append(0.0, x[1:]), axis=1)
        return float(-np.average(moved[np.arange(len(truth)), truth], weights=weights))

    limits = [(-_STEEPEST, _STEEPEST)] + [(-_FARTHEST, _FARTHEST)] * (count - 1)
    found = minimize(loss, np.zeros(count), bounds=limits, method="L-BFGS-B").x
    return float(np.exp(found[0])), np.append(0.0, found[1:])


def scale(model: keras.Model, truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> dict:
    """Puts scaling() into the network's last layer, which must be dense with softmax; says what it was, for run.json.

    probabilities: the network's own answers to the pictures of `truth`, as in scaling().
    """
    steeper, offsets = scaling(truth, probabilities, weights)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * steeper, bias * steeper + offsets])
    return {"scale": round(steeper, 3), "offsets": [round(float(o), 3) for o in offsets]}
