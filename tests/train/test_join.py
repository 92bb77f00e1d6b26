"""Two networks joined into one graph, which sees two crops of each cell."""

from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, command

from edge import frames
from edge.crop import PAIR
from edge.locate import Locator
from edge.model import Model
from train import join, networks, run

WEIGHTS = ROOT.parent / "shared/weights/mobilenet_v2_0.35_224_imagenet_notop.h5"


def test_the_joined_network_gives_the_geometric_mean_of_its_networks() -> None:
    keras.utils.set_random_seed(1)
    models = [networks.compact(32, 3, None) for _ in range(3)]
    for model in models:  # untrained networks give nearly the same probabilities
        kernel, bias = model.layers[-1].get_weights()
        model.layers[-1].set_weights([1000 * kernel, bias])
    policies = (PAIR[0], PAIR[1], PAIR[1])  # one crop has two networks, and still counts as one
    joined = join.joined(models, policies, 32)
    pairs = np.random.default_rng(0).uniform(0, 255, (5, 32, 64, 3)).astype(np.float32)
    halves = (pairs[:, :, :32], pairs[:, :, 32:], pairs[:, :, 32:])
    logs = [np.log(m.predict_on_batch(half)) for m, half in zip(models, halves, strict=True)]
    mean = np.exp(0.85 * logs[0] + 0.075 * logs[1] + 0.075 * logs[2])
    assert np.allclose(joined.predict_on_batch(pairs), mean / mean.sum(axis=1, keepdims=True), atol=1e-5)
    assert joined.get_layer(networks.FEATURES).output.shape == (None, 3 * 48)


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason="needs ../shared/weights: from random weights, it would guess")
def test_runs_are_joined_converted_and_used(drawn: Path, tmp_path: Path) -> None:
    runs = []
    for policy in PAIR:
        runs.append(tmp_path / policy)
        done = command(
            "train", "compact", "--data", drawn, "--out", runs[-1], "--size", 32, "--epochs", 12, "--views", 2,
            "--crop", policy, "--weights", WEIGHTS, "--other", "none", "--batch", 8,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    out = tmp_path / "both"
    done = command("train", "join", *runs, "--data", drawn, "--out", out)
    assert done.returncode == 0, done.stderr
    report, network = run.read(out)
    assert report.crop.policy == "pair" and network.input_shape == (None, 32, 64, 3)
    done = command("convert", "--float32", out)
    assert done.returncode == 0, done.stderr
    model = Model(out / "compact-float32.tflite")
    assert model.verify() == (4, 4)
    picture = next((drawn / "test").rglob("*.png"))
    done = command("edge", "--model", model.path, "--single", "--no-review", picture)
    assert done.returncode == 0 and picture.name in done.stdout, done.stderr
    done = command("train", "evaluate", out)
    assert done.returncode == 0 and (out / "evaluation.html").exists(), done.stderr
    done = command("train", "join", runs[0], "--data", drawn, "--out", tmp_path / "half")
    assert done.returncode == 2 and "nucleus" in done.stderr


def test_a_pair_is_two_crops_side_by_side(drawn: Path) -> None:
    from edge.crop import crop

    frame = frames.load(next((drawn / "test").rglob("*.png")))
    cell = Locator().cells(frame)[0]
    pair = crop(frame, cell, 48, "pair")
    assert pair.shape == (48, 96, 3)
    for half, policy in zip((pair[:, :48], pair[:, 48:]), PAIR, strict=True):
        assert np.array_equal(half, crop(frame, cell, 48, policy))
