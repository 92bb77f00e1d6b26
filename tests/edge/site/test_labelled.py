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
    assert len(two.labels) == 2 and two.skipped == 1
    (tmp_path / "cells.csv").write_text("path,label,cell\na.png,Monocytes,7\n")
    assert find(tmp_path, LABELS).labels == {str(tmp_path / "a.png"): PictureLabel("monocyte", "7")}
    (tmp_path / "cells.csv").write_text("path,cell\na.png,7\n")
    with pytest.raises(UserError, match="lacks the column label"):
        find(tmp_path, LABELS)


def test_pictures_of_one_cell_are_recognised_by_content_or_by_name() -> None:
    assert physical_cells([["a"], ["b", "n"], ["a", "m"], ["c", "n"], ["d"]]) == [0, 1, 0, 1, 2]
    assert len(set(physical_cells([["a", "n"], ["b", "m"], ["a", "m"]]))) == 1
