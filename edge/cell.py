"""One white cell of a frame: what the locator finds and everything after it works on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.frames import Picture

SIDE = 3.2  # width of the square that a network sees, in red-cell diameters: 24 micrometres, a cell and a little more


@dataclass(frozen=True)
class Cell:
    """One white cell. Lengths are in pixels of its frame.

    Attributes:
        box: (x, y, width, height) of the cell, clipped to the frame.
        number: from 0 in its frame; in a live run its number for good.
        centre: (x, y) of the nucleus.
        nucleus: diameter of a circle with the area of the nucleus' convex hull.
        diameter: of the whole cell, estimated from its nucleus.
        red_cell: diameter of the red cells around it, about 7.5 micrometres on every slide.
        at_border: whether the frame's border cuts it.
        score: how sure the locator is, 0 to 1.
        uncertainty: standard deviation of `red_cell` as a share of it; 0 where it is small.
    """

    box: tuple[int, int, int, int]
    number: int
    centre: tuple[float, float]
    nucleus: float
    diameter: float
    red_cell: float
    at_border: bool
    score: float
    uncertainty: float = 0.0


def centre_distance(cell: Cell, picture: Picture) -> float:
    """From the nucleus to the middle of the picture, in shares of its diagonal: 0 to 0.5."""
    x, y = cell.centre
    return math.hypot(x - picture.width / 2, y - picture.height / 2) / math.hypot(picture.width, picture.height)


def whole_image(picture: Picture) -> list[Cell]:
    """The picture as one cell that fills it: `--whole-image`."""
    width, height = picture.width, picture.height
    side = float(min(width, height))
    return [Cell((0, 0, width, height), 0, (width / 2, height / 2), side / 2, side, side / SIDE, False, 1.0)]


def single(picture: Picture, cells: Sequence[Cell]) -> list[Cell]:
    """Exactly one cell, the one nearest to the middle; the whole picture where none was found: `--single`."""
    return sorted(cells, key=lambda cell: centre_distance(cell, picture))[:1] or whole_image(picture)


def emptiest(picture: Picture, cells: Sequence[Cell]) -> Cell:
    """The place that lies farthest from all cells, as if the locator had found a usual white cell there."""
    width, height = picture.width, picture.height
    red_cell = sum(c.red_cell for c in cells) / len(cells) if cells else min(width, height) / 2 / SIDE
    grid = [(width * x / 8, height * y / 8) for y in range(1, 8) for x in range(1, 8)]
    x, y = max(grid, key=lambda at: min((math.dist(at, c.centre) for c in cells), default=-math.dist(at, grid[0])))
    r = red_cell * SIDE / 4
    left, top = max(0, round(x - r)), max(0, round(y - r))
    box = (left, top, max(1, min(width, round(x + r)) - left), max(1, min(height, round(y + r)) - top))
    return Cell(box, 0, (x, y), 1.2 * red_cell, 2 * r, red_cell, False, 0.0)
