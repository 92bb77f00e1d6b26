"""One white cell of a frame. The locator finds it, and every later step works on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.field.outline import Outline
from edge.frames import Picture

MICROMETRES = 7.5  # width of a red cell on a slide, up to its rim
# Width of the square that the network sees, in red-cell diameters: about 24 micrometres, a little more than a cell.
SIDE = 3.2
# An uncertainty of `red_cell` from which on it is no ruler. A monocyte's nucleus is 1.45 times as wide as that of a
# lymphocyte (0.37 as natural logarithm), so a ruler that is off by half of that calls the one by the other's name.
NO_RULER = 0.2


@dataclass(frozen=True)
class Cell:
    """One white cell. Lengths are in pixels of its frame.

    Attributes:
        box: (x, y, width, height) of the cell, clipped to the frame.
        number: its index in the frame, from 0; in a live run, a number that it keeps from frame to frame.
        centre: (x, y) of the nucleus.
        nucleus: diameter of the circle that has the same area as the convex hull of the nucleus.
        diameter: diameter of the whole cell, estimated from its nucleus.
        red_cell: diameter of the red cells around it, which is about 7.5 micrometres on every slide.
        at_border: whether the cell is cut off by the border of the frame or field.
        score: how sure the locator is, 0 to 1.
        uncertainty: standard deviation of `red_cell`, divided by `red_cell`: 0 if that is below 0.05, at most 0.4.
        doubt: why this may be no white cell, in a few words; such a cell gets no name. "" for no doubt.
        lit: the outline of the frame's field, if something surrounds it that shows no slide.
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
    doubt: str = ""
    lit: Outline | None = None

    @property
    def has_ruler(self) -> bool:
        """Whether the size of its red cells is known well enough to tell a large cell from a small one."""
        return self.uncertainty < NO_RULER


def centre_distance(cell: Cell, picture: Picture) -> float:
    """The distance from the nucleus to the middle of the picture, divided by the picture's diagonal: 0 to 0.5."""
    x, y = cell.centre
    return math.hypot(x - picture.width / 2, y - picture.height / 2) / math.hypot(picture.width, picture.height)


def whole_image(picture: Picture) -> list[Cell]:
    """Treats the whole picture as one cell (`--whole-image`)."""
    width, height = picture.width, picture.height
    side = float(min(width, height))
    return [Cell((0, 0, width, height), 0, (width / 2, height / 2), side / 2, side, side / SIDE, False, 1.0)]


def single(picture: Picture, cells: Sequence[Cell]) -> list[Cell]:
    """Chooses exactly one cell (`--single`): the one nearest to the middle, or the whole picture if none was found."""
    return sorted(cells, key=lambda cell: centre_distance(cell, picture))[:1] or whole_image(picture)


def emptiest(picture: Picture, cells: Sequence[Cell]) -> Cell:
    """An invented cell of the usual size at an empty place. Training uses it as an example without a white cell.

    The place is the point of a 7 x 7 grid that is farthest from all cells.
    """
    width, height = picture.width, picture.height
    red_cell = sum(c.red_cell for c in cells) / len(cells) if cells else min(width, height) / 2 / SIDE
    grid = [(width * x / 8, height * y / 8) for y in range(1, 8) for x in range(1, 8)]
    x, y = max(grid, key=lambda at: min((math.dist(at, c.centre) for c in cells), default=-math.dist(at, grid[0])))
    r = red_cell * SIDE / 4
    left, top = max(0, round(x - r)), max(0, round(y - r))
    box = (left, top, max(1, min(width, round(x + r)) - left), max(1, min(height, round(y + r)) - top))
    return Cell(box, 0, (x, y), 1.2 * red_cell, 2 * r, red_cell, False, 0.0)
