"""A picture by which a person sees whether a ruler is right: circles as large as red cells, laid on red cells."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from edge.locate import shrink
from edge.output.annotate import letters
from edge.red_cells import diameter, round_things
from edge.site.profile import Ruler
from edge.site.ruler import View

_WIDE = 14  # red cells that a panel is wide
_SIDE = 560  # pixels of a panel
_FINE = 24  # pixels of a red cell in the picture in which red cells are searched
_NEAR = 1.35  # a round thing that is smaller or larger than a red cell by this factor is none
_GAP, _TEXT = 8, 26  # pixels
_COLOUR = (0, 90, 255)


def sheet(views: Sequence[View], ruler: Ruler) -> Image.Image:
    """Up to four fields with circles of the ruler's size on their red cells, and a line that says what to look for."""
    panels = [_panel(each, ruler.red_cell) for each in views]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    size = columns * (_SIDE + _GAP) + _GAP, _TEXT + rows * (_SIDE + _GAP) + _GAP
    picture = Image.new("RGB", size, "white")
    text = f"Circles: {ruler.red_cell:.1f} pixels. Right if they are as large as most red cells, or a little smaller."
    ImageDraw.Draw(picture).text((_GAP, _GAP), text, "black", letters(15))
    for number, panel in enumerate(panels):
        place = _GAP + number % columns * (_SIDE + _GAP), _TEXT + _GAP + number // columns * (_SIDE + _GAP)
        picture.paste(panel, place)
    return picture


def _panel(view: View, red_cell: float) -> Image.Image:
    frame = view.frame
    places = red_cells(view, red_cell) or [(frame.width / 2, frame.height / 2)]
    side = min(_WIDE * red_cell, frame.width, frame.height)
    left, top = _window(places, side, frame.width, frame.height)
    zoom = _SIDE / side
    box = (left, top, left + side, top + side)
    panel = Image.fromarray(frame.image).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box)
    draw = ImageDraw.Draw(panel)
    for x, y in places:
        middle_x, middle_y, radius = zoom * (x - left), zoom * (y - top), zoom * red_cell / 2
        draw.ellipse((middle_x - radius, middle_y - radius, middle_x + radius, middle_y + radius), None, _COLOUR, 2)
    return panel


def red_cells(view: View, red_cell: float) -> list[tuple[float, float]]:
    """The middles of red cells that lie alone, in pixels of the frame. red_cell: their diameter in the same pixels."""
    frame = view.frame
    small = shrink(frame.image, max(64, round(max(frame.width, frame.height) * min(1.0, _FINE / red_cell))))
    scale = max(frame.width, frame.height) / max(small.shape[:2])
    things, _ = round_things(small, np.zeros((-(-small.shape[0] // 2), -(-small.shape[1] // 2)), np.uint8))
    nuclei = [(each.x, each.y, each.diameter / 2) for each in view.located.nuclei]
    found: list[tuple[float, float]] = []
    for x, y, size in things:
        middle = (scale * x, scale * y)
        near = red_cell / _NEAR < scale * diameter(size) < red_cell * _NEAR
        hidden = any(math.dist(middle, each[:2]) < each[2] for each in nuclei)
        if near and not hidden and all(math.dist(middle, other) > red_cell / 2 for other in found):
            found.append(middle)
    return found


def _window(places: Sequence[tuple[float, float]], side: float, width: int, height: int) -> tuple[float, float]:
    """The left upper corner of the square around one of the places that holds the most of them."""

    def held(corner: tuple[float, float]) -> int:
        return sum(all(0 < at - start < side for at, start in zip(each, corner, strict=True)) for each in places)

    corners = [
        (min(max(0.0, x - side / 2), width - side), min(max(0.0, y - side / 2), height - side)) for x, y in places
    ]
    return max(corners, key=held)
