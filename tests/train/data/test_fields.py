"""Camera fields with marked cells: which are learned from, and which are measured on."""

from pathlib import Path

import pytest
from conftest import fields_table

from edge.errors import UserError
from train.data import fields


def test_no_film_and_no_cell_is_in_both_halves(tmp_path: Path) -> None:
    rows = [f"f/s/{i}.png,unknown,1,2,30,40,film{i // 3},cell{i % 7 if i > 30 else i}" for i in range(60)]
    read = fields.read(fields_table(tmp_path, [*rows, "f/s/none.png,none,,,,,,"]))
    assert len(read) == 61 and read[-1].boxes == () and read[0].source == "s"
    learn, measure = fields.halves(read)
    assert sorted(f.path for f in learn + measure) == sorted(f.path for f in read)
    assert not {f.film for f in learn} & {f.film for f in measure}
    cells = [{b.cell for f in half for b in f.boxes} for half in (learn, measure)]
    assert not cells[0] & cells[1]
    again, _ = fields.halves(read[::-1])
    assert {f.path for f in again} == {f.path for f in learn}


def test_a_folder_without_fields_has_none_and_a_broken_table_is_refused(tmp_path: Path) -> None:
    assert fields.read(tmp_path) == []
    with pytest.raises(UserError, match=r"fields\.csv"):
        fields.read(fields_table(tmp_path, ["a.png,unknown,left,2,30,40,,"]))


def test_a_table_of_excel_and_what_is_no_box(tmp_path: Path) -> None:
    text = "Path;Label;X;Y;Width;Height;Film\r\nf\\a\\1.jpg;LY;1;2;30.0;40;\r\nf\\a\\1.jpg;Neutrophils;5;6;7;8;\r\n"
    (tmp_path / "fields.csv").write_bytes(text.encode("utf-16"))
    [field] = fields.read(tmp_path)
    assert field.path == "f/a/1.jpg" and field.source == "a"
    assert [(box.x, box.width, box.label) for box in field.boxes] == [(1, 30, "lymphocyte"), (5, 7, "neutrophil")]
    for row, words in (
        ("a.png,unknown,1,2,0,40,,", "without an extent"),
        ("a.png,unknown,1,2,nan,40,,", "without four numbers"),
        ("a.png,atypical lymphocyte,1,2,3,40,,", "may be lymphocyte or not"),
    ):
        with pytest.raises(UserError, match=words):
            fields.read(fields_table(tmp_path, [row]))
