"""The way of a picture: Frame -> Cells -> crops -> probabilities -> Decisions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edge.cell import Cell, single, whole_image
from edge.crop import crop
from edge.decide import Decision, decide
from edge.frames import Frame, Unreadable, read
from edge.model import Model

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


def classify(paths: Iterable[str], model: Model, find: Finder) -> Iterator[Answer | Unreadable]:
    """Reads and answers one picture after the other; one that can't be read is passed on as it is."""
    for path in paths:
        frame = read(path)
        yield answer(frame, model, find) if isinstance(frame, Frame) else frame


def answer(frame: Frame, model: Model, find: Finder) -> Answer:
    cells = []
    for cell in find(frame):
        probabilities = model.run(crop(frame, cell, model.size, model.policy))
        cells.append((cell, decide(probabilities, model.labels, model.temperature)))
    return Answer(frame, cells)
