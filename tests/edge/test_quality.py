"""Pictures of cells that are too poor to be judged."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge import classify
from edge.cell import Cell
from edge.frames import Frame
from edge.locate import Locator
from edge.quality import picture_doubt
from edge.simulator import drawing


@pytest.fixture(scope="module")
def seen() -> tuple[Frame, Cell]:
    frame = Frame(drawing.picture("lymphocyte", np.random.default_rng(3)), "drawn", 0, 0.0)
    return frame, classify.find(frame, "cell", Locator(), classify.Search(single=True)).cells[0]


def test_a_poor_picture_is_named_with_its_fault(seen: tuple[Frame, Cell]) -> None:
    frame, cell = seen
    assert picture_doubt(frame, cell) == ""
    assert picture_doubt(frame, replace(cell, at_border=True)) == "cut by the border"
    blurred = cv2.GaussianBlur(frame.image, (0, 0), cell.red_cell * 5 / 32)
    assert picture_doubt(replace(frame, image=blurred), cell) == "out of focus"
    assert picture_doubt(replace(frame, image=frame.image // 4), cell) == "too dark"
    light = np.clip(frame.image.astype(int) + 80, 0, 255).astype(np.uint8)
    assert picture_doubt(replace(frame, image=light), cell) == "too bright"


def test_a_cell_in_a_corner_and_an_empty_picture_can_be_judged(seen: tuple[Frame, Cell]) -> None:
    frame, cell = seen
    corner = replace(cell, centre=(2.0, 3.0))
    assert picture_doubt(frame, corner) in ("", "out of focus")
    assert picture_doubt(replace(frame, image=np.full_like(frame.image, 200)), cell) == ""
