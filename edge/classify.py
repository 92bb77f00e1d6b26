"""The way of a picture: Frame -> Cells -> crops -> probabilities -> Decisions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.crop import crop
from edge.decide import Decision, decide
from edge.frames import Frame, Unreadable, read
from edge.locate import Cell, whole_image
from edge.model import Model


@dataclass(frozen=True)
class Answer:
    """One picture with its cells, each with what was decided of it."""

    frame: Frame
    cells: list[tuple[Cell, Decision]]


def classify(paths: Iterable[str], model: Model) -> Iterator[Answer | Unreadable]:
    """Reads and answers one picture after the other; one that can't be read is passed on as it is."""
    for path in paths:
        frame = read(path)
        yield answer(frame, model) if isinstance(frame, Frame) else frame


def answer(frame: Frame, model: Model) -> Answer:
    contract = model.contract
    cells = []
    for cell in whole_image(frame):
        probabilities = model.run(crop(frame, cell, contract.size))
        cells.append((cell, decide(probabilities, contract.labels, contract.temperature)))
    return Answer(frame, cells)
