"""The way of a picture: Frame -> Cells -> crops -> probabilities -> Decisions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edge.cell import Cell, single, whole_image
from edge.crop import crop
from edge.decide import Decision, decide
from edge.frames import Frame, Unreadable, read
from edge.model import Model
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


def classify(paths: Iterable[str], model: Model, find: Finder, lean: float = 0.0) -> Iterator[Answer | Unreadable]:
    """Reads and answers one picture after the other; one that can't be read is passed on as it is. lean: see shift."""
    for path in paths:
        frame = read(path)
        yield answer(frame, model, find, lean) if isinstance(frame, Frame) else frame


def leaning(paths: Iterable[str], model: Model, find: Finder) -> tuple[float | None, int]:
    """What edge.shift says of all cells in the pictures, and how many they are; the pictures are not kept."""
    frames = (frame for frame in map(read, paths) if isinstance(frame, Frame))
    seen = [float(_run(model, frame, cell)[1]) for frame in frames for cell in find(frame)]
    return shift(seen), len(seen)


def answer(frame: Frame, model: Model, find: Finder, lean: float = 0.0) -> Answer:
    cells = []
    for cell in find(frame):
        cells.append((cell, decide(_run(model, frame, cell), model.labels, model.temperature, lean)))
    return Answer(frame, cells)


def _run(model: Model, frame: Frame, cell: Cell) -> np.ndarray:
    return model.run(crop(frame, cell, model.size, model.policy))
