"""What training takes as the diameter of the red cells, which sets how much of a picture a crop shows.

Training measures it as the runner (edge) does. `train ablate` also tries other rulers, to show how much this one helps.
"""

from collections.abc import Sequence
from dataclasses import replace

from edge.cell import Cell
from edge.classify import Search

RULERS = ("run", "picture", "nucleus")
"""What sets the size of a crop.

run: the red cells of all pictures of a source and split, measured together as the runner does.
picture: the red cells of each picture, measured by themselves.
nucleus: the nucleus of each cell. All nuclei are then equally large in the crops, and their size tells nothing.
"""
_NUCLEUS = 1.5  # diameter of a nucleus in red-cell diameters: half way between a lymphocyte's and a monocyte's


def search(ruler: str, keep_whole: bool = False) -> Search:
    """The options for finding cells with a ruler of RULERS. keep_whole: see edge.classify.Search.

    Raises:
        ValueError: if there is no such ruler.
    """
    if ruler not in RULERS:
        raise ValueError(f"{ruler!r} is not one of {', '.join(RULERS)}")
    return Search(pooled=ruler == "run", keep_whole=keep_whole, pages=False)


def scaled(cells: Sequence[Cell], ruler: str) -> list[Cell]:
    """The cells that were found with the options of `search`, with the red-cell diameter by that ruler."""
    if ruler != "nucleus":
        return list(cells)
    return [replace(cell, red_cell=cell.nucleus / _NUCLEUS) for cell in cells]
