"""`train baseline` on drawn cells, for seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, command


def test_it_learns_and_reports(tiny_run: Path) -> None:
    report = json.loads((tiny_run / "run.json").read_text())
    assert report["labels"] == ["lymphocyte", "monocyte"] and report["size"] == 32
    assert report["metrics"]["test"]["all"]["balanced_accuracy"] >= 0.9  # drawn cells are easy
    assert report["metrics"]["test"]["all"]["count"] == 16
    assert len(report["history"]["val_loss"]) == report["settings"]["epochs"] == 40
    assert report["best_epoch"] == int(np.argmin(report["history"]["val_loss"])) + 1


def test_the_network_is_the_seed_projects(tiny_run: Path) -> None:
    import keras

    kinds = [type(layer).__name__ for layer in keras.models.load_model(tiny_run / "model.keras").layers]
    assert kinds[0] == "Rescaling" and kinds[1:9] == ["Conv2D", "MaxPooling2D"] * 4
    assert [k for k in kinds[9:] if k != "Dropout"] == ["Flatten", "Dense", "Dense"]


def test_one_seed_one_result(drawn: Path, tmp_path: Path) -> None:
    losses = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / name
        done = command(
            "train", "baseline", "--data", drawn, "--out", out, "--size", 32, "--epochs", 2, "--seed", seed
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        losses.append(json.loads((out / "run.json").read_text())["history"]["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_augmentation_keeps_the_cell_and_changes_the_picture() -> None:
    import tensorflow as tf

    from edge import simulate
    from train.augment import augment

    picture = simulate.picture("lymphocyte", np.random.default_rng(0), 96, simulate.Look(red_cell=21))
    batch = tf.constant(np.stack([picture] * 16))
    out = augment(batch, tf.constant([1, 2])).numpy()
    assert out.shape == (16, 96, 96, 3) and out.dtype == np.float32 and out.min() >= 0 and out.max() <= 255
    assert np.array_equal(out, augment(batch, tf.constant([1, 2])).numpy())
    assert not np.array_equal(out, augment(batch, tf.constant([1, 3])).numpy())
    assert len({o.tobytes() for o in out}) == 16
    dark = out[..., 1] < 110  # the nucleus is still there, whole, near the middle
    ys, xs = np.nonzero(dark.sum(axis=0) > 8)
    assert abs(ys.mean() - 48) < 10 and abs(xs.mean() - 48) < 10
    assert (dark.sum(axis=(1, 2)) / (picture[..., 1] < 110).sum() > 0.5).all()


def test_refusals(tmp_path: Path, drawn: Path) -> None:
    assert_refused(command("train", "baseline", "--data", tmp_path / "none", "--out", tmp_path), "not a folder")
    assert_refused(command("train", "baseline", "--data", drawn), "--out")
    (tmp_path / "file").touch()
    assert_refused(command("train", "baseline", "--data", drawn, "--out", tmp_path / "file"), "can't be made")


@pytest.mark.parametrize("package", ["edge", "train", "convert", "benchmarks"])
def test_help_needs_no_tensorflow(package: str) -> None:
    done = command(package, "--help", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0 and "Usage" in done.stdout and "tensorflow" not in done.stderr
