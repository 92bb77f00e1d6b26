"""Quantization-aware training reduces the error of a network that int8 makes much worse."""

import keras
import numpy as np
import pytest
from conftest import int8_answers

from convert import equalize, fallbacks, layer_errors, qat, quantize
from convert.fallbacks import Calibrated
from train import run

L = keras.layers


def network() -> keras.Model:
    """A network with a branch, so that it can't be equalized, and a channel a hundred times as large as the others."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((16, 16, 3))
    x = L.Rescaling(1 / 127.5, -1)(inputs)
    x = L.ReLU(name="activated")(L.BatchNormalization()(L.Conv2D(8, 3, name="large")(x)))
    x = L.Add()([x, L.DepthwiseConv2D(3, padding="same", activation="relu")(x)])
    x = L.Conv2D(8, 3, activation="relu", name="reader")(x)
    outputs = L.Dense(2, activation="softmax", name="answer")(L.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    kernel, bias = model.get_layer("large").get_weights()
    kernel[..., 0], bias[0] = 100 * kernel[..., 0], 100
    model.get_layer("large").set_weights([kernel, bias])
    kernel, bias = model.get_layer("reader").get_weights()
    kernel[:, :, 0] /= 1000
    model.get_layer("reader").set_weights([kernel, bias])
    kernel, bias = model.get_layer("answer").get_weights()
    model.get_layer("answer").set_weights([60 * kernel, bias])
    offset = np.median(np.log(run.predict(model, pictures(0)) + 1e-9), axis=0)
    model.get_layer("answer").set_weights([60 * kernel, bias - offset])  # so that both answers occur
    return model


def pictures(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grey = rng.uniform(0, 255, (256, 1, 1, 3))
    return np.clip(grey + rng.normal(0, 60, (256, 16, 16, 3)), 0, 255).astype(np.uint8)


def answers(model: keras.Model) -> np.ndarray:
    """The answers of the network's int8 form to pictures that it wasn't trained on."""
    return int8_answers(quantize.quantize(model, "int8", pictures(0)), pictures(1))


def same(a: keras.Model, b: keras.Model) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_training_reduces_the_difference_from_the_float_network() -> None:
    model = network()
    assert equalize.equalized(model, pictures(0)) is None
    tuned = qat.tuned(model, pictures(0))
    assert same(model, network()) and not same(model, tuned), "a copy is changed"
    expected = run.predict(model, pictures(1))
    lost, left = (np.abs(answers(each) - expected).max(axis=1).mean() for each in (model, tuned))
    assert lost > 0.04 and left < 0.7 * lost


def test_training_twice_gives_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qat, "_STEPS", 20)
    one, other = (qat.tuned(network(), pictures(0)) for _ in range(2))
    assert same(one, other)


def test_training_rounds_the_same_values_as_the_file() -> None:
    inputs = keras.Input((16, 16, 3))
    nested = keras.Model(inputs, network()(L.Dropout(0.1)(inputs)))
    rounded_layers = [layer.name for layer in qat.flat(nested) if qat._rounds(layer, nested)]
    assert "large" not in rounded_layers
    assert not any("batch_normalization" in name or "dropout" in name for name in rounded_layers)
    assert {"activated", "reader"} <= set(rounded_layers)
    assert any(name.startswith("rescaling") for name in rounded_layers)
    assert len(qat._kernels(nested)) == 4
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
    for axes in (1, 2):
        rounded = np.asarray(qat._rounded(kernel, axes)).reshape(-1, np.prod(kernel.shape[-axes:]))
        steps = rounded / (np.abs(rounded).max(axis=0) / 127)
        assert np.abs(steps - steps.round()).max() < 1e-3 and np.abs(rounded - kernel.reshape(rounded.shape)).max() > 0


def test_the_rescue_tries_training_before_repairs_that_cost_time_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qat, "_STEPS", 5)
    model = network()
    calibrated = quantize.calibrate(model, pictures(0))
    worst = layer_errors.errors(calibrated, pictures(0)[:4])
    tried = list(fallbacks.fallbacks(model, Calibrated(calibrated, "min-max", pictures(0)), worst, lambda: pictures(0)))
    kinds = [quantize.emitted(each.graph).kind for each in tried]
    assert [tried[0].what, kinds[0]] == ["trained further with int8's rounding", "int8"]
    assert kinds[1:] and set(kinds[1:]) == {"mixed"}


def test_the_rescue_says_why_it_skips_training() -> None:
    inputs = keras.Input((16, 16, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2DTranspose(4, 3, name="up")(inputs))
    model = keras.Model(inputs, L.Dense(2, activation="softmax")(x))
    calibrated = quantize.calibrate(model, pictures(0))
    first = next(fallbacks.fallbacks(model, Calibrated(calibrated, "min-max", pictures(0)), [], lambda: pictures(0)))
    assert not first.graph and "up is a Conv2DTranspose" in first.skipped
