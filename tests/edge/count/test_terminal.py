"""A review at the terminal: each key does what it says, and at a real terminal, too."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from count_helpers import fill, new_session
from PIL import Image

from edge.count.blocks import blocks
from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.review import Review
from edge.count.terminal import Screen
from edge.count.verdicts import KEYS, Verdict


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with new_session(tmp_path) as made:
        yield made


def press(journal: Journal, *keys: str, reader: str = "Ada", everything: bool = False) -> tuple[Screen, str]:
    """Presses keys in a review; returns the screen and all that it showed."""
    shown: list[str] = []
    screen = Screen(Review(journal, reader), KEYS, shown.append)
    screen.run(iter(keys), everything)
    return screen, "".join(shown)


def said(journal: Journal) -> dict[int, str]:
    return {cell: str(verdict) for cell, verdict in journal.verdicts().get("Ada", {}).items()}


def test_one_key_a_cell(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "review", "review", "review"])
    screen, shown = press(journal, "2", "1", "6")
    assert said(journal) == {2: "monocyte", 3: "lymphocyte", 4: "other"}
    assert screen.judged == 3
    assert "Cell 2: 1 of 3" in shown and "close call 60:40" in shown and "Cell 1:" not in shown


def test_forty_keys_for_two_hundred_cells_of_which_a_fifth_are_doubtful(journal: Journal) -> None:
    fill(journal, (["lymphocyte"] * 4 + ["review"]) * 40)
    press(journal, *"2" * 40)
    assert outcome(journal).open == []


def test_undo_redo_note_and_arrows(journal: Journal) -> None:
    fill(journal, ["review"] * 4)
    press(journal, "2", "u", "1", "\x7f", "r", "right", "left", "n", *"plasma cell", "\r", "q")
    assert said(journal) == {1: "lymphocyte", 2: "other (plasma cell)"}
    _, shown = press(journal, "u", "u", "u", "q")
    assert "Undo: cell 2." in shown and "Undo: cell 1." in shown and "Nothing to undo." in shown
    assert said(journal) == {}


def test_space_and_unknown_keys_change_nothing(journal: Journal) -> None:
    fill(journal, ["review"])
    _, shown = press(journal, " ", "x", "?", "f", "f", "q", "1")
    assert said(journal) == {}
    assert "'x' is no key" in shown and "u: undo" in shown


def test_the_machines_answer_is_hidden_from_blind_readers(tmp_path: Path) -> None:
    with new_session(tmp_path, blind=True) as journal:
        fill(journal, ["lymphocyte", "review"])
        _, shown = press(journal, "1", "2")
        assert said(journal) == {1: "monocyte", 2: "lymphocyte"}
        assert "The program" not in shown and "0.95" not in shown and "close call" not in shown


def test_who_has_the_last_word_sees_what_the_readers_say(tmp_path: Path) -> None:
    with new_session(tmp_path, readers=2) as journal:
        fill(journal, ["review"])
        Review(journal, "Ada").judge([1], Verdict("monocyte"))
        _, shown = press(journal, "q", reader="Bo")
        assert "Ada" not in shown
        Review(journal, "Bo").judge([1], Verdict("lymphocyte"))
        _, shown = press(journal, "2", reader="Cy")
        assert "Ada: monocyte" in shown and "Bo: lymphocyte" in shown
        assert outcome(journal).labels == {"monocyte": 1}


def test_all_cells_can_be_shown(journal: Journal) -> None:
    fill(journal, ["lymphocyte", "review", "monocyte"])
    press(journal, "1", "2", "2", everything=True)
    assert said(journal) == {2: "lymphocyte", 1: "monocyte", 3: "monocyte"}


def test_cells_that_come_meanwhile_are_shown_too(journal: Journal) -> None:
    fill(journal, ["review"])

    def keys() -> Iterator[str]:
        yield from "xx"
        fill(journal, ["review"])
        yield from "12"

    Screen(Review(journal, "Ada"), KEYS, lambda _: None).run(keys())
    assert said(journal) == {1: "lymphocyte", 2: "monocyte"}


def test_a_picture_becomes_characters() -> None:
    picture = Image.fromarray(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8))
    assert blocks(picture, 1, 1, 1 << 24) == ["\x1b[38;2;255;0;0;48;2;0;0;255m\u2580\x1b[0m"]
    assert blocks(picture, 1, 1, 256) == ["\x1b[38;5;196;48;5;21m\u2580\x1b[0m"]
    assert len(blocks(Image.new("RGB", (300, 200)), 60, 40)) == 20


def test_a_review_at_a_real_terminal(journal: Journal) -> None:
    fill(journal, ["review", "review"])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge.count.cli", "review", journal.path, "--reader", "Ada"]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT)
    os.close(theirs)

    def until(text: bytes) -> None:
        seen, end = b"", time.monotonic() + 60
        while text not in seen:
            assert time.monotonic() < end, seen
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 65536)

    until(b"Cell 1: 1 of 2")
    os.write(ours, b"2")
    until(b"Cell 2: 2 of 2")
    os.write(ours, b"\x1b[D")
    until(b"Cell 1: 1 of 2")
    os.write(ours, b"\x1b[C1")
    until(b"2 verdicts taken.")
    assert child.wait(60) == 0
    os.close(ours)
    assert said(journal) == {1: "monocyte", 2: "lymphocyte"}
