"""What flows from the locator on: one white cell of a frame."""

import math
from dataclasses import dataclass

from edge.frames import Frame


@dataclass(frozen=True)
class Cell:
    """One white cell; all lengths are in pixels of its frame.

    box: (x, y, width, height) of the cell, clipped to the frame; number: from 0 in its frame; centre: (x, y) of the
    nucleus; nucleus: diameter of a circle of the area of the nucleus' convex hull; diameter: of the whole cell,
    estimated; at_border: cut by the frame's border; score: 0 to 1, how sure the locator is.
    """

    box: tuple[int, int, int, int]
    number: int
    centre: tuple[float, float]
    nucleus: float
    diameter: float
    at_border: bool
    score: float


def centre_distance(cell: Cell, frame: Frame) -> float:
    """From the nucleus to the middle of the frame, in shares of the frame's diagonal: 0 to 0.5."""
    height, width = frame.image.shape[:2]
    return math.hypot(cell.centre[0] - width / 2, cell.centre[1] - height / 2) / math.hypot(width, height)
