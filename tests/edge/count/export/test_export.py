"""What a session gives to other programs, read back by programs that read such folders."""

import contextlib
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.count.export.boxes import write
from edge.count.export.cells import cells
from edge.count.journal import Journal
from edge.count.recorder import jpeg
from edge.count.records import CountedCell, Field, Run, Settings
from edge.count.review import Review
from edge.count.verdicts import Verdict
from edge.errors import UserError
from edge.model import Model
from edge.output import boxes as forms
from edge.simulator import drawing
from edge.site import labelled
from train.data import boxes
from train.data import prepare as prepared

WIDTH, HEIGHT = 2560, 1440  # of the camera; the session keeps half of it
SAID = ["lymphocyte", "monocyte", "not a cell", "unsure", "nucleated red cell", "neutrophil"]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Journal]:
    """Three fields, of which one has no picture; one answer stands, a cell is open, and one is seen again."""
    with Journal.create(tmp_path / "a.session", Settings(slide="=7", fields=2)) as journal:
        journal.begin(Run("r", 1.0, "sim", "compact.tflite", "0" * 64))
        random = np.random.default_rng(1)
        for number, answers in enumerate((["monocyte"], ["lymphocyte"] + ["review"] * 3, ["review"] * 4)):
            picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
            field = journal.add_field(Field("r", f"{number}.png", 0, 1.0, WIDTH, HEIGHT), jpeg(picture, 1280, 80))
            for place, answer in enumerate(answers):
                shares = {"lymphocyte": 0.6, "monocyte": 0.3, "other": 0.1}
                box = (300 * place - 20, 100, 240, 200)
                repeats = 1 if number == 2 and place == 3 else None
                cell = CountedCell(field, place, box[0] + 120, 200, box, 80.0, answer, "", shares, repeats, "r")
                crop = random.integers(0, 255, (200, 200, 3), np.uint8)
                journal.add_cell(cell, jpeg(crop, 400, 90))
        review = Review(journal, "Ada")
        for number, kind in zip((3, 4, 6, 7, 8, 1), SAID, strict=True):
            review.judge([number], Verdict(kind, "+band" if kind == "neutrophil" else ""))
        yield journal


def test_cells_are_written_by_their_label(session: Journal, tmp_path: Path) -> None:
    assert cells(session, tmp_path / "out") == (6, 2)  # cell 5 is open, 7 unsure; 9 is cell 1, seen again
    rows = list(csv.DictReader((tmp_path / "out" / "cells.csv").open()))
    assert {int(row["number"]): row["label"] for row in rows} == {
        1: "neutrophil", 2: "lymphocyte", 3: "lymphocyte", 4: "monocyte", 6: "not a cell", 8: "nucleated red cell"
    }  # fmt: skip
    assert [row["reader"] for row in rows] == ["Ada", "", "Ada", "Ada", "Ada", "Ada"]
    assert rows[0]["answer"] == "monocyte" and json.loads(rows[0]["probabilities"])["monocyte"] == 0.3
    assert rows[0]["original_label"] == "'+band" and rows[0]["film"] == "'=7"  # no formulas
    for row in rows:
        assert (tmp_path / "out" / row["path"]).read_bytes() == session.crop(int(row["number"]))
        assert row["path"].startswith(f"{row['label']}/")
    with pytest.raises(UserError, match="isn't empty"):
        cells(session, tmp_path / "out")
    assert cells(session, tmp_path / "judged", persons=True) == (5, 3)


def test_edge_site_reads_the_cells(session: Journal, tmp_path: Path) -> None:
    cells(session, tmp_path / "out")
    found = labelled.find(tmp_path / "out", ("lymphocyte", "monocyte", "other"))
    assert sorted(each.label for each in found.labels.values()) == ["lymphocyte"] * 2 + ["monocyte"] + ["other"] * 3


def drawn_session(path: Path, slide: str, seed: int) -> Journal:
    """A session of twelve drawn lymphocytes and as many monocytes, each judged."""
    journal = Journal.create(path, Settings(slide=slide))
    journal.begin(Run("r", 1.0, "sim", "compact.tflite", "0" * 64))
    random = np.random.default_rng(seed)
    field = journal.add_field(Field("r", "a.png", 0, 1.0, 640, 480), None)
    for number in range(24):
        kind = ("lymphocyte", "monocyte")[number % 2]
        image = drawing.picture(kind, random)
        cell = CountedCell(field, number, 9.0, 9.0, (1, 1, 9, 9), 40.0, "review", "", {kind: 1.0}, None, "r")
        Review(journal, "Ada").judge([journal.add_cell(cell, jpeg(image, 400, 95))], Verdict(kind))
    return journal


def test_the_model_finds_the_cells_in_their_pictures(tmp_path: Path) -> None:
    """As `edge-site check` and `edge-site adapt` do first."""
    with drawn_session(tmp_path / "a.session", "7", 1) as journal:
        assert cells(journal, tmp_path / "out") == (24, 0)
    model = Model()
    found, unreadable = labelled.predict_labelled(labelled.find(tmp_path / "out", model.labels), model)
    assert not unreadable and (found.count(0), found.count(1)) == (12, 12)


