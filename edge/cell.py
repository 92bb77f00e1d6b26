"""What flows from the locator on: one white cell of a frame."""

import math
from dataclasses import dataclass

from edge.frames import Frame

SIDE = 3.2  # of the square that holds a cell and a little round it, in diameters of a red cell: 24 micrometres


@dataclass(frozen=True)
class Cell:
    """One white cell; all lengths are in pixels of its frame.

    box: (x, y, width, height) of the cell, clipped to the frame; number: from 0 in its frame; centre: (x, y) of the
    nucleus; nucleus: diameter of a circle of the area of the nucleus' convex hull; diameter: of the whole cell,
    estimated; red_cell: the diameter of the red cells round it, the ruler on every slide (about 7.5 micrometres);
    at_border: cut by the frame's border; score: 0 to 1, how sure the locator is; unsure: by what share red_cell may be
    off, a standard deviation, 0 where that is little.
    """

    box: tuple[int, int, int, int]
    number: int
    centre: tuple[float, float]
    nucleus: float
    diameter: float
    red_cell: float
    at_border: bool
    score: float
    unsure: float = 0.0


def centre_distance(cell: Cell, frame: Frame) -> float:
    """From the nucleus to the middle of the frame, in shares of the frame's diagonal: 0 to 0.5."""
    height, width = frame.image.shape[:2]
    return math.hypot(cell.centre[0] - width / 2, cell.centre[1] - height / 2) / math.hypot(width, height)


def whole_image(frame: Frame) -> list[Cell]:
    """The frame as one cell that fills it: what `--whole-image` asks for."""
    height, width = frame.image.shape[:2]
    side = float(min(width, height))
    return [Cell((0, 0, width, height), 0, (width / 2, height / 2), side / 2, side, side / SIDE, False, 1.0)]


def emptiest(frame: Frame, cells: list[Cell]) -> Cell:
    """The place of a frame that lies farthest from its cells, as if the locator had found a usual white cell there."""
    height, width = frame.image.shape[:2]
    ruler = sum(c.red_cell for c in cells) / len(cells) if cells else min(width, height) / 2 / SIDE
    grid = [(width * x / 8, height * y / 8) for y in range(1, 8) for x in range(1, 8)]
    x, y = max(grid, key=lambda at: min((math.dist(at, c.centre) for c in cells), default=-math.dist(at, grid[0])))
    r = ruler * SIDE / 4
    left, top = max(0, round(x - r)), max(0, round(y - r))
    box = (left, top, max(1, min(width, round(x + r)) - left), max(1, min(height, round(y + r)) - top))
    return Cell(box, 0, (x, y), 1.2 * ruler, 2 * r, ruler, False, 0.0)


def single(frame: Frame, cells: list[Cell]) -> list[Cell]:
    """Exactly one cell: the one nearest to the frame's middle, the whole frame where none was found."""
    return sorted(cells, key=lambda cell: centre_distance(cell, frame))[:1] or whole_image(frame)
