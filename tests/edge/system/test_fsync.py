"""Live results reach the disk, and a run doesn't wait for that. A test can't cut the power, so it watches fsync."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import Decision
from edge.errors import UserError
from edge.frames import Frame
from edge.output.sinks import Csv, JsonLines
from edge.system import fsync


def answer(number: int) -> Answer:
    cell = Cell((1, 2, 3, 4), number, (2.5, 4.0), 2.0, 3.0, 4.0, False, 0.9)
    frame = Frame(np.zeros((9, 9, 3), np.uint8), "camera", number, 0.0)
    return Answer(frame, [(cell, Decision("monocyte", {"lymphocyte": 0.1, "monocyte": 0.9}, frames=3))])


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """For each inode, how many bytes the file had at its last fsync. The real fsync is called, too."""
    real, sizes = os.fsync, {}

    def fsync(file: int) -> None:
        found = os.fstat(file)
        real(file)
        sizes[found.st_ino] = found.st_size

    monkeypatch.setattr(os, "fsync", fsync)
    return sizes


def test_lines_and_the_file_s_name_are_synced_to_the_disk(tmp_path: Path, synced: dict[int, int]) -> None:
    path = tmp_path / "a.csv"
    with Csv(str(path), ["lymphocyte", "monocyte"], "model", live=True) as table:
        for i in range(3):
            table.add(answer(i))
    assert path.read_text().count("\n") == 4
    assert synced[path.stat().st_ino] == path.stat().st_size and tmp_path.stat().st_ino in synced


@pytest.mark.parametrize("tail", ["", "half a row", "\0" * 200_000])
def test_an_unfinished_last_line_is_removed(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "a.csv"
    for whole in ("", "a\nb\n"):
        path.write_text(whole + tail)
        fsync.mend(str(path))
        assert path.read_text() == whole


def test_lines_are_synced_during_the_run(
    tmp_path: Path, synced: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsync, "_EVERY", 0.01)
    path = tmp_path / "a.json"
    with JsonLines(str(path), "model", live=True) as lines:
        for i in range(2):
            lines.add(answer(i))
            end = time.monotonic() + 60
            while synced.get(path.stat().st_ino) != path.stat().st_size:
                assert time.monotonic() < end
                time.sleep(0.01)


def test_a_slow_disk_does_not_delay_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, free = threading.Event(), threading.Event()

    def slow(file: int) -> None:
        busy.set()
        assert free.wait(60)

    monkeypatch.setattr(os, "fsync", slow)
    path = tmp_path / "a.json"
    with JsonLines(str(path), "model", live=True) as lines:
        assert busy.wait(60)
        for i in range(50):
            lines.add(answer(i))
        assert path.read_text().count("\n") == 50 and not free.is_set()
        free.set()


def test_a_disk_that_fails_is_reported_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    lines = JsonLines(str(tmp_path / "a.json"), "model", live=True)
    lines.add(answer(0))
    with pytest.raises(UserError, match=r"Can't write .*a\.json: Input/output error\."):
        lines.__exit__(None, None, None)


def test_results_of_picture_files_are_not_synced(tmp_path: Path, synced: dict[int, int]) -> None:
    with JsonLines(str(tmp_path / "a.json"), "model") as lines:
        lines.add(answer(0))
    assert not synced
