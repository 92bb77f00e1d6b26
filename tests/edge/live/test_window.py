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
