"""How large the red cells of a training picture are taken to be, which sets how much of the picture a crop shows.

Training takes them as the runner does. `train ablate` shows what that brings, by taking them otherwise.
"""

from collections.abc import Sequence
from dataclasses import replace

from edge.cell import Cell
from edge.classify import Search

RULERS = ("run", "picture", "nucleus")
"""By what the size of a crop is set.

run: the red cells of all pictures of a source and split together, as the runner does it.
picture: the red cells of each picture by itself.
nucleus: the nucleus of each cell, so that all nuclei come out equally large and size tells nothing.
"""
_NUCLEUS = 1.5  # diameter of a nucleus in red-cell diameters: half way between a lymphocyte's and a monocyte's


def search(ruler: str, keep_whole: bool = False) -> Search:
    """How cells are searched for by one of RULERS; keep_whole: as of edge.classify.Search.

    Raises:
        ValueError: for another ruler.
    """
    if ruler not in RULERS:
        raise ValueError(f"{ruler!r} is none of {', '.join(RULERS)}")
    return Search(pooled=ruler == "run", keep_whole=keep_whole)


def scaled(cells: Sequence[Cell], ruler: str) -> list[Cell]:
    """The cells that such a search found, with their red cells by that ruler."""
    if ruler != "nucleus":
        return list(cells)
    return [replace(cell, red_cell=cell.nucleus / _NUCLEUS) for cell in cells]
