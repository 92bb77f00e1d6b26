"""The way of a picture: Frame -> Cells -> crops -> probabilities -> Decisions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from edge.cell import Cell, single, whole_image
from edge.crop import crop
from edge.decide import Decision, Rules, decide
from edge.frames import Frame, Unreadable, read
from edge.model import Model, Seen
from edge.quality import doubt
from edge.shift import shift

Finder = Callable[[Frame], list[Cell]]


@dataclass(frozen=True)
class Answer:
    """One picture with its cells, each with what was decided of it."""

    frame: Frame
    cells: list[tuple[Cell, Decision]]


def finder(policy: str, *, one: bool = False, whole: bool = False, threads: int = 1) -> Finder:
    """What finds a frame's cells for a crop policy: all of them; the one in the middle; or the frame as a cell.

    A model that was trained on whole pictures gets whole pictures.
    """
    if whole or policy == "whole-image":
        return whole_image
    from edge.locate import Locator  # brings OpenCV, which whole pictures can do without

    locator = Locator(threads=threads)
    return (lambda frame: single(frame, locator.cells(frame))) if one else locator.cells


def classify(
    paths: Iterable[str], model: Model, find: Finder, rules: Rules, lean: float = 0.0
) -> Iterator[Answer | Unreadable]:
    """Reads and answers one picture after the other; one that can't be read is passed on as it is. lean: see shift."""
    for path in paths:
        frame = read(path)
        yield answer(frame, model, find, rules, lean) if isinstance(frame, Frame) else frame


def leaning(paths: Iterable[str], model: Model, find: Finder) -> tuple[float | None, int]:
    """What edge.shift says of all cells in the pictures that have a name, and how many they are; the pictures are not
    kept.
    """
    frames = (frame for frame in map(read, paths) if isinstance(frame, Frame))
    seen = [_see(model, frame, cell).kinds[:2] for frame in frames for cell in find(frame)]
    named = [float(names[1] / names.sum()) for names in seen if names.sum() >= 0.5]
    return shift(named), len(named)


def answer(frame: Frame, model: Model, find: Finder, rules: Rules, lean: float = 0.0) -> Answer:
    cells = []
    for cell in find(frame):
        seen = _see(model, frame, cell)
        cells.append((cell, decide(seen.kinds, rules, lean, seen.distance, partial(doubt, frame, cell))))
    return Answer(frame, cells)


def _see(model: Model, frame: Frame, cell: Cell) -> Seen:
    return model.see(crop(frame, cell, model.size, model.policy))
