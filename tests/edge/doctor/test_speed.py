"""`edge-doctor --speed` writes one file about this machine, by drawn pictures and the installed package alone."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.report import boards, readme
from edge.doctor import speed
from edge.doctor.cli import main
from edge.errors import UserError


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"_FIELDS": 2, "_CELLS": 2, "_FEWEST": 3, "_MOST": 3, "_COLD": 1}.items():
        monkeypatch.setattr(speed, name, value)
    done = CliRunner().invoke(main, ["--speed", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    [file] = tmp_path.glob("edge-speed-*.json")
    assert f"Written to {file}" in done.stdout
    return file


def test_one_file_tells_what_was_measured(measured: Path) -> None:
    found = json.loads(measured.read_text())
    assert found["format"] == speed.FORMAT and found["board"] and found["packages"]["numpy"]
    for name in ("fields", "fields_all_cores", "whole_image"):
        # Linux counts the memory of the process that started it, too, and a process of tests may be large.
        assert found[name]["pictures"] == 3 and found[name]["per_second"] > 0 and found[name]["megabytes"] > 20
    assert str(Path.home()) not in measured.read_text()


def test_the_page_of_figures_shows_the_files_that_came_in(measured: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reference" / "boards"
    folder.mkdir(parents=True)
    page = "Here:\n<!-- benchmark boards boards -->\n<!-- end -->\n"
    assert "No file has come in yet." in readme.filled(page, folder.parent)
    (folder / measured.name).write_text(measured.read_text())
    assert f"| {json.loads(measured.read_text())['board']}, " in readme.filled(page, folder.parent)
    for content in ("{}", "[]", "x", '{"format": 99}'):
        (folder / "b.json").write_text(content)
        with pytest.raises(UserError):
            boards.table(folder)


def test_a_command_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_drawn", lambda folder: ([str(folder / "absent.jpg")], []))
    with pytest.raises(UserError, match="edge-classify doesn't work here"):
        speed.speed()
