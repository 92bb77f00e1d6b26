"""Corrects the last layer's bias if the int8 form of a network favours one class."""

import keras
import numpy as np

from convert.candidate import Answers
from train.networks import FEATURES
from train.run import predict

_SATURATED = 0.01  # a probability this near to 0 or 1 says little about the logit: int8 rounds it to 1/256


def corrected(model: keras.Model, pictures: np.ndarray, answers: Answers) -> keras.Model | None:
    """A copy of the network, with its last bias changed to cancel the mean error of the int8 form's logits.

    Args:
        model: the float network.
        pictures: training pictures, balanced over the classes, uint8 [n, size, size, 3].
        answers: the int8 form's answers to these pictures.

    Returns:
        The copy; None if the network doesn't end in a dense softmax layer, or if the error can't be measured.

    Rounding changes the logits. The mean of that change shifts the threshold between classes. Only this mean is
    removed. That is done in the last layer, where the errors of all layers before it have added up.

    Source: bias correction, Nagel et al., Data-Free Quantization, ICCV 2019.
    """
    last = model.layers[-1]
    if not (isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.softmax):
        return None
    kernel, bias = last.get_weights()
    has_features = answers.features.shape[1] > 0
    error = (
        _from_features(model, pictures, answers.features)
        if has_features
        else _from_probabilities(model, pictures, answers.kinds)
    )
    if error is None:
        return None
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.layers[-1].set_weights([kernel, bias - (error - error.mean())])
    return copy


def _from_features(model: keras.Model, pictures: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The mean error of the logits, float [classes]. after: features given by the int8 form, float [n, features]."""
    before = predict(keras.Model(model.inputs, model.get_layer(FEATURES).output), pictures)
    return (after - before).mean(axis=0) @ model.layers[-1].get_weights()[0]


def _from_probabilities(model: keras.Model, pictures: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The mean error of the logits, float [classes]; None if it can't be measured.

    Pictures with a probability near 0 or 1 are left out. At least 10 per class must remain, counted over all classes
    together. after: probabilities given by the int8 form, float [n, classes].
    """
    before = predict(model, pictures)
    usable = (np.minimum(before.min(axis=1), after.min(axis=1)) > _SATURATED).nonzero()[0]
    if len(usable) < len(before.T) * 10:
        return None
    return (np.log(after[usable]) - np.log(before[usable])).mean(axis=0)
