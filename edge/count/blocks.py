"""Draws a picture with characters on a terminal: each character shows two pixels, one above the other."""

import os

import numpy as np
from PIL import Image

_UPPER = "\u2580"  # the upper half of a character is filled


def blocks(picture: Image.Image, columns: int, rows: int, colours: int | None = None) -> list[str]:
    """A picture as lines of a terminal.

    Args:
        picture: RGB.
        columns, rows: the largest size in characters.
        colours: 2**24 or 256; None for what the terminal says that it can show.

    Returns:
        The lines, with escape sequences for the colours, each of the same width.
    """
    colours = colours or (1 << 24 if os.environ.get("COLORTERM", "") in ("truecolor", "24bit") else 256)
    scale = min(columns / picture.width, 2 * rows / picture.height)
    width, height = max(1, round(picture.width * scale)), max(2, round(picture.height * scale) // 2 * 2)
    pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        characters = [
            f"\x1b[38;{_colour(above, colours)};48;{_colour(below, colours)}m{_UPPER}"
            for above, below in zip(upper.tolist(), lower.tolist(), strict=True)
        ]
        lines.append("".join(characters) + "\x1b[0m")
    return lines


def _colour(rgb: list[int], colours: int) -> str:
    """The part of an escape sequence that names a colour."""
    if colours > 256:
        return "2;" + ";".join(map(str, rgb))
    red, green, blue = (round(each / 255 * 5) for each in rgb)
    return f"5;{16 + 36 * red + 6 * green + blue}"  # the cube of 6 x 6 x 6 colours
