"""Distillation: learning the answers of finished networks as well as the labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke


@pytest.mark.slow
def test_a_taught_network_learns_other_targets(drawn: Path, tmp_path: Path) -> None:
    import keras

    from train import distill, run

    options = ("--data", drawn, "--size", 32, "--epochs", 1, "--batch", 8, "--views", 1, "--weights", "none")
    teacher, pupil = tmp_path / "teacher-all", tmp_path / "pupil"
    assert invoke("train", "compact", *options, "--out", teacher).returncode == 0
    done = invoke("train", "compact", *options, "--out", pupil, "--teacher", tmp_path / "teacher-SOURCE")
    assert done.returncode == 0, done.stderr
    reports = [json.loads((each / "run.json").read_text()) for each in (teacher, pupil)]
    assert [len(each["settings"]["teachers"]) for each in reports] == [0, 1]
    assert reports[0]["history"]["loss"] != reports[1]["history"]["loss"]

    np.save(tmp_path / "view.npy", np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8))
    pictures = np.load(tmp_path / "view.npy", mmap_mode="r")
    truth = np.eye(3, dtype=np.float32)[[0, 1, 0, 1, 2]]  # lymphocyte, monocyte, patch
    model = keras.models.load_model(teacher / "model.keras", compile=False)
    [wanted] = distill.targets([model, model], [pictures], truth)
    assert np.allclose(wanted, 0.7 * run.predict(model, pictures) + 0.3 * truth, atol=1e-6)


@pytest.mark.slow
def test_vgg16_teaches_the_pictures_it_learned(drawn: Path, vgg16_weights: Path, tmp_path: Path) -> None:
    both = ("--data", drawn, "--size", 32, "--epochs", 1, "--views", 1, "--augment", "full", "--crop", "normalised")
    other = ("--other", "kinds", "--amount", 1.5, "--weights")
    teacher, pupil = tmp_path / "teacher", tmp_path / "pupil"
    done = invoke(
        "train", "transfer", *both, "--head-epochs", 1, "--unfreeze", 1, *other, vgg16_weights, "--out", teacher
    )
    assert done.returncode == 0, done.stderr
    assert "View 1 of 1" in done.stderr, "the picture is changed at random before its stain is normalised"
    taught = invoke("train", "compact", *both, *other, "none", "--out", pupil, "--teacher", teacher)
    assert taught.returncode == 0, taught.stderr
    assert "View" not in taught.stderr and "Teacher, view 1 of 1" in taught.stderr
    again = invoke("train", "compact", *both, *other, "none", "--out", tmp_path / "2", "--teacher", teacher)
    assert again.returncode == 0 and "Teacher" not in again.stderr, "its answers are kept"
    first, second = (json.loads((each / "run.json").read_text()) for each in (pupil, tmp_path / "2"))
    assert first["history"] == second["history"]


def test_teachers_that_cannot_teach(drawn: Path, tiny_run: Path, tmp_path: Path) -> None:
    options = ("--data", drawn, "--out", tmp_path / "run", "--size", 32, "--views", 1, "--weights", "none")
    assert_refused(invoke("train", "compact", *options, "--teacher", tiny_run), "can't teach")
    assert_refused(invoke("train", "compact", *options, "--teacher", tmp_path / "none"), "not a finished training run")
