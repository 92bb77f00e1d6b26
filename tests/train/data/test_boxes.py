"""Boxes of COCO, Pascal VOC and YOLO become fields.csv; files that could harm or mislead are refused."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import assert_refused, fill, invoke

from train.data import boxes, fields, prepare

# A box of a lymphocyte from (2, 4) to (12, 10), and one of a red cell from (10, 0) to (20, 20), in 20x20 pixels.
COCO = {
    "images": [{"id": 1, "file_name": "0.png"}, {"id": 2, "file_name": "1.png"}],
    "annotations": [
        {"image_id": 1, "category_id": 7, "bbox": [2, 4, 10, 6]},
        {"image_id": 1, "category_id": 8, "bbox": [10.2, 0, 10, 20]},
        {"image_id": 1, "category_id": 9, "bbox": [0, 0, 3, 3]},
    ],
    "categories": [{"id": 7, "name": "LY"}, {"id": 8, "name": "RBC"}, {"id": 9, "name": "Platelets"}],
}
OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
VOC = (
    "<annotation><filename>0.jpg</filename>"
    + OBJECT.format("LY", 2, 4, 12, 10)
    + OBJECT.format("RBC", 10, 0, 20, 20)
    + OBJECT.format("Platelets", 0, 0, 3, 3)
    + "</annotation>"
)
YOLO = "0 0.35 0.35 0.5 0.3\n1 0.75 0.5 0.5 1\n2 0 0 0.15 0 0.15 0.15 0 0.15\n"
YAML = "train: ../train\nnc: 3\nnames: ['LY', 'RBC', 'Platelets']\n"


def coco(folder: Path) -> Path:
    fill(folder, {"train": 3})
    (folder / "train" / "_annotations.coco.json").write_text(json.dumps(COCO))
    return folder


def voc(folder: Path) -> Path:
    fill(folder, {"JPEGImages": 3})
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "0.xml").write_text(VOC)
    (folder / "Annotations" / "1.xml").write_text("<annotation><filename>1.png</filename></annotation>")
    return folder


def yolo(folder: Path, names: str = YAML) -> Path:
    fill(folder, {"train/images": 3})
    (folder / "train" / "labels").mkdir()
    (folder / "train" / "labels" / "0.txt").write_text(YOLO)
    (folder / "train" / "labels" / "1.txt").write_text("")
    (folder / "data.yaml").write_text(names)
    return folder


@pytest.mark.parametrize("make", [coco, voc, yolo])
def test_boxes_become_fields(make: Callable[[Path], Path], tmp_path: Path) -> None:
    done = invoke("train", "data", make(tmp_path / "in"), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    [marked, empty] = fields.read(tmp_path / "out")
    assert [(box.x, box.y, box.width, box.height, box.label) for box in marked.boxes] == [(2, 4, 10, 6, "lymphocyte")]
    assert marked.source == "in" and not empty.boxes
    assert (tmp_path / "out" / marked.path).read_bytes() == next((tmp_path / "in").rglob("0.png")).read_bytes()
    [red_cell] = csv.DictReader((tmp_path / "out" / "red_cells.csv").open())
    assert red_cell == {"path": marked.path, "x": "15", "y": "10"}
    for words in ("Taken as lymphocyte: LY", "Taken as red cell: RBC", "1 box(es) of platelets", "1 other picture(s)"):
        assert words in done.stdout, done.stdout
    assert "of the kind" not in done.stdout.split("Left out")[1]
    assert ("train aren't kept" in done.stderr) == (make is not voc)


@pytest.mark.parametrize("names", ["names: [LY, RBC, Platelets]", "names:\n  0: LY\n  1: RBC\n  2: Platelets\nnc: 3",
                                   "nc: 3\nnames:\n- LY\n- 'RBC'\n- Platelets # small"])  # fmt: skip
def test_names_in_yaml(names: str, tmp_path: Path) -> None:
    [marked, _] = boxes.read(yolo(tmp_path, names))
    assert [box.name for box in marked.boxes] == ["LY", "RBC", "Platelets"]


def test_copies_that_roboflow_made_of_a_field_stay_together(tmp_path: Path) -> None:
    folder = coco(tmp_path / "in")
    names = ["a_jpg.rf.1.png", "a_jpg.rf.2.png"]
    for number, name in enumerate(names):
        (folder / "train" / f"{number}.png").rename(folder / "train" / name)
    images = [{"id": number, "file_name": name} for number, name in enumerate(names, 1)]
    (folder / "train" / "_annotations.coco.json").write_text(json.dumps(COCO | {"images": images}))
    prepare.prepare(str(folder), tmp_path / "out")
    assert {field.film for field in fields.read(tmp_path / "out")} == {"a_jpg"}


def test_refusals(tmp_path: Path) -> None:
    def refused(folder: Path, name: str, content: str, *words: str) -> None:
        next(folder.rglob(name)).write_text(content)
        assert_refused(invoke("train", "data", folder, "--out", tmp_path / "out"), *words)
        assert not list(tmp_path.glob("*out*"))

    folder = voc(tmp_path / "voc")
    entity = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    refused(folder, "0.xml", entity + VOC.replace("LY", "&b;"), "0.xml", "document type")
    refused(folder, "0.xml", VOC[:-3], "0.xml", "Pascal VOC")
    refused(folder, "0.xml", VOC.replace("12", "40"), "20x20 pixels", "'LY'", "correct the box")
    refused(folder, "0.xml", VOC.replace("LY", "Lymphocite"), "may be lymphocyte", "--label")
    folder = coco(tmp_path / "coco")
    refused(folder, "*.json", json.dumps(COCO).replace("0.png", "9.png"), "'9.png' is missing")
    refused(folder, "*.json", json.dumps(COCO).replace('"category_id": 7', '"category_id": 5'), "COCO", "lacks 5")
    refused(
        folder, "*.json", json.dumps(COCO).replace("[2, 4, 10, 6]", "[2, 4, NaN, 6]"), "COCO", "a number that is none"
    )
    refused(folder, "*.json", "[" * 100_000 + '"images" "annotations" "categories"', "COCO")
    (folder / "train" / "0.jpg").write_bytes((folder / "train" / "0.png").read_bytes())
    refused(folder, "*.json", json.dumps(COCO).replace("0.png", "0"), "may be")
    folder = yolo(tmp_path / "yolo")
    (folder / "train" / "images" / "0.png").rename(folder / "0.png")
    refused(folder, "0.txt", YOLO, "'0.txt' is missing")
    (folder / "0.png").rename(folder / "train" / "images" / "0.png")
    refused(folder, "0.txt", "0 0.1 0.1 0.1 0.1\n0 0.1\n", "0.txt", "YOLO")
    refused(folder, "0.txt", "4 0.1 0.1 0.1 0.1\n", "class 4 has no name")
    (folder / "data.yaml").unlink()
    refused(folder, "0.txt", YOLO, "names the classes")
    assert_refused(invoke("train", "baseline", "--data", folder, "--out", tmp_path / "run"), "YOLO", "train data")
