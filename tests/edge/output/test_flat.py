"""Answers as rows of a table: one value a column, also in a file of Parquet."""

from pathlib import Path

import numpy as np
import pytest

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import Decision
from edge.frames import Frame, Unreadable
from edge.output.sinks import flat, rows
from edge.unlike import Unlike


def table() -> list[dict[str, object]]:
    frame = Frame(np.zeros((90, 120, 3), np.uint8), "a.png", 1, 0.0)
    cell = Cell((1, 2, 30, 40), 7, (16.0, 22.0), 20.0, 35.0, 12.0, False, 1.0)
    decision = Decision("review", {"lymphocyte": 0.25, "monocyte": 0.75}, reason="close call 75:25")
    run = Unlike(1.5, "the nuclei are paler", {"monocyte": -0.5})
    results: list[Answer | Unreadable] = [Answer(frame, [(cell, decision)], run=run), Answer(frame, [])]
    results.append(Unreadable("b.png", "is empty."))
    return [flat(row) for result in results for row in rows(result, "m")]


def test_each_value_has_a_column() -> None:
    cell, empty, broken = table()
    assert not any(isinstance(value, list | dict) for row in (cell, empty, broken) for value in row.values())
    assert [cell[name] for name in ("x", "y", "width", "height", "cell", "frame")] == [1, 2, 30, 40, 7, 1]
    assert (cell["p_lymphocyte"], cell["p_monocyte"], cell["label"]) == (0.25, 0.75, "review")
    assert (cell["unlike"], cell["why"], cell["moved_monocyte"]) == (1.5, "the nuclei are paler", -0.5)
    assert empty["cells"] == 0 and broken == {"source": "b.png", "error": "is empty."}


def test_parquet_keeps_them(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame(table()).to_parquet(tmp_path / "a.parquet")
    read = pandas.read_parquet(tmp_path / "a.parquet")
    assert list(read["source"]) == ["a.png", "a.png", "b.png"] and read["p_monocyte"].count() == 1
    assert read.loc[0, "x"] == 1 and read.loc[2, "error"] == "is empty."
