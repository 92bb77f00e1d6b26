"""The gate of a locator compares how many cells its file and its float network find."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_refused, invoke

from convert import locator, rebuild
from convert.locator import Finds
from edge.locate import Locator, ruler_mark
from edge.share import share

L = keras.layers
RULER = float(ruler_mark(20))  # drawn fields have red cells of 40 pixels, and are shrunk to half their size


def run(folder: Path, second: float) -> Path:
    """A training run of a network that marks pixels with little green.

    It has a second channel, red times `second`, which no layer uses.
    """
    inputs = keras.Input((320, 320, 3))
    x = L.AveragePooling2D(2)(L.Rescaling(1 / 255)(inputs))
    colours, marks, ruler = L.Conv2D(2, 1), L.Conv2D(1, 1, activation="sigmoid"), L.Conv2D(1, 1, activation="sigmoid")
    x = colours(x)
    model = keras.Model(inputs, L.Concatenate()([marks(x), ruler(x)]), name="locator")
    colours.set_weights([np.array([[[[0, second], [1, 0], [0, 0]]]], np.float32), np.zeros(2, np.float32)])
    marks.set_weights([np.array([[[[-60], [0]]]], np.float32), np.array([60 * 0.42], np.float32)])
    ruler.set_weights([np.zeros((1, 1, 2, 1), np.float32), np.array([np.log(RULER / (1 - RULER))], np.float32)])
    folder.mkdir()
    model.save(folder / "model.keras")
    rng = np.random.default_rng(0)
    fields = np.stack([locator.drawing.field(rng, 3, 0, (320, 320))[0] for _ in range(8)])
    np.savez_compressed(folder / "calibration.npz", fields=fields)
    report = {
        "version": "test", "network": "locator", "parameters": model.count_params(), "size": 320,
        "settings": {"epochs": 1, "rate": 0.1, "drawn": 1.0, "seed": 0, "start": None},
        "data": {"counts": {}, "split_sha256": "0", "clear": 0, "fields": 0, "red_cells": {}},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(report))
    return folder


@pytest.fixture(autouse=True)
def few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten drawn fields are enough to tell these two networks apart."""
    monkeypatch.setattr(locator, "_DRAWN", 10)


def test_a_file_that_finds_the_same_cells_is_written(tmp_path: Path) -> None:
    done = invoke("convert", "--int8", run(tmp_path / "run", 1.0), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Passed: " in done.stdout and "points of recall" in done.stdout
    verdict = json.loads((tmp_path / "out" / "locator-int8.gate.json").read_text())["gate"]
    assert verdict["passed"] and verdict["float"]["all"]["recall"]["value"] > 0.3
    assert "drawn, int8" in (tmp_path / "out" / "locator-int8.gate.html").read_text()
    file = Locator(tmp_path / "out" / "locator-int8.tflite")
    assert file.verify() == (4, 4), "in the square, and in three of fewer rows"
    made = json.loads((tmp_path / "out" / "locator-int8.provenance.json").read_text())
    assert made["subject"][0]["digest"] == {"sha256": file.sha256}
    same, said = rebuild.rebuild(tmp_path / "out" / "locator-int8.tflite", tmp_path / "run")
    assert same, said


def test_seal_adds_graphs_for_other_shapes_to_an_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before_there_were_any:
        before_there_were_any.setattr(locator.field_shapes, "added", lambda graph: graph)
        old = locator.convert(run(tmp_path / "run", 1.0), "int8").path
    assert old
    new = tmp_path / "run" / "new.tflite"
    for ending in (".tflite", ".md", ".provenance.json"):
        new.with_name(f"new{ending}").write_bytes(old.with_name(f"{old.stem}{ending}").read_bytes())
    assert invoke("convert", "seal", new).returncode == 0
    opened = [Locator(old), Locator(new)]
    assert [each.verify() for each in opened] == [(1, 1), (4, 4)]
    field = locator.drawing.field(np.random.default_rng(1), 3, 0, (240, 320))[0]
    for mine, theirs in zip(opened[0].marked(field), opened[1].marked(field), strict=True):
        assert np.array_equal(mine, theirs), "this network's answer for a pixel depends on that pixel alone"
    made = json.loads((tmp_path / "run" / "new.provenance.json").read_text())
    assert made["subject"][0]["digest"] == {"sha256": opened[1].sha256}
    before = made["predicate"]["buildDefinition"]["resolvedDependencies"][-1]
    assert before == {"name": "file before it was sealed", "digest": {"sha256": opened[0].sha256}}
    assert opened[1].sha256 in (tmp_path / "run" / "new.md").read_text()
    again = new.read_bytes()
    assert invoke("convert", "seal", new).returncode == 0 and new.read_bytes() == again


def test_a_file_that_misses_cells_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "locator-int8.tflite").write_text("the old one")
    done = invoke("convert", "--int8", run(tmp_path / "run", 1000.0), "--out", tmp_path / "out")
    assert done.returncode == 3 and "points of recall where 1.0 are allowed" in done.stderr, (done.stdout, done.stderr)
    assert (tmp_path / "out" / "locator-int8.tflite").read_text() == "the old one"
    assert "failed" in (tmp_path / "out" / "locator-int8.gate.html").read_text()


def test_kinds_other_than_int8_are_refused(tmp_path: Path) -> None:
    place = run(tmp_path / "run", 1.0)
    for kind in ("--float32", "--all"):
        assert_refused(invoke("convert", kind, place), "one kind, --int8")


@pytest.mark.parametrize(("met", "cells", "passed"), [(99, 99, True), (98, 98, False), (100, 103, False)])
def test_the_verdict_limits_the_loss_of_recall_and_precision(met: int, cells: int, passed: bool) -> None:
    before, after = ({"all": Finds(share(m, 100), share(m, c))} for m, c in ((100, 100), (met, cells)))
    assert locator.verdict(before, after).passed is passed
    assert not locator.verdict(before, {"all": Finds(share(0, 0), share(0, 0))}).passed
