"""Tables as Excel, Windows and Linux write them are read alike; what can't be read is refused by name."""

from pathlib import Path

import pytest
from conftest import ROOT

from edge.errors import UserError
from edge.system import csv_table

PLAIN = "path,label,split,film\np/Müller 1.jpg,lymphocyte,train,a\np/b.jpg,monocyte,val,\n"
EXPECTED = [
    {"path": "p/Müller 1.jpg", "label": "lymphocyte", "split": "train", "film": "a"},
    {"path": "p/b.jpg", "label": "monocyte", "split": "val", "film": ""},
]
CASES = ROOT.parent / "shared" / "cases" / "odd_files" / "tables"


def written(folder: Path, content: bytes | str) -> Path:
    file = folder / "cells.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.encode("cp1252"),
        PLAIN.replace(",", ";"),
        "sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
        "sep=|\n" + PLAIN.replace(",", "|"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace("p/", "p\\"),
        PLAIN.replace("path,label,split,film", "Filename, Cell Type ,SET,Patient ID"),
        PLAIN + ",,,\n\n",
        PLAIN.replace(",\n", "\n"),
        PLAIN.replace("p/b.jpg", '"p/b.jpg"'),
    ],
)
def test_all_kinds_are_read_alike(tmp_path: Path, content: bytes | str) -> None:
    assert csv_table.rows(written(tmp_path, content), {"path", "label"}) == EXPECTED


def test_our_own_names_of_columns_come_first(tmp_path: Path) -> None:
    [row] = csv_table.rows(written(tmp_path, "path,filename,label\na/b.jpg,b.jpg,monocyte\n"), {"path"})
    assert row == {"path": "a/b.jpg", "filename": "b.jpg", "label": "monocyte"}


def test_a_name_with_a_backslash_stays_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a\\b.jpg").touch()
    [row] = csv_table.rows(written(tmp_path, "path\na\\b.jpg\n"), {"path"})
    assert row["path"] == "a\\b.jpg"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", r"lacks the column label, path \(its columns: none\)"),
        ("path,name\n", r"lacks the column label \(its columns: path, name\)"),
        ("file,image,label\n", "lacks the column path"),
        ("path,label,Label\n", "the column label twice"),
        ("path,label\na,b.jpg,monocyte\n", "line 2, has more cells"),
        ('path,label\n"a,monocyte\n', "not a readable table"),
        (b"\xff\xfe\x00 no text", "not a readable table"),
        (b"path,label\n\x81", "not a readable table"),
        (PLAIN.encode("utf-16-le"), "not a table of text"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "Git LFS pointer"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes | str, words: str) -> None:
    with pytest.raises(UserError, match=f"cells.csv.* {words}"):
        csv_table.rows(written(tmp_path, content), {"path", "label"})
    with pytest.raises(UserError, match="Is a directory"):
        csv_table.rows(tmp_path, {"path"})


def test_the_odd_tables_are_read_alike() -> None:
    if not CASES.is_dir():
        pytest.skip(f"needs {CASES}, which is absent")
    tables = {file.stem: csv_table.rows(file, {"path", "label", "split"}) for file in CASES.glob("*.csv")}
    assert len(tables) == 8
    paths = [row["path"] for row in tables["csv-bom"]]
    assert all([row["path"] for row in each] == paths for each in tables.values())
