"""Draws answers on their picture."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import REVIEW, Decision

_COLOURS = {"lymphocyte": (0, 90, 200), "monocyte": (200, 60, 0), REVIEW: (150, 0, 150)}
_OTHERS = (90, 90, 90)


class Box(NamedTuple):
    """A rectangle in pixels; right and bottom lie outside it."""

    left: int
    top: int
    right: int
    bottom: int

    def shared(self, other: "Box") -> int:
        """The number of pixels that lie in both."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * tall if wide > 0 and tall > 0 else 0


class Label(NamedTuple):
    """A label on a picture: where it is, what it says, and the answer, which gives its colour."""

    box: Box
    text: str
    answer: str


def colour(answer: str) -> tuple[int, int, int]:
    """The colour of an answer's boxes, RGB."""
    return _COLOURS.get(answer, _OTHERS)


def annotate(answer: Answer) -> Image.Image:
    """The picture with a box around each cell and a label at the box: the cell's number, its answer, and the reason.

    No label leaves the picture or covers another one. Where there is no room for a whole label, it has the answer
    without the reason, or the number alone.
    """
    source = answer.picture
    picture = Image.fromarray(source.window(0, 0, source.width, source.height))
    draw_answers(picture, answer.cells, numbered=len(answer.cells) > 1)
    return picture


def draw_answers(picture: Image.Image, cells: Sequence[tuple[Cell, Decision]], numbered: bool = True) -> None:
    """Draws boxes and labels on a picture. numbered: whether labels begin with the number of the cell."""
    draw = ImageDraw.Draw(picture)
    height = max(11, min(picture.size) // 26)
    font = letters(height)

    def size(text: str) -> tuple[int, int]:
        return round(draw.textlength(text, font)) + height // 2, round(height * 1.35)

    for cell, decision in cells:
        left, top, right, bottom = _box(cell)
        line = max(1, height // 8)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour(decision.label), width=line)
    for label in labels(cells, picture.size, size, numbered):
        left, top, right, bottom = label.box
        draw.rectangle((left, top, right - 1, bottom - 1), fill=colour(label.answer))
        draw.text((left + height // 4, top), label.text, "white", font)


def labels(
    cells: Sequence[tuple[Cell, Decision]],
    picture: tuple[int, int],
    size: Callable[[str], tuple[int, int]],
    numbered: bool = True,
) -> list[Label]:
    """The labels of a picture's cells. One is missing where there is no room even for its number.

    Args:
        cells: the cells with their answers.
        picture: width and height of the picture, pixels.
        size: gives the width and height of a label with a text, pixels.
        numbered: whether labels begin with the number of the cell.
    """
    boxes = [_box(cell) for cell, _ in cells]
    result: list[Label] = []
    for box, (cell, decision) in zip(boxes, cells, strict=True):
        free = []
        for text in _texts(cell.number, decision, numbered):
            for place in _places(box, size(text), picture):
                if not any(place.shared(other.box) for other in result):
                    hidden = sum(map(place.shared, boxes))
                    free.append((hidden, Label(place, text, decision.label)))
        if free:
            result.append(min(free, key=lambda each: each[0])[1])  # of those that hide least of the cells, the first
    return result


def _box(cell: Cell) -> Box:
    x, y, width, height = cell.box
    return Box(x, y, x + width, y + height)


def _texts(number: int, decision: Decision, numbered: bool) -> list[str]:
    """What a label may say, the longest first."""
    prefix = f"#{number} " if numbered else ""
    confidence = decision.probabilities.get(decision.label)
    short = f"{prefix}{decision.label}"
    whole = f"{short}: {decision.reason}" if confidence is None else f"{short} {confidence:.2f}"
    return [whole, short, *([f"#{number}"] if numbered else [])]


def _places(box: Box, size: tuple[int, int], picture: tuple[int, int]) -> Iterator[Box]:
    """Where a label may stand in the picture: above its box, below, to the left, to the right, or inside.

    size, picture: width and height of the label and of the picture, pixels.
    """
    wide, tall = size
    if wide > picture[0] or tall > picture[1]:
        return
    lefts = (box.left, box.right - wide, (box.left + box.right - wide) // 2)
    tops = (box.top, box.bottom - tall, (box.top + box.bottom - tall) // 2)
    corners = [(left, top) for top in (box.top - tall, box.bottom) for left in lefts]
    corners += [(left, top) for left in (box.left - wide, box.right) for top in tops]
    corners += [(left, top) for top in tops for left in lefts]
    for left, top in corners:
        left, top = max(0, min(left, picture[0] - wide)), max(0, min(top, picture[1] - tall))
        yield Box(left, top, left + wide, top + tall)


def letters(size: int) -> Any:
    """Pillow's default font, `size` pixels high. An old Pillow, as on 32-bit Bookworm, has only one size."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        return ImageFont.load_default()
