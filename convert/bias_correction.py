"""Corrects the last bias of a network whose int8 form favours a class."""

import keras
import numpy as np

from convert.candidate import Answers
from train.networks import FEATURES
from train.run import predict

_SATURATED = 0.01  # probabilities nearer than this to 0 or 1 are ruled by the rounding of the output


def corrected(model: keras.Model, pictures: np.ndarray, answers: Answers) -> keras.Model | None:
    """A copy of the network whose last bias cancels the mean error of its int8 form's logits.

    Args:
        model: the network.
        pictures: of training, balanced over the classes, uint8 [n, size, size, 3].
        answers: of its int8 form to them.

    Returns:
        None if the network doesn't end in a dense softmax layer, or if the error can't be measured.

    Rounding changes the logits. The mean of that change shifts the threshold between classes, and only this mean is
    removed, at the last layer, where the errors of all layers before have added up.

    Source: bias correction, Nagel et al., Data-Free Quantization, ICCV 2019.
    """
    last = model.layers[-1]
    if not (isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.softmax):
        return None
    kernel, bias = last.get_weights()
    shown = answers.features.shape[1] > 0
    error = (
        _from_features(model, pictures, answers.features)
        if shown
        else _from_probabilities(model, pictures, answers.kinds)
    )
    if error is None:
        return None
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.layers[-1].set_weights([kernel, bias - (error - error.mean())])
    return copy


def _from_features(model: keras.Model, pictures: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The logits' mean error, float [classes], from the features of the int8 form, float [n, features]."""
    before = predict(keras.Model(model.inputs, model.get_layer(FEATURES).output), pictures)
    return (after - before).mean(axis=0) @ model.layers[-1].get_weights()[0]


def _from_probabilities(model: keras.Model, pictures: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The logits' mean error, float [classes], from the probabilities of the int8 form, float [n, classes].

    Only pictures count of which no probability is near 0 or 1; None if they are fewer than 10 a class.
    """
    before = predict(model, pictures)
    usable = (np.minimum(before.min(axis=1), after.min(axis=1)) > _SATURATED).nonzero()[0]
    if len(usable) < len(before.T) * 10:
        return None
    return (np.log(after[usable]) - np.log(before[usable])).mean(axis=0)
