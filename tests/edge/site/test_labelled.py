"""Are labelled pictures found in folders and tables, and pictures of the same cell recognised?"""

from pathlib import Path

import pytest

from edge.errors import UserError
from edge.site.labelled import PictureLabel, find, physical_cells

LABELS = ("lymphocyte", "monocyte", "other")


def test_folders_and_tables(tmp_path: Path) -> None:
    for name in ("Lymphocytes", "monocyte", "smudge"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    assert {Path(path).parent.name: each.label for path, each in find(tmp_path, LABELS).labels.items()} == {
        "Lymphocytes": "lymphocyte", "monocyte": "monocyte", "smudge": "other",
    }  # fmt: skip
    two = find(tmp_path, LABELS[:2])
    assert len(two.labels) == 2 and ["smudge", "left out", "1"] in two.table.rows
    (tmp_path / "cells.csv").write_text("path,label,cell\na.png,Monocytes,7\n")
    assert find(tmp_path, LABELS).labels == {str(tmp_path / "a.png"): PictureLabel("monocyte", "7")}
    (tmp_path / "cells.csv").write_text("path,cell\na.png,7\n")
    with pytest.raises(UserError, match="lacks the column label"):
        find(tmp_path, LABELS)


def test_pictures_of_one_cell_are_recognised_by_content_or_by_name() -> None:
    assert physical_cells([["a"], ["b", "n"], ["a", "m"], ["c", "n"], ["d"]]) == [0, 1, 0, 1, 2]
    assert len(set(physical_cells([["a", "n"], ["b", "m"], ["a", "m"]]))) == 1


def test_folders_of_a_training_set_are_understood_and_the_mapping_shown(tmp_path: Path) -> None:
    for place in ("Training/LY", "Testing/MO", "Testing/MO/patient 7", "__MACOSX/LY"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.png").touch()
    read = find(tmp_path, LABELS)
    assert sorted(each.label for each in read.labels.values()) == ["lymphocyte", "monocyte", "monocyte"]
    assert read.table.rows == [["LY", "lymphocyte", "1"], ["MO", "monocyte", "2"]]
    assert read.notes == ("Left out: 1 hidden or system file(s), such as .DS_Store, Thumbs.db, __MACOSX.",)


def test_a_class_that_may_be_a_lymphocyte_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_bytes(
        "Path;Label\r\na\\1.png;LYT lymphocyte\r\nb.png;Monocytes\r\n".encode("utf-16")
    )
    (tmp_path / "twice").mkdir()
    (tmp_path / "twice" / "cells.csv").write_text("path,label\na.png,LY\na.png,MO\n")
    with pytest.raises(UserError, match=r"two rows for .*a\.png that differ"):
        find(tmp_path / "twice", LABELS)
    with pytest.raises(UserError, match="may be lymphocyte or not; say --label"):
        find(tmp_path, LABELS)
    read = find(tmp_path, LABELS, {"LYT lymphocyte": "lymphocyte"})
    assert {path: each.label for path, each in read.labels.items()} == {
        str(tmp_path / "a/1.png"): "lymphocyte",
        str(tmp_path / "b.png"): "monocyte",
    }
