"""An int8 network that leans to one class, set upright again."""

import keras
import numpy as np

_CERTAIN = 0.01  # answers nearer to 0 or 1 are steps of the output's own rounding


def corrected(model: keras.Model, before: np.ndarray, after: np.ndarray) -> keras.Model | None:
    """A copy of the network whose last bias makes up for how far its int8 form leans; None where the network doesn't
    end with a dense softmax layer.

    before, after: what it and its int8 form answer to training pictures, balanced over the classes, probabilities
    float [n, classes]. What rounding adds to the answers has a
    mean, which moves the threshold, and only that is taken out: each logit by its mean difference (bias correction,
    Nagel et al., Data-Free Quantization, ICCV 2019, at the one layer in which all that came before adds up).
    """
    last = model.layers[-1]
    if not (isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.softmax):
        return None
    middling = (np.minimum(before.min(axis=1), after.min(axis=1)) > _CERTAIN).nonzero()[0]
    if len(middling) < len(before.T) * 10:
        return None
    lean = (np.log(after[middling]) - np.log(before[middling])).mean(axis=0)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, bias = copy.layers[-1].get_weights()
    copy.layers[-1].set_weights([kernel, bias - (lean - lean.mean())])
    return copy
