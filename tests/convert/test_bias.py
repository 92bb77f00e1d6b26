"""An int8 network that leans is set upright; one that can't be is left alone."""

import keras
import numpy as np

from convert import bias, contract, gate, quantize
from convert.ranges import narrowed
from edge.crop import POLICIES
from edge.model import Model
from train import run


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
    with contract.opened(contract.seal(graph, document), Model) as opened:
        return gate.answers(opened, pictures)


def lean(model: keras.Model, graph: bytes, pictures: np.ndarray) -> float:
    logs = [np.log(p + 1e-9) for p in (run.predict(model, pictures), answers(graph, pictures))]
    return float(np.mean((logs[1] - logs[0]) @ [-1, 1]))


def test_the_lean_is_taken_out() -> None:
    model = network()
    pictures = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3)).astype(np.uint8)
    graph = quantize.integer(narrowed(quantize.calibrate(model, pictures), pictures, ("min-max",))["min-max"])
    before = lean(model, graph, pictures)
    upright = bias.corrected(model, run.predict(model, pictures), answers(graph, pictures))
    assert upright is not None and abs(before) > 0.02
    again = quantize.integer(quantize.calibrate(upright, pictures))
    assert abs(lean(model, again, pictures)) < 0.4 * abs(before)
    assert np.array_equal(model.layers[-1].get_weights()[1], network().layers[-1].get_weights()[1]), "a copy is changed"


def test_another_end_is_left_alone() -> None:
    half = np.full((40, 2), 0.5)
    assert bias.corrected(network("sigmoid"), half, half) is None
