"""Bias correction: an int8 network that favours a class is corrected, unless its last layer doesn't allow it."""

import keras
import numpy as np
import pytest
from conftest import int8_answers

from convert import bias_correction, quantize
from convert.activation_ranges import narrowed
from convert.candidate import Answers
from train import run
from train.networks import FEATURES


def network(end: str = "softmax") -> keras.Model:
    """A network with one channel so large that the values of the others are rounded away.

    Its int8 form therefore favours a class.
    """
    keras.utils.set_random_seed(5)
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, activation=end)(x))
    kernel, offset = model.layers[2].get_weights()
    offset[:] = 0.02
    offset[0] = 30.0
    model.layers[2].set_weights([kernel, offset])
    kernel, offset = model.layers[3].get_weights()
    kernel[:, :, 0] /= 100
    model.layers[3].set_weights([kernel, offset])
    return model


def mean_error(model: keras.Model, graph: bytes, pictures: np.ndarray) -> float:
    logs = [np.log(p + 1e-9) for p in (run.predict(model, pictures), int8_answers(graph, pictures))]
    return float(np.mean((logs[1] - logs[0]) @ [-1, 1]))


def test_the_mean_error_is_removed() -> None:
    model = network()
    pictures = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3)).astype(np.uint8)
    graph = quantize.integer(narrowed(quantize.calibrate(model, pictures), pictures, ("min-max",))["min-max"])
    before = mean_error(model, graph, pictures)
    corrected = bias_correction.corrected(model, pictures, Answers(int8_answers(graph, pictures), np.zeros((64, 0))))
    assert corrected is not None and abs(before) > 0.02
    again = quantize.integer(quantize.calibrate(corrected, pictures))
    assert abs(mean_error(model, again, pictures)) < 0.4 * abs(before)
    assert np.array_equal(model.layers[-1].get_weights()[1], network().layers[-1].get_weights()[1]), "a copy is changed"


def test_features_show_the_error_where_probabilities_do_not() -> None:
    """With many classes, every picture has some probability near 0, from which the error can't be measured."""
    keras.utils.set_random_seed(5)
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Dense(6, activation="relu", name=FEATURES)(layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, layers.Dense(9, activation="softmax")(x))
    pictures = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    known = keras.Model(model.inputs, model.get_layer(FEATURES).output).predict(pictures.astype(np.float32))
    off = np.linspace(-0.3, 0.5, 6)
    corrected = bias_correction.corrected(model, pictures, Answers(np.eye(9)[np.zeros(40, int)], known + off))
    assert corrected is not None
    (kernel, before), (_, after) = (each.layers[-1].get_weights() for each in (model, corrected))
    error = off @ kernel
    assert before - after == pytest.approx(error - error.mean(), abs=1e-5)
    assert bias_correction.corrected(model, pictures, Answers(np.eye(9)[np.zeros(40, int)], known[:, :0])) is None


def test_a_network_with_another_last_layer_is_not_corrected() -> None:
    pictures, half = np.zeros((40, 16, 16, 3), np.uint8), np.full((40, 2), 0.5)
    assert bias_correction.corrected(network("sigmoid"), pictures, Answers(half, np.zeros((40, 0)))) is None
