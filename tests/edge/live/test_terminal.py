"""What the user sees of a run at the camera."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.cell import Cell
from edge.classify import Answer, Sighting
from edge.decide import Decision
from edge.frames import Frame
from edge.live.focus_monitor import FocusMonitor
from edge.live.terminal import LiveTerminal, fitted
from edge.output.sinks import Csv, rows
from edge.quality import ImageQuality

ANSWER = Answer(
    Frame(np.zeros((9, 9, 3), np.uint8), "camera", 4, 0.0),
    [
        (
            Cell((1, 2, 3, 4), 7, (2.5, 4.0), 2.0, 3.0, 4.0, False, 0.9),
            Decision("monocyte", {"lymphocyte": 0.1, "monocyte": 0.9}, frames=3),
        )
    ],
)


def test_a_cell_that_was_perhaps_counted_before_is_marked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for again in (True, False):
        answer = replace(ANSWER, sighting=Sighting("run-000007", 2.5, again))
        with LiveTerminal(["lymphocyte", "monocyte"], show_cells=True) as terminal:
            terminal.add(answer)
        assert ("(perhaps counted before)" in capsys.readouterr().out) == again
        (row,) = rows(answer, "model")
        assert row["id"] == "run-000007" and row["seconds"] == 2.5
        assert row.get("seen_before") == ("perhaps" if again else None)
        with Csv(str(tmp_path / "a.csv"), ["lymphocyte", "monocyte"], "model", live=True) as table:
            table.add(answer)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert [line.rpartition("run-000007,")[2] for line in lines[1:]] == ["2.5,perhaps", "2.5,"]


def test_cells_go_to_standard_output_and_sentences_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("edge.camera.reader")
    with LiveTerminal(["lymphocyte", "monocyte"], show_cells=True) as terminal:
        terminal.add(ANSWER)
        logger.info("Back after %d s.", 3)
    logger.info("nobody sees this")
    shown = capsys.readouterr()
    head, line = shown.out.splitlines()
    assert head.split() == ["answer", "lymphocyte", "monocyte", "cell"] and line.split()[:4] == [
        "monocyte", "0.100", "0.900", "#7,"
    ]  # fmt: skip
    assert shown.err == "Back after 3 s.\n" and not logger.isEnabledFor(logging.INFO)


def test_json_lines_have_standard_output_to_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTerminal(["lymphocyte", "monocyte"], show_cells=False) as terminal:
        terminal.add(ANSWER)
    assert capsys.readouterr().out == ""


def test_the_status_line_makes_room_for_other_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with LiveTerminal(["lymphocyte", "monocyte"], show_cells=True) as terminal:
        terminal.status(["looking"], [])
        terminal.say("Back after 3 s.")
    assert capsys.readouterr().err == "\rlooking\r       \rBack after 3 s.\n"


def test_in_a_log_a_new_warning_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTerminal(["lymphocyte", "monocyte"], show_cells=True) as terminal:
        for _ in range(3):
            terminal.status(["looking"], ["too dark: turn up the lamp"])
    assert capsys.readouterr().err.count("Too dark: turn up the lamp.") == 1


COUNTS = "12 lymphocytes, 3 monocytes, 25 other, 40 to review"


@pytest.mark.parametrize(
    ("advice", "shown"),
    [
        ("TURN IT: LEFT", f"TURN IT: LEFT | {COUNTS} | looking"),
        ("OUT OF FOCUS: TURN THE FINE FOCUS", f"TURN THE FINE FOCUS | {COUNTS}"),
        ("UNEVEN LIGHT: CENTRE THE CONDENSER, OR START WITH --FLAT CAPTURE", f"UNEVEN LIGHT | {COUNTS} | looking"),
        ("X" * 90, "X" * 79),
    ],
)
def test_advice_and_counts_come_first_in_80_columns(advice: str, shown: str) -> None:
    assert fitted([advice, COUNTS, "looking", "focus 99 %, light 219", "6 frames a second"], 79) == shown
    assert fitted(["no cell yet"], 79) == "no cell yet"


def test_every_warning_fits_beside_counts_of_hundreds() -> None:
    warnings: list[str] = []
    monitor = FocusMonitor()
    for light in [(200.0, 200.0, 200.0)] * 5 + [(255.0, 150.0, 90.0), (20.0, 20.0, 20.0)]:
        for clipped, sharpness in ((0.0, 0.01), (0.9, 0.5)):
            warnings += monitor.warnings(
                ImageQuality(sharpness=sharpness, light=light, clipped=clipped, unevenness=3.0)
            )
    counts = "312 lymphocytes, 128 monocytes, 125 other, 140 to review"
    assert len(set(warnings)) == 5
    for warning in warnings:
        assert fitted([warning.upper(), counts, "looking"], 79).split(" | ")[1] == counts, warning
