"""Measures the ruler of a site: how many pixels a red cell has in the pictures of one microscope and camera.

The scale is a constant of the optics. So it is measured once, in as many fields as there are, and kept in the profile.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.cell import MICROMETRES
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Located, Locator
from edge.red_cells import FEWEST, INSIDE, PIXELS, RedCellRuler, RedCells, together
from edge.site.profile import NORMAL, Ruler

MOST = 200  # pictures; more hardly narrow the interval
# A camera shows at least _ENOUGH fields; from then on, every _EVERY fields it is asked whether more are needed.
_ENOUGH, _EVERY = 20, 5
_SHOWN = 3.0  # red cells that must lie alone in all pictures together
_DRAWS = 100  # of as many pictures as there are, with repetition: how far do their rulers scatter (bootstrap)?
# Relative standard deviations. No ruler is surer than the first. One beyond the second isn't worth keeping: the run's
# own ruler is as good. If the draws scatter by more than the third, more pictures would help.
_LEAST, _WORTH, _SCATTERED = 0.02, 0.15, 0.02
_OTHERWISE = 1.2  # a ruler that was given is doubted if the pictures say otherwise by this factor
_KEPT = 4  # pictures with the most red cells are kept to be drawn on


@dataclass(frozen=True)
class View:
    """A picture with what was located in it."""

    frame: Frame
    located: Located


class Fields:
    """Fields of one microscope, as they come from files or a camera.

    Attributes:
        seen: what each of them shows of its red cells.
        best: those with the most red cells that lie alone, the best first.
        size: width and height of the pictures, pixels.
    """

    def __init__(self, locator: Locator | None = None) -> None:
        self.seen: list[RedCells] = []
        self.best: list[View] = []
        self.size = (0, 0)
        self._locator = locator or Locator()

    def add(self, frame: Frame) -> None:
        """Adds a field. Raises UserError if its size differs from that of the others."""
        size = (frame.width, frame.height)
        if self.seen and size != self.size:
            raise UserError(
                f"{frame.source} has {size[0]}x{size[1]} pixels, and the pictures before it {self.size[0]}x"
                f"{self.size[1]}; a ruler is for one camera at one size: give pictures of one size."
            )
        located = self._locator.locate(frame)
        self.size = size
        self.seen.append(located.red_cells)
        self.best = sorted([*self.best, View(frame, located)], key=lambda each: -each.located.red_cells.own.cells)
        del self.best[_KEPT:]

    def enough(self) -> bool:
        """Whether further fields would hardly make the ruler surer."""
        count = len(self.seen)
        if count < _ENOUGH or count % _EVERY:
            return False
        try:
            return count >= MOST or not self.measure().more
        except UserError:
            return False

    def measure(self) -> "Measured":
        """The ruler of all fields. Raises UserError as the function `measure` does."""
        return measure(self.seen, self.size)


@dataclass(frozen=True)
class Measured:
    """A measured ruler.

    Attributes:
        ruler: the ruler.
        cells: number of red cells that were outlined.
        more: whether more pictures would make it surer.
    """

    ruler: Ruler
    cells: int
    more: bool


def measure(seen: Sequence[RedCells], size: tuple[int, int]) -> Measured:
    """The ruler of fields of one microscope.

    Args:
        seen: what each of them shows of its red cells.
        size: width and height of the pictures, pixels.

    Raises:
        UserError: where there are too few, where they have two magnifications, or where red cells can't be seen.
    """
    count = len(seen)
    if count < FEWEST:
        raise UserError(f"{count} pictures are too few for a ruler; give {FEWEST} or more fields of this microscope.")
    run = RedCellRuler()
    for each in seen:
        run.add(each)
    found = together(seen)
    if found is None or run.magnifications():
        raise UserError(
            "The red cells of some pictures are larger than those of others; give pictures of one microscope and one "
            "objective."
        )
    rng = np.random.default_rng(0)
    draws = [together([seen[i] for i in rng.integers(0, count, count)]) for _ in range(_DRAWS)]
    scatter = float(np.std([math.log(each.diameter) for each in draws if each]))
    spread = math.hypot(max(found.uncertainty, _LEAST), scatter)
    if found.cells < _SHOWN or spread > _WORTH:
        raise UserError(
            f"Red cells can't be measured in these {count} pictures: {found.cells:.0f} lie alone and are seen clearly. "
            "Add fields in focus in which red cells don't touch, or give --micrometres-per-pixel."
        )
    away = math.exp(NORMAL * spread)
    low, middle, high = (round(found.diameter * each, 2) for each in (1 / away, 1.0, away))
    ruler = Ruler(middle, low, high, *size, count)
    return Measured(ruler, round(found.cells), scatter > _SCATTERED)


def given(micrometres: float, size: tuple[int, int]) -> Ruler:
    """The ruler by the width of a pixel on the slide.

    In the 142 fields of chula_rbc12 with a scale bar, a pixel is 0.191 micrometres wide. So red cells have 36.2 pixels;
    measured are 36.0.

    Args:
        micrometres: width of a pixel.
        size: width and height of the pictures, pixels.

    Raises:
        UserError: where red cells would be too small or too large to be measured.
    """
    pixels = round(INSIDE * MICROMETRES / micrometres, 2)
    if not PIXELS[0] <= pixels <= PIXELS[1]:
        raise UserError(
            f"With {micrometres:g} micrometres per pixel, a red cell would have {pixels:g} pixels; check the number."
        )
    return Ruler(pixels, pixels, pixels, *size, 0)


def contradicts(measured: Ruler, ruler: Ruler) -> bool:
    """Whether what was measured contradicts a ruler that was given."""
    return abs(math.log(measured.red_cell / ruler.red_cell)) > math.log(_OTHERWISE)
