"""`train compact` on drawn cells, from random weights; and the views that it learns from."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke

from edge.crop import POLICIES
from train import ablate, experiment, views
from train.augment import recipe
from train.data import crop_cache, dataset
from train.settings import COMPACT, Settings


@pytest.mark.slow
def test_it_learns_continues_and_says_what_it_did(drawn: Path, tmp_path: Path) -> None:
    options = (
        "--data", drawn, "--out", tmp_path / "run", "--size", 32, "--epochs", 2, "--batch", 8, "--views", 2,
        "--weights", "none",
    )  # fmt: skip
    done = invoke("train", "compact", *options)
    assert done.returncode == 0, done.stderr
    assert "View 2 of 2" in done.stderr and "compact epoch 2 of 2" in done.stderr
    report = json.loads((tmp_path / "run" / "run.json").read_text())
    assert report["network"] == "compact" and report["crop"] == {
        "policy": "normalised",
        "version": POLICIES["normalised"],
    }
    assert report["settings"]["views"] == 2 and report["settings"]["norm"] == "frozen"
    again = invoke("train", "compact", *options[:3], tmp_path / "2", *options[4:])
    assert "View" not in again.stderr, "views are made once"
    other = json.loads((tmp_path / "2" / "run.json").read_text())
    assert other["metrics"] == report["metrics"], "the same seed gives the same figures"


def test_frozen_statistics_stay_and_batch_statistics_learn() -> None:
    from train import networks

    for norm, learns in (("frozen", False), ("batch", True)):
        model = networks.compact(32, 2, None, norm)
        layers = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
        assert layers and all(layer.trainable == learns for layer in layers)
        before = [layer.moving_mean.numpy().copy() for layer in layers]
        model(np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32), training=True)
        after = [layer.moving_mean.numpy() for layer in layers]
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) == (not learns)


def test_a_weights_file_that_is_missing(drawn: Path, tmp_path: Path) -> None:
    options = ("--data", drawn, "--out", tmp_path / "run", "--size", 32, "--weights", tmp_path / "none.h5")
    assert_refused(invoke("train", "compact", *options), "is not a file")


@pytest.mark.parametrize("policy", ["normalised", "whole-image"])
def test_views_show_the_same_cells_changed(drawn: Path, policy: str) -> None:
    examples = dataset.only(dataset.read(drawn), "train")[:10]
    plain = crop_cache.crops(drawn, examples, 48, policy)
    settings = Settings(size=48, policy=policy)
    found = views.views(drawn, examples, views.Recipe(settings, tuple(recipe("full")), 0.5, 2))
    assert [v.shape for v in found] == [plain.shape] * 2 and all(v.dtype == np.uint8 for v in found)
    assert not np.array_equal(found[0], found[1])
    for view in found:  # a nucleus is dark in each, and about as large
        dark = [
            (v[..., 1] < 110).mean() / max((p[..., 1] < 110).mean(), 0.01) for v, p in zip(view, plain, strict=True)
        ]
        assert 0.4 < np.median(dark) < 2.5
    [again] = views.views(drawn, examples, views.Recipe(settings, tuple(recipe("full")), 0.5, 1))
    assert np.array_equal(again, found[0])


def test_a_run_decodes_each_picture_once(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: Counter[str]
) -> None:
    """Even if it makes crops of two policies, nuclei, places without a cell, and views from it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = replace(COMPACT, size=32)
    data = experiment.training_data(experiment.Job(drawn, tmp_path / "run", settings), views=True)
    recipe_of_views = views.Recipe(settings, ("rotate",), 0.5, 1)
    views.views(drawn, data.examples["train"], recipe_of_views)
    assert decoded == Counter(str(file) for file in drawn.rglob("*.png"))
    assert any(e.kind == dataset.PATCH for e in data.everything)


def test_views_without_changes_are_the_runner_s_crops(drawn: Path) -> None:
    """Without changes, training must give nearly the runner's crop; not exactly, as it evens the light twice."""
    examples = dataset.only(dataset.read(drawn), "train")[:10]
    [view] = views.views(drawn, examples, views.Recipe(Settings(size=48, policy="normalised"), (), 0.0, 1))
    plain = crop_cache.crops(drawn, examples, 48, "normalised")
    assert np.abs(view.astype(int) - plain).mean() < 6


@pytest.mark.slow
def test_an_ablation_gives_one_table(two_sources: Path, tmp_path: Path) -> None:
    options = ("--data", two_sources, "--out", tmp_path / "out", "--weights", "none", "--epochs", 1, "--views", 1)
    rows = ("as it is", "stain not normalised", "taught by the first row", ablate.SHAPE)
    done = invoke("train", "ablate", *options, *(part for row in rows for part in ("--row", row)))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "one to two" in lines[0] and lines[2].startswith("| as it is |") and lines[2].endswith("(+0.000) |")
    assert [line.split(" | ")[0][2:] for line in lines[2:]] == list(rows)
    report = json.loads((tmp_path / "out" / "stain-not-normalised" / "compact-one" / "run.json").read_text())
    assert report["crop"]["policy"] == "cell" and report["settings"]["source"] == "one"
    assert_refused(invoke("train", "ablate", *options, "--row", "luck"), "no row 'luck'")
