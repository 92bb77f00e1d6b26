"""What sources name: sites, slides and pictures, from folders, patterns and tables; wrong rows of a table are told."""

import os
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the extra archive")

from archive_helpers import answer, rows

from edge.archive import sources
from edge.archive.journal import quoted
from edge.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/7/1.png", "a/7/2.png", "a/8/x/3.png", "a/4.png", "b/5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def found(*named: object) -> dict[str, list[tuple[str, str]]]:
    """By site, the name and the slide of each picture."""
    sites = sources.find([str(each) for each in named]).sites
    return {site.name: [(Path(each.path).name, each.slide) for each in site.pictures] for site in sites}


def test_a_folder_is_a_site_and_its_folders_are_slides(folder: Path) -> None:
    expected = [("4.png", ""), ("1.png", "7"), ("2.png", "7"), ("3.png", "8/x")]
    assert found(folder / "a", folder / "b") == {"a": expected, "b": [("5.png", "")]}


def test_a_pattern_is_a_site_and_so_are_the_files_of_a_folder(folder: Path) -> None:
    assert found(folder / "a" / "*" / "*.png") == {"a": [("1.png", "7"), ("2.png", "7")]}
    assert found(folder / "a/7/1.png", folder / "a/7/2.png") == {"7": [("1.png", ""), ("2.png", "")]}


def test_a_folder_is_named_however_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "b")
    assert found(".") == found("./") == found("../b/") == {"b": [("5.png", "")]}


def test_a_picture_counts_once(folder: Path) -> None:
    listing = sources.find([str(folder / "a/4.png"), str(folder / "a/7"), str(folder / "a/7/*.png")])
    assert sum(len(site.pictures) for site in listing.sites) == 3
    assert "2 pictures were named more than once" in " ".join(listing.notes)


def test_nothing_found_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No pictures found"):
        sources.find([str(tmp_path)])
    with pytest.raises(UserError, match="norht does not exist"):
        sources.find([str(tmp_path), str(tmp_path / "norht")])
    with pytest.raises(UserError, match="matches no file"):
        sources.find([str(tmp_path / "*.png")])


def test_a_table_names_site_and_slide(folder: Path) -> None:
    table = folder / "list.csv"
    table.write_text("path,site,slide\na/4.png,north,12\n./b/5.png,,\n" + f"{folder}/a/7/1.png,north,13\n")
    assert found(table) == {"north": [("4.png", "12"), ("1.png", "13")], "list": [("5.png", "")]}


def test_parquet_is_a_table_too(folder: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    content = {"path": ["a/4.png", None, "b/5.png"], "site": ["north", "north", None], "slide": [12, 12, 13]}
    parquet.write_table(arrow.table(content), folder / "list.parquet")
    assert found(folder / "list.parquet") == {"north": [("4.png", "12")], "list": [("5.png", "13")]}
    [north, _] = sources.find([str(folder / "list.parquet")]).sites
    assert north.wrong == [(f"{folder}/list.parquet, row 2", "names no picture: its column path is empty.")]


def test_wrong_rows_become_rows_with_an_error(folder: Path) -> None:
    table = folder / "list.csv"
    lines = ["path,site", "a/4.png,north", ",north", "a/7/1.png,north,more", '"a"b,north', f"b/5.png,{'x' * 81}"]
    table.write_text("\n".join([*lines, "gone.png,north", "b/5.png,north", "nul\0.png,north"]).replace("\0", "") + "\n")
    outcome = answer(table, out=folder / "out")
    said = {row["source"]: row["error"] for site in ("north", "list") for row in rows(folder / "out", site)}
    assert said == {
        f"{folder}/a/4.png": "is empty (0 bytes).",
        f"{table}, line 3": "names no picture: its column path is empty.",
        f"{table}, line 4": "has more cells than columns; put quotes around what holds commas.",
        f"{table}, line 5": "can't be read: ',' expected after '\"'.",
        f"{table}, line 6": "names a site with more than 80 characters.",
        f"{folder}/gone.png": "does not exist.",
        f"{folder}/b/5.png": "is empty (0 bytes).",
        f"{folder}/nul.png": "does not exist.",
    }
    assert outcome.unreadable == outcome.pictures == len(said)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "lacks the column path"), (b"\0\1", "table of text"), (b"site\nnorth\n", "lacks the column path")],
)
def test_a_table_that_is_none_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(UserError, match=words):
        sources.find([str(tmp_path / "list.csv")])


@pytest.mark.parametrize("name", ["../../x", "..", ".hidden", "a/b", "Zürich 1%", "a=b"])
def test_a_sites_name_never_decides_where_a_file_is_written(name: str, folder: Path) -> None:
    table = folder / "list.csv"
    table.write_text(f"path,site\nb/5.png,{name}\n")
    before = {path for path in folder.parent.rglob("*") if (folder / "out") not in path.parents}
    answer(table, out=folder / "out")
    assert {path for path in folder.parent.rglob("*") if (folder / "out") not in path.parents} - before <= {
        folder / "out"
    }
    assert [path.name for path in (folder / "out" / "rows").iterdir()] == [f"site={quoted(name)}"]
    import pyarrow.dataset

    read = pyarrow.dataset.dataset(folder / "out" / "rows", partitioning="hive").to_table().to_pylist()
    assert [row["site"] for row in read] == [name]


def test_bytes_that_are_no_text_are_escaped(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder / "b") + b"/caf\xe9.png")).write_bytes(b"")
    answer(folder / "b", out=folder / "out")
    assert rows(folder / "out", "b")[1]["source"].endswith("caf\\udce9.png")
