"""Red cells, platelets and dirt get no name: pictures of microscopes that nobody learned from."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import ROOT

from edge import classify
from edge.classify import Answer
from edge.model import Model
from train.data import dataset, fields
from train.data.fields import Box

CASES = ROOT.parent / "shared" / "cases"
Answers = dict[str, Answer]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


def answers(files: list[Path], model: Model) -> Answers:
    """The answers to these pictures, as one run with the default options, by the name of the picture."""
    found = classify.classify([str(file) for file in files], model, model.rules(0.01))
    return {Path(each.picture.source).name: each for each in found if isinstance(each, Answer)}


def test_red_cells_under_a_cast_get_no_name_and_every_white_cell_is_found(model: Model) -> None:
    if not CASES.is_dir():
        pytest.skip(f"needs real pictures, but {CASES} is absent")
    boxes = defaultdict(list)
    with (CASES / "red_cells.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
            box = Box(x, y, width, height, "", row["label"])
            boxes[Path(row["path"]).name].append(box)
    found = answers(sorted((CASES / "red_cells").glob("*.jpg")), model)
    assert sum(map(len, boxes.values())) == 9 and len(found) == 8
    for name, answer in found.items():
        for box in boxes[name]:
            assert any(box.holds(cell) for cell, _ in answer.cells), (name, box)
        outside = [(c, d) for c, d in answer.cells if not any(box.holds(c) for box in boxes[name])]
        assert not [d for _, d in outside if d.label in dataset.LABELS], name


def test_fields_of_red_cells_alone_have_hardly_a_mark_and_no_name(data: Path, model: Model) -> None:
    """The half of chula_rbc12 from which nothing was learned: 105 fields."""
    measured = [f for f in fields.halves(fields.read(data))[1] if f.source == "chula_rbc12"]
    found = answers([data / field.path for field in measured], model)
    labels = [decision.label for answer in found.values() for _, decision in answer.cells]
    assert len(found) == len(measured) and len(labels) <= 5
    assert not set(labels) & set(dataset.LABELS)
