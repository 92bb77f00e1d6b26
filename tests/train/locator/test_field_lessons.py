"""What the locator learns from marked camera fields."""

from pathlib import Path

import numpy as np
import pytest
from conftest import fields_table
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from train.data import fields
from train.locator import field_lessons, nuclei


def test_nuclei_are_outlined_inside_their_boxes_and_the_border_teaches_nothing(tmp_path: Path) -> None:
    image, truth = drawing.field(np.random.default_rng(2), 3)
    (tmp_path / "f" / "s").mkdir(parents=True)
    Image.fromarray(image).save(tmp_path / "f/s/a.png")
    places = [(round(t.x - t.radius), round(t.y - t.radius), round(2 * t.radius)) for t in truth]
    rows = [f"f/s/a.png,unknown,{x},{y},{side},{side},," for x, y, side in places]
    (lesson,) = field_lessons.lessons(tmp_path, fields.read(fields_table(tmp_path, rows)))
    assert lesson.image.shape == (480, 640, 3) and lesson.outline.shape == (480, 640)
    assert 0.6 < lesson.red_cell / drawing.Look().red_cell < 1.2
    for t in truth:
        x, y, radius = (round(v) for v in t.nucleus)
        assert lesson.outline[y, x] == 1
        core = lesson.outline[max(0, y - 2 * radius) : y + 2 * radius, max(0, x - 2 * radius) : x + 2 * radius] == 1
        assert 0.2 < core.sum() / (np.pi * radius**2) < 1.2
    assert (lesson.outline[:20][lesson.outline[:20] != 1] == nuclei.IGNORE).mean() > 0.9
    assert (lesson.outline[80:-80, 80:-80] == 0).mean() > 0.5


def test_an_unreadable_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png"):
        field_lessons.lessons(tmp_path, fields.read(fields_table(tmp_path, ["gone.png,none,,,,,,"])))
