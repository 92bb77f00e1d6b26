"""Progress bars: one line with a name for each piece of work, and none for work that is over at once."""

import pytest

from edge.system.cli import progress_bars
from edge.system.progress import followed, renamed


def test_each_piece_of_work_has_one_line_that_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(True) as progress:
        for name in ("Reading train pictures", "Reading val pictures"):
            assert list(followed(range(3), "Reading", renamed(progress, name))) == [0, 1, 2]
        progress("Over at once", 9, 9)
        assert not list(followed([], "Nothing to do", progress))
    shown = capsys.readouterr().err.replace("\r", "\n")
    last = [line for line in shown.split("\n") if "3/3" in line]
    assert [line.split(":")[0] for line in last] == ["Reading train pictures", "Reading val pictures"]
    assert "0/3" in shown and "Over" not in shown and "Nothing" not in shown


def test_without_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as progress:
        progress("Reading", 1, 3)
    assert capsys.readouterr().err == ""
