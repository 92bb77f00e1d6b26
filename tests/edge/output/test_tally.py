"""The summary of a run: counts and shares, the types of other cells, why cells are left, folders."""

import numpy as np

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import Decision
from edge.frames import Frame, Unreadable
from edge.output.tally import NOTICE, Tally

SHARES = {"lymphocyte": 0.2, "monocyte": 0.3, "other": 0.5}
CELL = Cell((1, 2, 3, 4), 0, (2.5, 4.0), 2.0, 3.0, 4.0, False, 0.9)


def answer(source: str, *decisions: tuple[str, str], frames: int = 0) -> Answer:
    cells = [(CELL, Decision(label, SHARES, reason=reason, frames=frames)) for label, reason in decisions]
    return Answer(Frame(np.zeros((9, 9, 3), np.uint8), source, 0, 0.0), cells)


def lines(*results: Answer | Unreadable) -> list[str]:
    tally = Tally()
    for result in results:
        tally.add(result)
    *text, notice = str(tally).splitlines()
    assert notice == NOTICE
    return text


def test_a_run_of_one_folder() -> None:
    doubts = [("review", f"perhaps another type, {n} %, most like a basophil") for n in (20, 30)]
    found = lines(
        answer("a.png", ("other", "like a neutrophil"), *doubts, ("review", "close call 55:45")),
        answer("b.png", *[("other", "no white cell")] * 3, ("other", "")),
        answer("c.png"),
        Unreadable("d.png", "is empty."),
    )
    assert found == [
        "8 cells in 4 pictures: 5 other (62 %), 3 to review (38 %).",
        "To review: 2 perhaps another type, 1 close call.",
        "Other: 3 no white cell, 1 like a neutrophil, 1 of no known type.",
        "No cell in 1 of 4 pictures.",
        "1 could not be read.",
    ]


def test_several_folders_have_rows() -> None:
    found = lines(answer("x/a.png", ("monocyte", "")), answer("x/b.png", ("monocyte", "")), answer("y/a.png"))
    assert found == [
        "2 cells in 3 pictures: 2 monocytes (100 %).",
        "No cell in 1 of 3 pictures.",
        "folder  pictures  monocyte  no cell",
        "x              2         2        0",
        "y              1         0        1",
    ]
    many = lines(*(answer(f"{i}/a.png") for i in range(40)))
    assert len(many) == 1 + 1 + 30 + 1 and many[-1] == "and 10 more folders"


def test_a_folder_s_name_is_escaped() -> None:
    assert lines(answer("\x1b\n/a.png"), answer("b.png"))[2].startswith("\\x1b\\n")


def test_one_picture_or_none_and_a_run_at_a_camera() -> None:
    assert lines(answer("a.png", ("review", "close call 55:45"))) == ["1 to review."]
    assert lines(answer("a.png")) == lines() == ["No cell."]
    one = answer("camera", ("lymphocyte", ""), frames=3)
    assert lines(one, one)[0] == "2 cells: 2 lymphocytes (100 %)."
    rare = [answer("a.png", *[("lymphocyte", "")] * 999), answer("b.png", ("other", ""))]
    assert lines(*rare)[0].endswith("1 other (0.1 %).")
