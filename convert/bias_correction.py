"""An int8 network that leans to one class, set upright again."""

import keras
import numpy as np

from train.networks import FEATURES
from train.run import predict

_CERTAIN = 0.01  # answers nearer to 0 or 1 are steps of the output's own rounding


def corrected(
    model: keras.Model, pictures: np.ndarray, answers: np.ndarray, features: np.ndarray
) -> keras.Model | None:
    """A copy of the network whose last bias makes up for how far its int8 form leans; None where the network doesn't
    end with a dense softmax layer, or the lean can't be told.

    pictures: uint8 [n, size, size, 3] of training, balanced over the classes; answers, features: what the int8 form
    gives to them, probabilities float [n, classes] and the values of the layer FEATURES, float [n, features], none
    where it doesn't show them. What rounding adds to the logits has a mean, which moves the threshold, and only that is
    taken out (bias correction, Nagel et al., Data-Free Quantization, ICCV 2019, at the one layer in which all that came
    before adds up).
    """
    last = model.layers[-1]
    if not (isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.softmax):
        return None
    kernel, bias = last.get_weights()
    lean = _of_features(model, pictures, features) if features.shape[1] else _of_answers(model, pictures, answers)
    if lean is None:
        return None
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.layers[-1].set_weights([kernel, bias - (lean - lean.mean())])
    return copy


def _of_features(model: keras.Model, pictures: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What the features' mean difference does to each logit."""
    before = predict(keras.Model(model.inputs, model.get_layer(FEATURES).output), pictures)
    return (after - before).mean(axis=0) @ model.layers[-1].get_weights()[0]


def _of_answers(model: keras.Model, pictures: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """What the answers alone tell: each logit's mean difference, of pictures that are given every class by some."""
    before = predict(model, pictures)
    middling = (np.minimum(before.min(axis=1), after.min(axis=1)) > _CERTAIN).nonzero()[0]
    if len(middling) < len(before.T) * 10:
        return None
    return (np.log(after[middling]) - np.log(before[middling])).mean(axis=0)
