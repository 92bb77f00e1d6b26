"""Draws answers on their picture."""

from typing import Any

from PIL import Image, ImageDraw, ImageFont

from edge.classify import Answer
from edge.decide import REVIEW

_COLOURS = {"lymphocyte": (0, 90, 200), "monocyte": (200, 60, 0), REVIEW: (150, 0, 150)}
_OTHERS = (90, 90, 90)


def annotate(answer: Answer) -> Image.Image:
    """The picture with a box around each cell and its answer above the box, or below where there is no room above."""
    source = answer.picture
    picture = Image.fromarray(source.window(0, 0, source.width, source.height))
    draw = ImageDraw.Draw(picture)
    height = max(11, min(picture.size) // 26)
    font = letters(height)
    for cell, decision in answer.cells:
        x, y, w, h = cell.box
        colour = _COLOURS.get(decision.label, _OTHERS)
        confidence = decision.probabilities.get(decision.label)
        text = f"{decision.label} {confidence:.2f}" if confidence is not None else f"{REVIEW}: {decision.reason}"
        draw.rectangle((x, y, x + w - 1, y + h - 1), outline=colour, width=max(1, height // 8))
        tall, wide = round(height * 1.35), round(draw.textlength(text, font)) + height // 2
        top = y - tall if y >= tall else min(y + h, picture.height - tall)
        left = max(0, min(x, picture.width - wide))
        draw.rectangle((left, top, left + wide, top + tall - 1), fill=colour)
        draw.text((left + height // 4, top), text, "white", font)
    return picture


def letters(size: int) -> Any:
    """Pillow's default font, `size` pixels high. An old Pillow, as on 32-bit Bookworm, has only one size."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        return ImageFont.load_default()
