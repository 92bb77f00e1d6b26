"""--show opens a window if there is a display."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest
from live_helpers import SIM, started
from PIL import ImageGrab

from edge.cell import Cell
from edge.decide import Decision
from edge.live.window import Window, drawn


@pytest.fixture
def screen() -> Iterator[str]:
    """The name of an invisible X display."""
    if not shutil.which("Xvfb"):
        pytest.skip("a window needs a screen: Xvfb is absent (sudo apt install xvfb)")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1000x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
        server.terminate()


def test_show_opens_a_window_with_the_picture(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="a window needs Tk")
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not np.asarray(ImageGrab.grab(xdisplay=screen)).any()
    with started("--camera", SIM + ",end=60", "--show") as process:
        shown, end = np.zeros((1, 1, 3)), time.monotonic() + 60
        while shown.mean() < 20 and time.monotonic() < end:
            time.sleep(0.2)
            shown = np.asarray(ImageGrab.grab(xdisplay=screen))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "work goes on" not in err
    # Warm colours, as the drawn slide has them.
    seen = shown[(shown.max(axis=2) > 0) & (shown[..., 0] > shown[..., 2] + 10)]
    assert len(seen) > 0.5 * 480 * 360


def test_q_and_escape_end_the_run(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="a window needs Tk")
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    asked: list[str] = []
    window = Window("edge-classify", lambda: asked.append("end"))
    window.show(np.full((72, 96, 3), 99, np.uint8), (), ["no cell yet", "looking"])
    size = window._root.geometry()
    window._root.focus_force()
    for key in ("q", "<Escape>", "x"):
        window._root.event_generate(key)
        window._root.update()
    assert asked == ["end", "end"]
    window._next = 0.0
    window.show(None, (), ["A LONG ADVICE " * 20, "no cell yet"])
    assert window._root.geometry() == size, "the text doesn't move the picture"
    window._close()
    window.show(None, (), ["nothing is shown any more"])


def test_cells_have_boxes_and_answers() -> None:
    image = np.full((480, 1921, 3), 200, np.uint8)
    cells = [Cell((3 * x, 300, 60, 60), i, (0.0, 0.0), 9.0, 9.0, 9.0, False, 1.0) for i, x in enumerate((100, 400))]
    decision = Decision("monocyte", {"lymphocyte": 0.1, "monocyte": 0.9})
    shown = np.asarray(drawn(image, [(cells[0], decision), (cells[1], None)])).astype(int)
    assert shown.shape == (160, 641, 3)
    blank = np.asarray(drawn(image, ()))
    changed = np.abs(shown - blank).max(axis=2) > 30
    assert changed[100, 101:119].all() and changed[120, 401:419].all(), "the boxes' edges"
    assert changed[85:99, 100:140].any() and not changed[85:99, 390:440].any(), "only a decided cell has a label"
