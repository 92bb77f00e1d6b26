"""A network with more kinds than labels, whose file also outputs its features."""

import keras
import numpy as np
import pytest

from convert import model_file, quantize, selective
from edge.contract import Contract, Crop, Decision, Input, Quantization
from edge.crop import POLICIES
from edge.mahalanobis import Distance
from edge.model import Model
from train import networks
from train.run import predict

KINDS = ["lymphocyte", "monocyte", "basophil", "patch"]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = networks.compact(48, len(KINDS), None, blocks=2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):  # larger than Keras's random start, so that answers differ
            layer.set_weights([20 * layer.get_weights()[0], layer.get_weights()[1]])
    return model


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 256, (40, 1, 1, 3))
    return np.clip(shades + rng.integers(-60, 61, (40, 48, 48, 3)), 0, 255).astype(np.uint8)


def contract(kind: str) -> Contract:
    return Contract(
        network="compact",
        parameters=1,
        input=Input(48),
        labels=(*KINDS[:2], "other"),
        crop=Crop("whole-image", POLICIES["whole-image"]),
        decision=Decision(temperature=1.0),
        licence="none",
        kinds=tuple(KINDS),
        quantization=Quantization(kind),
    )


@pytest.mark.parametrize(("kind", "near"), [("float32", 1e-4), ("int8", 0.06)])
def test_the_file_gives_the_same_kinds_and_features_as_the_network(
    network: keras.Model, pictures: np.ndarray, kind: str, near: float
) -> None:
    graph = quantize.quantize(network, kind, pictures)
    shown = keras.Model(network.inputs, network.get_layer(networks.FEATURES).output)
    features = shown.predict(pictures.astype(np.float32), verbose=0)
    arrays = selective.spread(features, ["one"] * 20 + ["two"] * 20)
    content = model_file.draft(graph, contract(kind), Model).sealed(contract(kind), arrays)
    model = model_file.opened(content, Model)
    seen = [model.predict(picture) for picture in pictures]
    merged = np.stack([model.probabilities(picture) for picture in pictures])
    assert model.verify() == (4, 4) and model.kinds == tuple(KINDS)
    assert (model._softmax is not None) == (kind == "int8"), "the same answer on every machine"
    kinds = np.stack([each.kinds for each in seen])
    assert np.abs(kinds - predict(network, pictures)).max() < near and kinds.std(axis=0).max() > 0.01
    assert np.allclose(merged, np.stack([kinds[:, 0], kinds[:, 1], kinds[:, 2:].sum(axis=1)], axis=1), atol=1e-6)
    shown_features = np.stack([each.features for each in seen])
    assert np.abs(shown_features - features).max() < near * max(1.0, features.max())
    distance = Distance(arrays)
    assert [each.distance for each in seen] == [distance.of(each) for each in shown_features]


def test_distances_are_about_one_for_training_cells_and_larger_for_others() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    middles = {"a": rng.normal(size=6) * 9, "b": rng.normal(size=6) * 9}
    kinds = ["a", "b"] * 500
    features = np.stack([middles[kind] + rng.normal(size=6) @ mixing for kind in kinds])
    distance = Distance(selective.spread(features, kinds))
    home = [distance.of(each) for each in features]
    assert np.median(home) == pytest.approx(1, abs=0.1)
    between = (middles["a"] + middles["b"]) / 2
    assert distance.of(between) > np.quantile(home, 0.99)
