"""Answers with boxes as other tools read them, checked with readers that others made."""

import contextlib
import io
import json
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, command
from PIL import Image

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import Decision
from edge.errors import UserError
from edge.frames import Frame, Picture, Unreadable
from edge.model import Model
from edge.output import boxes as forms
from edge.output.exported import Exported
from edge.simulator import demo
from train.data import boxes

WIDTH, HEIGHT = 120, 80
CELLS = {"lymphocyte": (0, 0, 30, 20), "review": (60, 40, 20, 30), "other": (90, 50, 30, 30)}


def answered(picture: Picture) -> Answer:
    cells = []
    for number, (label, box) in enumerate(CELLS.items()):
        cell = Cell(box, number, (9.0, 9.0), 9.0, 20.0, 8.25, False, 1.0)
        shares = {"lymphocyte": 0.7, "monocyte": 0.2, "other": 0.1}
        decision = Decision(label, shares, reason="why" if label == "review" else "")
        cells.append((cell, decision))
    return Answer(picture, cells)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Frame]:
    """Three pictures, of which two have one name; the last is turned by its EXIF data."""
    random, exif = np.random.default_rng(0), Image.Exif()
    exif[0x0112] = 6
    frames = []
    for place, turned in (("x/a.png", False), ("y/a.png", False), ("b.v2.jpg", True)):
        path = tmp_path / "in" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        image = Image.fromarray(np.rot90(pixels) if turned else pixels)
        image.save(path, exif=exif if turned else Image.Exif())
        frames.append(Frame(pixels, str(path), 0, 0.0))
    return frames


def export(form: forms.Write, target: Path, model: Model, pictures: list[Frame], copies: bool = True) -> Exported:
    with Exported(form, target, model, copies) as sink:
        for each in pictures:
            sink.add(answered(each))
        sink.add(Unreadable("c.png", "is empty."))
    return sink


def test_coco_is_read_by_pycocotools(tmp_path: Path, model: Model, pictures: list[Frame]) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    assert export(forms.coco, tmp_path / "x.json", model, pictures).summary().endswith("with 3 pictures.")
    with contextlib.redirect_stdout(io.StringIO()):
        read = coco.COCO(str(tmp_path / "x.json"))
    assert [each["name"] for each in read.loadCats(read.getCatIds())] == [*model.labels, "white cell"]
    images = read.loadImgs(read.getImgIds())
    assert [Path(each["file_name"]).name for each in images] == ["a.png", "a-2.png", "b.v2.png"]
    assert [each["source"] for each in images] == [each.source for each in pictures]
    for each, frame in zip(images, pictures, strict=True):  # shown as they were answered
        assert np.array_equal(np.asarray(Image.open(tmp_path / each["file_name"])), frame.image)
        found = read.loadAnns(read.getAnnIds(imgIds=[each["id"]]))
        assert [tuple(box["bbox"]) for box in found] == list(CELLS.values())
        assert [box["category_id"] for box in found] == [1, 4, 3]


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_train_data_reads_them(tmp_path: Path, model: Model, pictures: list[Frame], name: str) -> None:
    folder = tmp_path / "out"
    export(forms.FORMS[name], folder / "x.json" if name == "coco" else folder, model, pictures)
    marked = boxes.read(folder)
    assert len(marked) == 3
    for each in marked:
        sides = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT]) if each.shares else np.ones(4)
        assert [box.name for box in each.boxes] == ["lymphocyte", "white cell", "other"]
        for box, expected in zip(each.boxes, CELLS.values(), strict=True):
            assert np.array([box.x, box.y, box.width, box.height]) * sides == pytest.approx(expected, abs=0.01)


def test_label_studio_gets_predictions(tmp_path: Path, model: Model, pictures: list[Frame]) -> None:
    renamed = Path(pictures[0].source).rename(tmp_path / "a&b.png")
    export(forms.label_studio, tmp_path / "x.json", model, [replace(pictures[0], source=str(renamed)), *pictures[1:]])
    tasks = json.loads((tmp_path / "x.json").read_text())
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=x-pictures/a%26b.png"
    assert [each["data"]["frame"] for each in tasks] == [0, 0, 0] and not any(each["annotations"] for each in tasks)
    [machine] = tasks[0]["predictions"]
    assert [each["value"]["rectanglelabels"] for each in machine["result"]] == [[label] for label in CELLS]
    assert machine["result"][1]["value"]["x"] == 50 and machine["result"][1]["score"] == 0.7


