"""A long run at the camera: its memory stays flat."""

from pathlib import Path

import numpy as np
from streams import feed, session

COUNT, SECONDS = 20, 600
_FRAMES, _GROWTH = 300, 12e6  # frames of each half; bytes by which the second may grow


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    camera, watching = session(random)
    feed(camera, watching, _FRAMES)
    before = _resident()
    feed(camera, watching, _FRAMES)
    grown = _resident() - before
    return f"memory grew by {grown / 1e6:.0f} MB in {_FRAMES} frames" if grown > _GROWTH else None


def _resident() -> int:
    """The memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
