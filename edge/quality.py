"""Is the picture of a cell fit to be judged?"""

from edge.cell import Cell
from edge.frames import Frame


def doubt(frame: Frame, cell: Cell) -> str:
    """What speaks against it, in a few words; "" for nothing."""
    return "cut by the border" if cell.at_border else ""
