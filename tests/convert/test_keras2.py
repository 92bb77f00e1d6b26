"""Keras 2's files: described in old words, they give the same network as today's file.

The old files are made from today's by writing the description as Keras 2 wrote it.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from convert import source as sources
from convert.keras2 import translated
from edge.errors import UserError

L = keras.layers


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="mine")
    x = L.DepthwiseConv2D(3)(inputs)
    x = L.BatchNormalization(name="a_norm")(x)
    x = L.SeparableConv2D(8, 3)(x)
    x = L.Conv2DTranspose(4, 3, strides=2)(x)
    part = keras.Input((25, 25, 4))
    x = keras.Model(part, L.Conv2D(4, 3)(part), name="part")(x)
    return keras.Model(inputs, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))


def old(value: Any) -> Any:
    """A description as Keras 2 wrote it."""
    if isinstance(value, list):
        return [old(each) for each in value]
    if not isinstance(value, dict):
        return "a/norm" if value == "a_norm" else value
    value = {key: old(each) for key, each in value.items()}
    settings = value.get("config")
    if not isinstance(settings, dict):
        return value
    if isinstance(settings.get("dtype"), dict):
        settings["dtype"] = {"class_name": "Policy", "config": {"name": settings["dtype"]["config"]["name"]}}
    kernel = {"kernel_initializer": None, "kernel_regularizer": None, "kernel_constraint": None}
    more: dict[str, dict[str, Any]] = {
        "DepthwiseConv2D": {"groups": 1} | kernel,
        "SeparableConv2D": {"groups": 1} | kernel,
        "Conv2DTranspose": {"groups": 1},
        "BatchNormalization": {"axis": [3]},
    }
    settings |= more.get(value["class_name"], {})
    if value["class_name"] == "Functional":
        value |= {"module": "keras.src.engine.functional"} if "module" in value else {}
        for name in ("input_layers", "output_layers"):
            settings[name] = [settings[name]] if isinstance(settings[name][0], str) else settings[name]
    return value


def as_h5(network: keras.Model, folder: Path) -> Path:
    network.save(folder / "a.h5")
    with h5py.File(folder / "a.h5", "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps(old(json.loads(file.attrs["model_config"])))
    return folder / "a.h5"


def as_keras(network: keras.Model, folder: Path) -> Path:
    network.save(folder / "new.keras")
    with zipfile.ZipFile(folder / "new.keras") as new, zipfile.ZipFile(folder / "a.keras", "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        file.writestr("config.json", json.dumps(old(json.loads(new.read("config.json")))))
        weights = io.BytesIO(new.read("model.weights.h5"))
        with h5py.File(weights, "r+") as opened:
            opened.move("layers", "_layer_checkpoint_dependencies")
        file.writestr("model.weights.h5", weights.getvalue())
    return folder / "a.keras"


@pytest.mark.parametrize("write", [as_h5, as_keras])
def test_the_network_is_the_same(
    write: Callable[[keras.Model, Path], Path], network: keras.Model, tmp_path: Path
) -> None:
    file = write(network, tmp_path)
    before = file.read_bytes()
    with pytest.raises((AttributeError, TypeError, ValueError)):
        keras.models.load_model(file, compile=False)
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    assert np.array_equal(sources.load(file).predict(pictures, verbose=0), network.predict(pictures, verbose=0))
    assert file.read_bytes() == before


def test_files_of_today_are_left_as_they_are(network: keras.Model, tmp_path: Path) -> None:
    for name in ("a.keras", "a.h5"):
        network.save(tmp_path / name)
        with translated(tmp_path / name) as file:
            assert file == tmp_path / name


def test_arithmetic_outside_of_layers_is_named(network: keras.Model, tmp_path: Path) -> None:
    file = as_h5(network, tmp_path)
    with h5py.File(file, "r+") as opened:
        opened.attrs["model_config"] = opened.attrs["model_config"].replace("SeparableConv2D", "TFOpLambda")
    with pytest.raises(UserError, match="outside of its layers"):
        sources.load(file)
