"""Where the thresholds between classes lie, put right on val.

Augmented views are harder than the runner's pictures, weights lose their hold on pictures that are known by heart, and
so a trained network leans to one class, on its own microscope as well as on others. How sure it is, is left alone: the
converter fits that on the answers of the very file (convert.selective).
"""

import keras
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

_STEEPEST = np.log(5.0)  # of the scale, either way: a val split that is told apart without a mistake would want more
_FARTHEST = 3.0  # logits that a class may gain


def offsets(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """-> float [classes]: softmax(scale * (logits + offsets)) has the least weighted log loss, for the best scale.

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
    return np.append(0.0, found[1:]) / np.exp(found[0])


def put_right(model: keras.Model, truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> list[float]:
    """Puts offsets() into the network's last layer, which must be dense with softmax, and says what they were.

    probabilities: the network's own answers to the pictures of `truth`, as in offsets().
    """
    found = offsets(truth, probabilities, weights)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + found])
    return [round(float(offset), 3) for offset in found]
