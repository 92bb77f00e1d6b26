"""A Cell -> the model's input. The one and only preprocessing: training and the Pi call the same function.

Its policy is named and versioned, and the model file carries both: a change of pixels is a new version.
"""

import numpy as np
from PIL import Image

from edge.frames import Frame
from edge.locate import Cell

POLICY = "whole-image"
VERSION = 1


def crop(frame: Frame, cell: Cell, size: int) -> np.ndarray:
    """The largest square in the middle of the cell's box, resized -> RGB uint8 [size, size, 3].

    Pillow's BILINEAR, because it averages what it shrinks and its bytes are the same on x86-64 and on a Pi.
    """
    x, y, width, height = cell.box
    side = min(width, height)
    left, top = x + (width - side) // 2, y + (height - side) // 2
    square = Image.fromarray(frame.image[top : top + side, left : left + side])
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
