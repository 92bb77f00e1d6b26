"""--explain, on answers of every kind."""

from pathlib import Path

import numpy as np
from conftest import ROOT, command
from PIL import Image

from edge import classify, frames
from edge.classify import Answer, Search
from edge.model import Model
from edge.output.explain import explain


def test_an_answer_that_is_review_is_explained(tmp_path: Path) -> None:
    """This once failed with KeyError: 'review' on the picture of the README."""
    done = command("edge", ROOT / "docs" / "drawn-field.annotated.jpg", "--explain", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "drawn-field.annotated.explained.jpg").is_file()


def test_it_shows_the_field_and_a_crop_per_cell() -> None:
    model = Model()
    picture = str(ROOT / "docs" / "drawn-field.annotated.jpg")
    [answer] = classify.classify([picture], model, model.rules(0.01), Search(trace=True))
    assert isinstance(answer, Answer) and {d.label for _, d in answer.cells} & {"review"}
    sheet = explain(answer, model)
    assert sheet.width >= 3 * 320 and sheet.height >= 240 + model.size
    without = explain(Answer(answer.picture, [], answer.found), model)
    assert without.height < sheet.height, "a row of crops less"


def test_a_picture_that_was_taken_whole_has_only_its_crop(tmp_path: Path) -> None:
    model = Model()
    Image.fromarray(np.full((90, 120, 3), 200, np.uint8)).save(tmp_path / "a.png")
    search = Search(whole=True, trace=True)
    [answer] = classify.classify(frames.expand([str(tmp_path)]), model, model.rules(0.01), search)
    assert isinstance(answer, Answer) and explain(answer, model).height < 2 * model.size
