"""The white cells in a Frame -> Cell. The locator itself comes next; until then the whole picture is the cell."""

from dataclasses import dataclass

from edge.frames import Frame


@dataclass(frozen=True)
class Cell:
    """One white cell: box is (x, y, width, height) in pixels of its frame, number counts from 0 in that frame."""

    box: tuple[int, int, int, int]
    number: int


def whole_image(frame: Frame) -> list[Cell]:
    """The frame as one cell that fills it."""
    height, width = frame.image.shape[:2]
    return [Cell((0, 0, width, height), 0)]
