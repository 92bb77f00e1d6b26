"""Corrects the thresholds between the classes on the val split.

A trained network prefers one class, on its own microscope as well as on others. There are two reasons. Augmented views
are harder than the pictures that the network gets from the runner (edge). And class weights lose their effect on
pictures that the network has learned by heart. The network's confidence isn't changed: the converter corrects it for
each file (convert.selective).
"""

import keras
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

_MAX_LOG_SCALE = np.log(5.0)  # the scale is 1/5 to 5; without mistakes on val, the best scale would be infinite
_MAX_OFFSET = 3.0  # logits: how far the scaled logit of a class may be moved


def offsets(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What to add to the logit of each class, float [classes]; the first is 0.

    Args:
        truth: class indices, int [n].
        probabilities: float [n, classes].
        weights: how much each picture counts, float [n].

    The offsets and a scale are fitted together, so that softmax(scale * (logits + offsets)) has the least weighted log
    loss. The scale isn't returned.

    Source: bias-corrected temperature scaling, Alexandari, Kundaje and Shrikumar, ICML 2020.
    """
    logits = np.log(np.maximum(probabilities.astype(float), 1e-7))
    count = logits.shape[1]

    def loss(x: np.ndarray) -> float:
        moved = log_softmax(np.exp(x[0]) * logits + np.append(0.0, x[1:]), axis=1)
        return float(-np.average(moved[np.arange(len(truth)), truth], weights=weights))

    limits = [(-_MAX_LOG_SCALE, _MAX_LOG_SCALE)] + [(-_MAX_OFFSET, _MAX_OFFSET)] * (count - 1)
    best = minimize(loss, np.zeros(count), bounds=limits, method="L-BFGS-B").x
    return np.append(0.0, best[1:]) / np.exp(best[0])


def correct(model: keras.Model, truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> list[float]:
    """Adds `offsets` to the bias of the network's last layer.

    Args:
        model: a network whose last layer is dense with softmax; it is changed.
        truth: class indices, int [n].
        probabilities: the network's answers to these pictures, float [n, classes].
        weights: how much each picture counts, float [n].

    Returns:
        The offset of each class in logits, rounded to thousandths.
    """
    moved = offsets(truth, probabilities, weights)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + moved])
    return [round(float(offset), 3) for offset in moved]
