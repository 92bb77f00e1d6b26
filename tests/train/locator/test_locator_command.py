"""`train locator` for a few seconds, then `convert` to the file that the runner opens."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, draw_cells, invoke
from PIL import Image

from edge.frames import Frame
from edge.locate import Locator
from edge.simulator import drawing


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn cells in class folders, and two drawn fields with their boxes."""
    folder = tmp_path_factory.mktemp("fields")
    rng = np.random.default_rng(0)
    draw_cells(folder, rng, {"train": 16, "val": 2, "test": 1}, 160, 32)
    rows = ["path,label,x,y,width,height,film,cell"]
    (folder / "fields" / "here").mkdir(parents=True)
    for i in range(2):
        image, truth = drawing.field(rng, 3)
        Image.fromarray(image).save(folder / "fields" / "here" / f"{i}.png")
        places = [(round(t.x - t.radius), round(t.y - t.radius), round(2 * t.radius)) for t in truth]
        rows += [f"fields/here/{i}.png,unknown,{x},{y},{side},{side},film{i}," for x, y, side in places]
    (folder / "fields.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.slow
def test_it_learns_continues_and_becomes_a_model_file_and_a_teacher(fields: Path, tmp_path: Path) -> None:
    short = ("--data", fields, "--epochs", 1, "--steps", 2, "--batch", 2)

    def train(name: str, *options: object) -> dict:
        done = invoke("train", "locator", *short, "--out", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / name / "run.json").read_text())

    def convert(name: str) -> Locator:
        done = invoke("convert", "--int8", tmp_path / name)
        assert done.returncode == 0, done.stderr
        return Locator(tmp_path / name / "locator-int8.tflite")

    one = train("one", "--large")
    two = train("two", "--start", tmp_path / "one", "--drawn", 0.5)
    assert one["data"]["fields"] == 1 and set(one["data"]["red_cells"]) == {fields.name, "here"}
    assert one["settings"]["start"] is None and two["settings"]["start"] == one["settings"]
    teacher = convert("two")
    small = train("small", "--teacher", teacher.path, "--pool", 3)
    assert small["settings"]["teacher"]["start"]["epochs"] == 1 and small["parameters"] < one["parameters"]
    for locator in (teacher, convert("small")):
        locator.cells(Frame(np.zeros((64, 80, 3), np.uint8), "black", 0, 0.0))
    card = (tmp_path / "small" / "locator-int8.md").read_text()
    assert "--start runs/locator-large-1" in card and "1 camera fields" in card
    assert "--teacher runs/locator-large/locator-int8.tflite" in card and card.count("train locator") == 3


def test_refusals(fields: Path, drawn: Path, tmp_path: Path) -> None:
    options = ("--data", fields, "--out", tmp_path / "run", "--start", tmp_path / "none")
    assert_refused(invoke("train", "locator", *options), "no locator to start from")
    options = ("--data", fields, "--out", tmp_path / "run", "--teacher", tmp_path / "none.tflite")
    assert_refused(invoke("train", "locator", *options), "none.tflite can't be read")
