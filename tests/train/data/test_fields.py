"""Camera fields with marked cells: who learns, who measures, and what is learned."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from train.data import fields
from train.locator import nuclei


def table(folder: Path, rows: list[str]) -> Path:
    (folder / "fields.csv").write_text("path,label,x,y,width,height,film,cell\n" + "\n".join(rows) + "\n")
    return folder


def test_no_film_and_no_cell_stands_in_both_halves(tmp_path: Path) -> None:
    rows = [f"f/s/{i}.png,unknown,1,2,30,40,film{i // 3},cell{i % 7 if i > 30 else i}" for i in range(60)]
    read = fields.read(table(tmp_path, [*rows, "f/s/none.png,none,,,,,,"]))
    assert len(read) == 61 and read[-1].boxes == () and read[0].source == "s"
    learn, measure = fields.halves(read)
    assert sorted(f.path for f in learn + measure) == sorted(f.path for f in read)
    assert not {f.film for f in learn} & {f.film for f in measure}
    cells = [{b.cell for f in half for b in f.boxes} for half in (learn, measure)]
    assert not cells[0] & cells[1]
    again, _ = fields.halves(read[::-1])
    assert {f.path for f in again} == {f.path for f in learn}


def test_a_folder_without_fields_has_none_and_a_broken_table_is_said(tmp_path: Path) -> None:
    assert fields.read(tmp_path) == []
    with pytest.raises(UserError, match=r"fields\.csv"):
        fields.read(table(tmp_path, ["a.png,unknown,left,2,30,40,,"]))


def test_nuclei_are_outlined_inside_their_boxes_and_the_border_teaches_nothing(tmp_path: Path) -> None:
    image, truth = drawing.field(np.random.default_rng(2), 3)
    (tmp_path / "f" / "s").mkdir(parents=True)
    Image.fromarray(image).save(tmp_path / "f/s/a.png")
    places = [(round(t.x - t.radius), round(t.y - t.radius), round(2 * t.radius)) for t in truth]
    rows = [f"f/s/a.png,unknown,{x},{y},{side},{side},," for x, y, side in places]
    (lesson,) = fields.lessons(tmp_path, fields.read(table(tmp_path, rows)))
    assert lesson.image.shape == (480, 640, 3) and lesson.outline.shape == (480, 640)
    assert 0.6 < lesson.red_cell / drawing.Look().red_cell < 1.2
    for t in truth:
        x, y, radius = (round(v) for v in t.nucleus)
        assert lesson.outline[y, x] == 1
        core = lesson.outline[max(0, y - 2 * radius) : y + 2 * radius, max(0, x - 2 * radius) : x + 2 * radius] == 1
        assert 0.2 < core.sum() / (np.pi * radius**2) < 1.2
    assert (lesson.outline[:20][lesson.outline[:20] != 1] == nuclei.IGNORE).mean() > 0.9
    assert (lesson.outline[80:-80, 80:-80] == 0).mean() > 0.5


def test_an_unreadable_field_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png"):
        fields.lessons(tmp_path, fields.read(table(tmp_path, ["gone.png,none,,,,,,"])))
