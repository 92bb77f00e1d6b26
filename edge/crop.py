"""A Cell -> the model's input. This is the only preprocessing: training and the Pi call the same function.

A policy is a way to crop. It has a name and a version, and the model file records both. If the pixels of a policy
change, so must its version. Only operations that give the same bytes on x86-64 and on a Pi are used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge.cell import SIDE, Cell
from edge.field.halving import halved
from edge.field.outline import Outline, hidden
from edge.frames import Picture
from edge.normalise import WHITE, alone, distance, normalise
from edge.stain import quantile

POLICIES = {"whole-image": 2, "cell": 4, "normalised": 3}  # name -> version
LIGHT = WHITE  # level (0 to 255) to which the background is brought
_PIECE = 4_000_000  # pixels that are shrunk at once
_SAMPLES = 64  # pixels along each axis from which the light is measured


def crop(picture: Picture, cell: Cell, size: int, policy: str = "cell") -> np.ndarray:
    """Cuts a cell out of its picture, as the model needs it: RGB uint8 [size, size, 3].

    Args:
        picture: the picture that shows the cell.
        cell: its centre and the diameter of its red cells determine the square that is cut out.
        size: width and height of the result in pixels.
        policy: a key of POLICIES.
            "whole-image": the largest square in the middle of the cell's box, unchanged.
            "cell": a square around the nucleus, 3.2 red-cell diameters wide. Cells therefore look the same at every
            magnification, and small cells stay small. The background is brought to the same white in all crops, and
            so is whatever lies outside the picture, or outside its field where something surrounds that.
            "normalised": the same square, but edge.normalise brings light and nucleus to fixed optical densities and
            makes everything except the cell white.

    Raises:
        KeyError: if the policy is unknown.
    """
    return {"whole-image": _whole, "cell": _cell, "normalised": _normalised}[policy](picture, cell, size)


def extent(picture: Picture, cell: Cell, policy: str) -> tuple[int, int, int, int]:
    """The box of pixels that crop() and edge.quality read for a cell: (left, top, right, bottom), inside the picture.

    It is the cell's square, or one twice as wide if the light around the cell is measured. The policy "cell" always
    measures the light. The policy "normalised" measures it if the square reaches beyond the picture.
    """
    side = SIDE * cell.red_cell
    (x, y), half = cell.centre, side / 2
    beyond = x < half or y < half or x + half > picture.width or y + half > picture.height
    if cell.lit and not cell.lit.covers(x - half, y - half, x + half, y + half):
        beyond = True
    if policy == "cell" or beyond:
        half *= 2
    left, top = max(0, int(x - half) - 1), max(0, int(y - half) - 1)
    return left, top, min(picture.width, int(x + half) + 2), min(picture.height, int(y + half) + 2)


def nucleus(cell: Cell) -> float:
    """The diameter of a cell's nucleus, divided by the width of its square."""
    return cell.nucleus / (SIDE * cell.red_cell)


def _whole(picture: Picture, cell: Cell, size: int) -> np.ndarray:
    x, y, width, height = cell.box
    square = Square.around((x + width / 2, y + height / 2), min(width, height), size)
    return _shrunk(lambda part: picture.window(*part), square, size)


def _cell(picture: Picture, cell: Cell, size: int) -> np.ndarray:
    white = _white(picture, cell)
    square, _ = _square(picture, cell, size, white)
    levels = np.arange(256)[:, None] * LIGHT // white.astype(np.int64)  # [level, channel]
    table = np.minimum(levels, 255).astype(np.uint8)
    result = np.empty_like(square)
    for channel in range(3):  # bytes.translate is ten times as fast as an index
        mapped = square[..., channel].tobytes().translate(table[:, channel].tobytes())
        result[..., channel] = np.frombuffer(mapped, np.uint8).reshape(size, size)
    return result


def _normalised(picture: Picture, cell: Cell, size: int) -> np.ndarray:
    square, beyond = _square(picture, cell, size)
    return alone(normalise(square, beyond), distance(size, nucleus(cell)))


def _white(picture: Picture, cell: Cell) -> np.ndarray:
    """The colour of the light around a cell, uint8 [3], measured in a square twice as wide as its own."""
    side = SIDE * cell.red_cell
    left, top = cell.centre[0] - side / 2, cell.centre[1] - side / 2
    return light(picture, (left - side / 2, top - side / 2, 2 * side), cell.lit)


