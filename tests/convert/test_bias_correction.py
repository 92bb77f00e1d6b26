"""An int8 network that leans is set upright; one that can't be is left alone."""

import keras
import numpy as np
import pytest

from convert import bias_correction, gate, model_file, quantize
from convert.activation_ranges import narrowed
from edge.crop import POLICIES
from edge.model import Model
from train import run
from train.networks import FEATURES


def network(end: str = "softmax") -> keras.Model:
    """With one channel so loud that the others' small values are rounded away: its int8 form leans."""
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


def answers(graph: bytes, pictures: np.ndarray) -> np.ndarray:
    document = {
        "network": "loud",
        "input": {"size": 16},
        "labels": ["a", "b"],
        "quantization": {"kind": "int8"},
        "licence": "none",
        "crop": {"policy": "whole-image", "version": POLICIES["whole-image"]},
        "decision": {"temperature": 1.0},
    }
    with model_file.opened(model_file.seal(graph, document), Model) as opened:
        return gate.answers(opened, pictures)


def lean(model: keras.Model, graph: bytes, pictures: np.ndarray) -> float:
    logs = [np.log(p + 1e-9) for p in (run.predict(model, pictures), answers(graph, pictures))]
    return float(np.mean((logs[1] - logs[0]) @ [-1, 1]))


def test_the_lean_is_taken_out() -> None:
    model = network()
    pictures = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3)).astype(np.uint8)
    graph = quantize.integer(narrowed(quantize.calibrate(model, pictures), pictures, ("min-max",))["min-max"])
    before = lean(model, graph, pictures)
    upright = bias_correction.corrected(model, pictures, answers(graph, pictures), np.zeros((64, 0)))
    assert upright is not None and abs(before) > 0.02
    again = quantize.integer(quantize.calibrate(upright, pictures))
    assert abs(lean(model, again, pictures)) < 0.4 * abs(before)
    assert np.array_equal(model.layers[-1].get_weights()[1], network().layers[-1].get_weights()[1]), "a copy is changed"


def test_features_tell_the_lean_where_answers_cannot() -> None:
    """Of many classes no picture is given every one, and the answers are silent."""
    keras.utils.set_random_seed(5)
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Dense(6, activation="relu", name=FEATURES)(layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, layers.Dense(9, activation="softmax")(x))
    pictures = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    known = keras.Model(model.inputs, model.get_layer(FEATURES).output).predict(pictures.astype(np.float32))
    off = np.linspace(-0.3, 0.5, 6)
    upright = bias_correction.corrected(model, pictures, np.eye(9)[np.zeros(40, int)], known + off)
    assert upright is not None
    (kernel, before), (_, after) = (each.layers[-1].get_weights() for each in (model, upright))
    lean = off @ kernel
    assert before - after == pytest.approx(lean - lean.mean(), abs=1e-5)
    assert bias_correction.corrected(model, pictures, np.eye(9)[np.zeros(40, int)], known[:, :0]) is None


def test_another_end_is_left_alone() -> None:
    pictures, half = np.zeros((40, 16, 16, 3), np.uint8), np.full((40, 2), 0.5)
    assert bias_correction.corrected(network("sigmoid"), pictures, half, np.zeros((40, 0))) is None
