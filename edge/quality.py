"""Is the picture of a cell fit to be judged?"""

import numpy as np

from edge.cell import SIDE, Cell
from edge.frames import Frame

_SAMPLE = 32  # pixels along the shorter side, of which light is judged


def doubt(frame: Frame, cell: Cell) -> str:
    """What speaks against it, in a few words; "" for nothing.

    By the limits of edge.view, in a square round the cell. On raabin's and pbc's val pictures none speaks against one
    cell in a hundred; blurred by 3/32 of a red cell half of raabin's are out of focus, by 4/32 all.
    """
    height, width = frame.image.shape[:2]
    if cell.box == (0, 0, width, height):  # the picture was taken for the cell, and there is nothing to measure by
        return ""
    from edge import view  # brings OpenCV, which such a picture doesn't need

    if cell.at_border:
        return "cut by the border"
    r, (x, y) = SIDE * cell.red_cell / 2, cell.centre
    place = frame.image[max(0, int(y - r)) : int(y + r), max(0, int(x - r)) : int(x + r)]
    step = max(1, min(place.shape[:2]) // _SAMPLE)
    sample = place[::step, ::step]
    if 0 < view.sharpness(place, cell.red_cell) < view.USELESS:
        return "out of focus"
    if (sample.min(axis=2) >= 254).mean() > view.CLIPPED:
        return "too bright"
    return "too dark" if np.percentile(sample[..., 1], 90) < view.DIM else ""