def test_train_data_reads_the_cells(tmp_path: Path) -> None:
    """One slide can't be split; without a named film, it would be."""
    with drawn_session(tmp_path / "a.session", "7", 1) as journal:
        cells(journal, tmp_path / "out")
    with pytest.raises(UserError, match="too few for new splits"):
        prepared.prepare(str(tmp_path / "out"), tmp_path / "data", prepared.Wishes(("lymphocyte", "monocyte")))
    table = tmp_path / "out" / "cells.csv"
    rows = list(csv.DictReader(table.open()))
    with table.open("w") as file:  # as if put together from several slides
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"film": str(number % 8 // 2)} for number, row in enumerate(rows))
    report = prepared.prepare(str(tmp_path / "out"), tmp_path / "data", prepared.Wishes(("lymphocyte", "monocyte")))
    assert sum(sum(each.values()) for each in report.counts["session"].values()) == 24


NAMED = {  # by field: the boxes with pixels of the kept picture, and what they are
    2: [("lymphocyte", 0, 110), ("lymphocyte", 140, 120), ("monocyte", 290, 120), ("white cell", 440, 120)],
    3: [("white cell", 140, 120), ("nucleated red cell", 290, 120), ("neutrophil", 440, 120)],
}  # cell 6 is none


def assert_boxes(marked: list[boxes.Marked]) -> None:
    assert len(marked) == 2
    for found, expected in zip(marked, NAMED.values(), strict=True):
        size = np.array([1280, 720, 1280, 720]) if found.shares else np.ones(4)
        assert Image.open(found.file).size == (1280, 720)
        read = [(box.name, *np.array([box.x, box.y, box.width, box.height]) * size) for box in found.boxes]
        for (name, *box), (wanted, left, width) in zip(read, expected, strict=True):
            assert name == wanted and box == pytest.approx([left, 50, width, 100], abs=0.01)


def test_coco_and_yolo_are_read_back(session: Journal, tmp_path: Path) -> None:
    (tmp_path / "coco").mkdir()
    assert write(session, forms.coco, tmp_path / "coco" / "x.json") == (2, 1)
    assert boxes.form(tmp_path / "coco") == "COCO"
    assert_boxes(boxes.read(tmp_path / "coco"))
    assert write(session, forms.yolo, tmp_path / "yolo") == (2, 1)
    assert boxes.form(tmp_path / "yolo") == "YOLO"
    assert_boxes(boxes.read(tmp_path / "yolo"))
    for form, place in ((forms.coco, tmp_path / "coco" / "x.json"), (forms.yolo, tmp_path / "yolo")):
        with pytest.raises(UserError, match="exists"):
            write(session, form, place)


def test_pycocotools_reads_coco(session: Journal, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    write(session, forms.coco, tmp_path / "x.json")
    with contextlib.redirect_stdout(io.StringIO()):
        read = coco.COCO(str(tmp_path / "x.json"))
    [monocyte] = read.getAnnIds(catIds=read.getCatIds(["monocyte"]))
    [annotation] = read.loadAnns([monocyte])
    assert annotation["bbox"] == [290, 50, 120, 100] and annotation["area"] == 12000 and annotation["id"] == 4
    assert (tmp_path / read.loadImgs([annotation["image_id"]])[0]["file_name"]).is_file()


def test_label_studio_gets_predictions_and_annotations(session: Journal, tmp_path: Path) -> None:
    assert write(session, forms.label_studio, tmp_path / "x.json") == (2, 1)
    first, second = json.loads((tmp_path / "x.json").read_text())
    assert (tmp_path / first["data"]["image"].removeprefix("/data/local-files/?d=")).is_file()
    [machine], [ada] = first["predictions"], first["annotations"]
    assert machine["model_version"] == "compact.tflite"
    assert [each["value"]["rectanglelabels"] for each in machine["result"]] == [["lymphocyte"]] + [["review"]] * 3
    assert [each["value"]["rectanglelabels"] for each in ada["result"]] == [["lymphocyte"], ["monocyte"]]
    assert ada["result"][0]["meta"] == {"text": ["Ada"]}
    value = ada["result"][1]["value"]
    assert [value["x"], value["width"], value["height"]] == pytest.approx([22.65625, 9.375, 13.8889], abs=1e-4)
    assert [each["value"]["rectanglelabels"][0] for each in second["annotations"][0]["result"]] == SAID[2:5]
    config = (tmp_path / "x-pictures" / "labelling.xml").read_text()
    assert all(f'value="{name}"' in config for name in (*SAID, "review"))


def test_qupath_gets_outlines_beside_their_pictures(session: Journal, tmp_path: Path) -> None:
    shapely = pytest.importorskip("shapely")
    assert write(session, forms.geojson, tmp_path / "out") == (2, 1)
    files = sorted((tmp_path / "out").glob("*.geojson"))
    assert [path.with_suffix(".jpg").is_file() for path in files] == [True, True]
    for path, expected in zip(files, NAMED.values(), strict=True):
        features = json.loads(path.read_text())["features"]
        names = [each["properties"]["classification"]["name"] for each in features]
        assert names == [name.replace("white cell", "review") for name, *_ in expected]
        for shape, (_, left, width) in zip(shapely.from_geojson(path.read_text()).geoms, expected, strict=True):
            assert shape.bounds == pytest.approx((left, 50, left + width, 150), abs=0.01)
        assert features[0]["properties"]["measurements"]["red cell, pixels"] == 40  # half of 80, as the picture is
    assert features[1]["properties"]["metadata"] == {"answer": "review", "reader": "Ada"}
