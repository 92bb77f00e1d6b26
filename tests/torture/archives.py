"""An archive on a cluster of Ray of which parts and the command are killed: no picture is lost, none is there twice.

`benchmark archive` does it; see there. Each attempt takes some minutes.
"""

from pathlib import Path

import numpy as np

from benchmarks.archive import archive
from edge.simulator import demo

COUNT, SECONDS, FEWEST, EACH = 20, 1200, 0, 1
_PICTURES = 1600  # the first 1000 are one task, and parts are killed during the others


def attempt(random: np.random.Generator, folder: Path) -> str:
    """Returns what broke, or ""."""
    demo.draw(folder)
    found = archive(sorted(map(str, folder.glob("*.png"))), _PICTURES, int(random.integers(1 << 31)))
    killed = ", ".join(f"{what} after {pictures}" for what, pictures in found.kills)
    if found.lost or found.twice or found.left or not all(found.same.values()):
        return f"{found.lost} lost, {found.twice} twice, {found.left} processes left, same rows: {found.same}; {killed}"
    return "" if len(found.kills) == 4 else f"only these were killed: {killed}"
