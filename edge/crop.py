"""A Cell -> the model's input. The one and only preprocessing: training and the Pi call the same function.

A policy is named and versioned, and the model file carries both: a change of pixels is a new version. Only operations
that give the same bytes on x86-64 and on a Pi are used.
"""

import numpy as np
from PIL import Image

from edge.cell import SIDE, Cell
from edge.frames import Frame
from edge.normalise import WHITE, alone, distance, normalise

POLICIES = {"whole-image": 1, "cell": 3, "normalised": 2}
LIGHT = WHITE  # what the background is brought to
_SAMPLES = 64  # of the background, along each axis


def crop(frame: Frame, cell: Cell, size: int, policy: str = "cell") -> np.ndarray:
    """The cell as the model wants it -> RGB uint8 [size, size, 3].

    "whole-image": the largest square in the middle of the cell's box, as it is. "cell": a square of 3.2 red
    cells' diameters round the nucleus, so that cells of every magnification come alike and small ones stay small; its
    light brought to the same white; what lies beyond the frame is white. "normalised": the same square, its light and
    its nucleus brought to the same densities by edge.normalise, the cell alone. Raises KeyError for another policy.
    """
    return {"whole-image": _whole, "cell": _cell, "normalised": _normalised}[policy](frame, cell, size)


def _whole(frame: Frame, cell: Cell, size: int) -> np.ndarray:
    x, y, width, height = cell.box
    side = min(width, height)
    left, top = x + (width - side) // 2, y + (height - side) // 2
    return _resize(frame.image[top : top + side, left : left + side], (0, 0, side, side), size)


def _cell(frame: Frame, cell: Cell, size: int) -> np.ndarray:
    white = _white(frame, cell)
    square, _ = _square(frame, cell, size, white)
    levels = np.arange(256)[:, None] * LIGHT // white.astype(np.int64)  # [level, channel]
    table = np.minimum(levels, 255).astype(np.uint8)
    return np.stack([table[square[..., c], c] for c in range(3)], axis=-1)


def _normalised(frame: Frame, cell: Cell, size: int) -> np.ndarray:
    square, beyond = _square(frame, cell, size)
    return alone(normalise(square, beyond), distance(size, nucleus(cell)))


def nucleus(cell: Cell) -> float:
    """The diameter of a cell's nucleus in shares of its square's width."""
    return cell.nucleus / (SIDE * cell.red_cell)


def _white(frame: Frame, cell: Cell) -> np.ndarray:
    """The light round a cell, from twice its square's width, uint8 [3]."""
    side = SIDE * cell.red_cell
    left, top = cell.centre[0] - side / 2, cell.centre[1] - side / 2
    return light(frame.image, (left - side / 2, top - side / 2, 2 * side))


def _square(
    frame: Frame, cell: Cell, size: int, white: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The square round a cell, uint8 [size, size, 3], and which of its pixels lie beyond the frame, bool [size, size],
    None where none does. white: _white()'s, where it is known; it's the colour of what lies beyond.
    """
    side = SIDE * cell.red_cell
    left, top = cell.centre[0] - side / 2, cell.centre[1] - side / 2
    # Whole pixels that hold the square, with what lies beyond the frame in the colour of its light.
    x0, y0 = int(np.floor(left)), int(np.floor(top))
    x1, y1 = int(np.ceil(left + side)), int(np.ceil(top + side))
    height, width = frame.image.shape[:2]
    window = frame.image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    beyond = None
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        inside, window = window, np.empty((y1 - y0, x1 - x0, 3), np.uint8)
        window[:] = _white(frame, cell) if white is None else white
        down, right = max(-y0, 0), max(-x0, 0)
        window[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
        middles = (np.arange(size) + 0.5) * side / size
        x, y = left + middles, top + middles
        beyond = ((x < 0) | (x >= width))[None, :] | ((y < 0) | (y >= height))[:, None]
    return _resize(window, (left - x0, top - y0, left - x0 + side, top - y0 + side), size), beyond


def light(image: np.ndarray, square: tuple[float, float, float]) -> np.ndarray:
    """The empty background's colour in a square (left, top, side) of an RGB image: its 90th percentile, uint8 [3].

    The neighbourhood's, not the whole field's, because lamps are uneven. At least 40, so that dark stays dark.
    """
    left, top, side = square
    step = max(1, int(side / _SAMPLES))
    height, width = image.shape[:2]
    x0, y0 = min(max(0, int(left)), width - 1), min(max(0, int(top)), height - 1)
    samples = image[y0 : max(y0 + 1, int(top + side)) : step, x0 : max(x0 + 1, int(left + side)) : step].reshape(-1, 3)
    place = len(samples) * 9 // 10
    return np.maximum(np.partition(samples, place, axis=0)[place], 40)


def _resize(image: np.ndarray, box: tuple[float, float, float, float], size: int) -> np.ndarray:
    """Pillow's BILINEAR: it averages what it shrinks, and its bytes are the same on x86-64 and on a Pi."""
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box)
    return np.asarray(resized)
