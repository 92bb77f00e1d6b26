"""A cell's identity is unique for ever, sorts by time, and may be a file's name."""

import re
import time

import pytest

from edge.system.run_id import cell_id, new_run


def test_runs_that_start_in_one_second_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pi whose clock starts at the same second at each boot."""
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((1970, 1, 1, 0, 0, 7, 3, 1, 0)))
    runs = {new_run() for _ in range(1000)}
    assert len(runs) == 1000 and all(re.fullmatch(r"19700101T000007Z-[0-9a-f]{10}", run) for run in runs)


def test_cells_sort_by_number() -> None:
    run = new_run()
    cells = [cell_id(run, number) for number in (0, 9, 10, 99_999, 100_000)]
    assert cells == sorted(cells) and cells[2] == f"{run}-000010"
