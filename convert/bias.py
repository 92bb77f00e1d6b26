"""An int8 network that leans to one class, set upright again."""

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edge.quiet import quiet
from train import run as runs

_CERTAIN = 0.01  # answers nearer to 0 or 1 are steps of the output's own rounding


def corrected(model: keras.Model, graph: bytes, pictures: np.ndarray) -> keras.Model | None:
    """A copy of the network whose last bias makes up for how far `graph`, its int8 form, leans; None where the network
    doesn't end with a dense softmax layer.

    pictures: uint8 [n, size, size, 3] of training, balanced over the classes. What rounding adds to the answers has a
    mean, which moves the threshold, and only that is taken out: each logit by its mean difference (bias correction,
    Nagel et al., Data-Free Quantization, ICCV 2019, at the one layer in which all that came before adds up).
    """
    last = model.layers[-1]
    if not (isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.softmax):
        return None
    before, after = runs.predict(model, pictures), _answers(graph, pictures)
    middling = (np.minimum(before.min(axis=1), after.min(axis=1)) > _CERTAIN).nonzero()[0]
    if len(middling) < len(before.T) * 10:
        return None
    lean = (np.log(after[middling]) - np.log(before[middling])).mean(axis=0)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, bias = copy.layers[-1].get_weights()
    copy.layers[-1].set_weights([kernel, bias - (lean - lean.mean())])
    return copy


def _answers(graph: bytes, pictures: np.ndarray) -> np.ndarray:
    """uint8 [n, size, size, 3] -> probabilities float64 [n, classes] of an int8 flatbuffer."""
    with quiet():
        interpreter = Interpreter(model_content=graph, num_threads=1)
        interpreter.allocate_tensors()
    place, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]
    result = []
    for picture in pictures:
        interpreter.set_tensor(place, picture[None])
        interpreter.invoke()
        result.append(interpreter.get_tensor(out["index"])[0].astype(np.float64))
    scale, zero = out["quantization"]
    levels = (np.array(result) - zero) * scale
    return levels / np.maximum(levels.sum(axis=1, keepdims=True), 1e-6)