def test_geojson_is_read_by_geos(tmp_path: Path, model: Model, pictures: list[Frame]) -> None:
    """By its own reader, in Shapely; and has the fields by which QuPath imports a detection."""
    shapely = pytest.importorskip("shapely")
    export(forms.geojson, tmp_path / "out", model, pictures, copies=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.geojson", "a-2.geojson", "b.v2.geojson"}
    ids = set()
    for path in (tmp_path / "out").iterdir():
        document, shapes = json.loads(path.read_text()), shapely.from_geojson(path.read_text()).geoms
        assert document["picture"]["width"] == WIDTH and document["picture"]["source"] in [f.source for f in pictures]
        for feature, shape, (label, box) in zip(document["features"], shapes, CELLS.items(), strict=True):
            x, y, width, height = box
            assert shape.is_valid and shape.exterior.is_ccw and feature["geometry"]["isEllipse"] is True
            assert shape.bounds == (x, y, x + width, y + height)
            assert shape.area == pytest.approx(np.pi / 4 * width * height, rel=0.01)
            about = feature["properties"]
            assert about["objectType"] == "detection" and about["classification"]["name"] == label
            assert all(0 <= value <= 255 for value in about["classification"]["color"])
            assert about["measurements"] == {"lymphocyte": 0.7, "monocyte": 0.2, "other": 0.1, "red cell, pixels": 8.2}
            assert about["metadata"] == {"answer": label} | ({"reason": "why"} if label == "review" else {})
            ids.add(str(uuid.UUID(feature["id"])))
    assert len(ids) == 9
    export(forms.geojson, tmp_path / "again", model, pictures[2:], copies=False)
    again = json.loads((tmp_path / "again" / "b.v2.geojson").read_text())
    assert {feature["id"] for feature in again["features"]} < ids  # a cell's identity stays


def test_what_cannot_be_copied_is_left_out(tmp_path: Path, model: Model, pictures: list[Frame]) -> None:
    class Large(Frame):
        def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
            raise UserError("a.tif is too large to be shown whole.")

    (tmp_path / "in" / "a.tif").write_bytes(b"")
    large = Large(pictures[0].image, str(tmp_path / "in" / "a.tif"), 0, 0.0)
    Path(pictures[1].source).unlink()
    sink = export(forms.yolo, tmp_path / "out", model, [large, *pictures[1:]])
    assert sink.summary().endswith("with 1 picture; left out: 2, too large to be copied or gone.")
    assert [path.name for path in (tmp_path / "out" / "labels").iterdir()] == ["b.v2.txt"]
    assert export(forms.geojson, tmp_path / "outlines", model, [large], copies=False).written == 1


@pytest.mark.parametrize("name", forms.FORMS)
def test_nothing_is_left_of_a_run_that_fails(tmp_path: Path, model: Model, name: str) -> None:
    with pytest.raises(ZeroDivisionError), Exported(forms.FORMS[name], tmp_path / "x", model):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_the_command_writes_them_all(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo.draw(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    options = ("--coco", "c.json", "--yolo", "y", "--label-studio", "l.json", "--geojson", "g")
    targets = [tmp_path / each if number % 2 else each for number, each in enumerate(options)]
    done = command("edge", folder, "--json", tmp_path / "a.json", *targets)
    assert done.returncode == 0 and done.stderr.count(f"with {len(before)} pictures.") == 4, done.stderr
    cells = sum(map(len, (json.loads(path.read_text())["features"] for path in (tmp_path / "g").iterdir())))
    lines = [json.loads(line) for line in (tmp_path / "a.json").read_text().splitlines()]
    assert cells == len([line for line in lines if "label" in line])
    kept = {path.name: path.read_bytes() for path in (tmp_path / "y" / "images").iterdir()}
    assert kept == {path.name: content for path, content in before.items()}
    assert_refused(command("edge", folder, "--coco", tmp_path / "c.json"), "exists already")
    assert_refused(command("edge", folder, "--geojson", folder / "g"), "lies in", "name a place outside")
    assert_refused(command("edge", "--camera", "sim", "--yolo", tmp_path / "z"), "--yolo can't be used with --camera")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
