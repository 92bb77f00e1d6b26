"""The way of a picture: Frame -> Cells -> crops -> probabilities -> Decisions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edge.cell import Cell, single, whole_image
from edge.crop import crop
from edge.decide import Decision, Rules, decide
from edge.frames import Frame, Unreadable, read
from edge.model import Model, Seen
from edge.quality import doubt
from edge.site.unlabelled_threshold import shift

Finder = Callable[[Frame], list[Cell]]
_SURVEY = 200  # pictures of a run, spread over it, in which red cells are measured


@dataclass(frozen=True)
class Answer:
    """One picture with its cells, each with what was decided of it."""

    frame: Frame
    cells: list[tuple[Cell, Decision]]


def finder(
    policy: str,
    *,
    one: bool = False,
    whole: bool = False,
    threads: int = 1,
    run: Sequence[str | Frame] = (),
    red_cell: float | None = None,
) -> Finder:
    """What finds a frame's cells for a crop policy: all of them; the one in the middle; or the frame as a cell.

    A model that was trained on whole pictures gets whole pictures. run: pictures of one microscope, whose red cells
    are measured together, now; the finder is for these. red_cell: their diameter in pixels, where it is known.
    """
    if whole or policy == "whole-image":
        return whole_image
    from edge.locate import Locator  # brings OpenCV, which whole pictures can do without
    from edge.red_cells import FEWEST, Scale

    locator, scale = Locator(threads=threads), Scale(fixed=red_cell)
    if len(run) >= FEWEST and not red_cell:
        for each in run[:: -(-len(run) // _SURVEY)]:
            frame = read(each) if isinstance(each, str) else each
            if isinstance(frame, Frame):
                locator.look(frame, scale)
    scale.measuring = False
    return (
        (lambda frame: single(frame, locator.cells(frame, scale))) if one else lambda frame: locator.cells(frame, scale)
    )


def classify(
    paths: Iterable[str], model: Model, find: Finder, rules: Rules, lean: float = 0.0
) -> Iterator[Answer | Unreadable]:
    """Reads and answers one picture after the other; one that can't be read is passed on as it is. lean: see shift."""
    for path in paths:
        frame = read(path)
        yield answer(frame, model, find, rules, lean) if isinstance(frame, Frame) else frame


def leaning(paths: Iterable[str], model: Model, find: Finder) -> tuple[float | None, int]:
    """What edge.site.unlabelled_threshold says of all cells in the pictures that have a name, and how many they are; the pictures are not
    kept.
    """
    frames = (frame for frame in map(read, paths) if isinstance(frame, Frame))
    seen = [see(model, frame, cell).kinds[:2] for frame in frames for cell in find(frame)]
    named = [float(names[1] / names.sum()) for names in seen if names.sum() >= 0.5]
    return shift(named), len(named)


def answer(frame: Frame, model: Model, find: Finder, rules: Rules, lean: float = 0.0) -> Answer:
    cells = []
    for cell in find(frame):
        seen = see(model, frame, cell)
        cells.append((cell, decide(seen.kinds, rules, lean, seen.distance, partial(doubt, frame, cell))))
    return Answer(frame, cells)


def see(model: Model, frame: Frame, cell: Cell) -> Seen:
    """What the model sees in a cell; where its ruler is unsure, the mean over what it may be."""
    return mean([model.see(each) for each in crops(model, frame, cell)])


def crops(model: Model, frame: Frame, cell: Cell) -> list[np.ndarray]:
    """uint8 [size, size, 3] of the cell as the model wants it: one, or one by each ruler that may be right."""
    rulers = [cell]
    if cell.unsure:
        factors = (1 / (1 + cell.unsure), 1, 1 + cell.unsure)
        rulers = [replace(cell, red_cell=cell.red_cell * each) for each in factors]
    return [crop(frame, each, model.size, model.policy) for each in rulers]


def mean(seen: Sequence[Seen]) -> Seen:
    """A cell that is called one thing by one ruler and another by the next is doubtful."""
    if len(seen) == 1:
        return seen[0]
    kinds, features = (np.stack(each).mean(axis=0) for each in ([s.kinds for s in seen], [s.features for s in seen]))
    return Seen(kinds, features, max(each.distance for each in seen))
