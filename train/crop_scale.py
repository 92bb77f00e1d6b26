"""By what the size of a training crop is set: what the run's ruler brings is seen by leaving it out (train.ablate)."""

from collections.abc import Sequence
from dataclasses import replace

from edge import classify
from edge.cell import Cell
from edge.frames import Frame

_NUCLEUS = 1.5  # diameters of a red cell: half way between a lymphocyte's and a monocyte's


def finder(policy: str, ruler: str, run: Sequence[str]) -> classify.Finder:
    """What finds a frame's cells for a crop policy. run: the paths of the pictures that it will be given.

    ruler: "run", the red cells of all of them, as the runner does; "picture", each picture's own; "nucleus", each
    cell's nucleus, so that all come equally large and none is told by its size.
    """
    find = classify.finder(policy, run=run if ruler == "run" else ())
    if ruler != "nucleus":
        return find

    def alike(frame: Frame) -> list[Cell]:
        return [replace(cell, red_cell=cell.nucleus / _NUCLEUS) for cell in find(frame)]

    return alike