def _square(
    picture: Picture, cell: Cell, size: int, white: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The square around a cell.

    Args:
        white: colour for the pixels beyond the picture, uint8 [3]; None to measure it if it is needed.

    Returns:
        Its pixels, uint8 [size, size, 3], and a mask of the pixels beyond the picture, bool [size, size]; None instead
        of the mask if there are no such pixels.
    """
    square = Square.around(cell.centre, SIDE * cell.red_cell, size)
    # Pixels beyond the picture or its field get the colour of the light.
    box = x0, y0, x1, y1 = square.box
    reaches_out = x0 < 0 or y0 < 0 or x1 > picture.width or y1 > picture.height
    lit = None if cell.lit is None or cell.lit.covers(*box) else cell.lit
    if white is None and (reaches_out or lit):
        white = _white(picture, cell)
    beyond = None
    if reaches_out or lit:
        x, y = (start + (np.arange(size) + 0.5) * square.side / size for start in (x0, y0))
        beyond = ((x < 0) | (x >= picture.width))[None, :] | ((y < 0) | (y >= picture.height))[:, None]
        if lit:
            beyond |= lit.outside(x, y)
    return _shrunk(lambda part: _filled(picture, part, white, lit), square, size), beyond


def _filled(
    picture: Picture, box: tuple[int, int, int, int], white: np.ndarray | None, lit: Outline | None
) -> np.ndarray:
    """The pixels of a box, in which those beyond the picture and outside of its lit part have the colour `white`."""
    x0, y0, x1, y1 = box
    window = picture.window(*box)
    if window.shape[:2] != (y1 - y0, x1 - x0):
        inside, window = window, np.empty((y1 - y0, x1 - x0, 3), np.uint8)
        row, column = max(-y0, 0), max(-x0, 0)
        below, right = row + inside.shape[0], column + inside.shape[1]
        window[:row], window[below:], window[:, :column], window[:, right:] = white, white, white, white
        window[row:below, column:right] = inside
    outside = hidden(lit, box)
    if outside is not None:
        window = window.copy()
        window[outside] = white
    return window


@dataclass(frozen=True)
class Square:
    """The whole pixels of a picture that a crop is made of.

    Attributes:
        left, top: its corner.
        side: its width and height, a multiple of `step`.
        step: how much it is shrunk by halving: 1, 2, 4 and so on.
    """

    left: int
    top: int
    side: int
    step: int

    @classmethod
    def around(cls, centre: tuple[float, float], side: float, size: int) -> "Square":
        """The square around a point that is nearest to one of this side. size: width and height of the crop, pixels.

        It is at most half a pixel wider, and at most 1 / size narrower.
        """
        step = 1
        while side >= 2 * step * size:
            step *= 2
        whole = max(1, int((side + 0.5) // step)) * step
        left, top = (math.floor(each - whole / 2 + 0.5) for each in centre)
        return cls(left, top, whole, step)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom)."""
        return self.left, self.top, self.left + self.side, self.top + self.side


def _shrunk(pixels: Callable[[tuple[int, int, int, int]], np.ndarray], square: Square, size: int) -> np.ndarray:
    """A square as uint8 [size, size, 3]. A large one is shrunk in pieces, to the same bytes.

    It is halved as often as possible, which averages its pixels. Then it is resized between pixels. OpenCV does both
    exactly, so all machines get the same bytes.

    Args:
        pixels: gives the pixels of a box.
        square: what is shrunk.
        size: width and height of the result, pixels.
    """
    x0, y0, x1, y1 = square.box
    rows = max(1, _PIECE // (square.side * square.step)) * square.step
    parts = [halved(pixels((x0, y, x1, min(y + rows, y1))), square.step) for y in range(y0, y1, rows)]
    image = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)


def light(picture: Picture, square: tuple[float, float, float], lit: Outline | None = None) -> np.ndarray:
    """The colour of the empty background in a square (left, top, side): the 90th percentile of each channel, uint8 [3].

    lit: the outline of the picture's field, if something surrounds it, which is then not measured. The light is
    measured near the cell and not in the whole field, because lamps light a field unevenly. Each channel is at
    least 40, so that a dark picture stays dark.
    """
    left, top, side = square
    step = max(1, int(side / _SAMPLES))
    x0 = min(max(0, int(left)), picture.width - 1)
    y0 = min(max(0, int(top)), picture.height - 1)
    x1, y1 = max(x0 + 1, int(left + side)), max(y0 + 1, int(top + side))
    samples = picture.window(x0, y0, x1, y1)[::step, ::step]
    outside = hidden(lit, (x0, y0, min(x1, picture.width), min(y1, picture.height)), step)
    samples = samples.reshape(-1, 3) if outside is None else samples[~outside]
    return np.array([max(int(quantile(channel, 9, 10)), 40) for channel in samples.T], np.uint8)
