"""An hour at the camera, in one session: its memory stays flat."""

import time
from pathlib import Path

import numpy as np
from streams import feed, session

COUNT, SECONDS = 60, 600
EACH = 1_000_000  # all in one process; make torture SHARE=24 is a day
_MINUTE = 60.0  # seconds of an attempt
_WARM, _GROWTH = 300, 24e6  # frames before memory counts; bytes by which it may grow after them
_running: list[tuple] = []  # the camera, the session and the memory after _WARM frames


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    until = time.monotonic() + _MINUTE
    if not _running:
        camera, watching = session(random)
        feed(camera, watching, _WARM)
        _running.append((camera, watching, _resident()))
    camera, watching, before = _running[0]
    while time.monotonic() < until:
        feed(camera, watching, 30)
    grown = _resident() - before
    return f"memory grew by {grown / 1e6:.0f} MB in {camera.number} frames" if grown > _GROWTH else None


def _resident() -> int:
    """The memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
