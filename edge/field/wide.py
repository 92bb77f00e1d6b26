"""Wide fields: where red cells are too small for the locator's network, the field is located in tiles that overlap.

The network learned red cells of 14 pixels and more. In a field that is 44 red cells wide, they have 7, and two thirds
of the white cells are missed. So the width of a red cell is measured first, at a larger scale, in a few places. The
tiles are such that a red cell has about 18 pixels in each. A field whose red cells are large enough is left as it is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cell import NO_RULER
from edge.red_cells import Measure, RedCells
from edge.stain import median

if TYPE_CHECKING:
    from edge.locate import Located, Nucleus

INPUT = 320  # pixels, the sides of the locator's input
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the frame
See = Callable[[Box], "Located"]  # finds the nuclei in a box of the frame

# Widths of a red cell, in pixels of the locator's input. Below the first, the field is cut into tiles; the second is
# what tiles aim at. Fields of one microscope's camera (chula_rpi, chula_rbc12, bccd, krd_wbc, draaslan) have 14 and
# more. In mosaics of bccd, recall is 0.98 with 14, 0.87 with 11, and 0.25 with 7.
SMALL, RIGHT = 12.5, 18.0
# Pixels of the frame: cells of pictures whose red cells are smaller show too little to be found and judged.
FEWEST = 7.5
_ALMOST = 17.7  # the network says 15 to 17.5 of red cells smaller than SMALL, and 17.4 and more of those in such fields
# How much stronger the finest detail may be than the coarser, in percent. It is 23 to 61 in fields of bccd, krd_wbc,
# draaslan and chula_rbc12, 29 to 88 in those of chula_rpi, and 73 to 107 in mosaics of chula_rpi.
_FINE = 72
_CLEAR = 12.0  # pixels of the input: red cells of this width and more are outlined well
_LARGEST = 0.35  # pixels of the frame in one of the input: to be measured, red cells are enlarged up to this
_SEEN = 3.0  # red cells that must be outlined in all places together
_PLACES = 3  # along each side, at most, in which red cells are measured
_OVERLAP = 4.0  # red cells by which tiles overlap: the widest white cell lies whole in one of them
_TWICE = 0.95  # red cells: nuclei of two tiles that are nearer than this are one


def look_closer(whole: "Located", see: See) -> "Located":
    """Locates the cells of a field in tiles, if its red cells are too small to do it at once.

    Args:
        whole: what was found in the whole field.
        see: finds the nuclei in a box of it.

    Returns:
        `whole`, if the red cells are large enough or can't be measured, or if the tiles show no further cells: the
        rings in red cells that are out of focus were taken for small cells. Otherwise, what was found in all tiles.
    """
    if not _suspect(whole):
        return whole
    red_cell = _red_cell(whole, see)
    if red_cell is None or red_cell.diameter >= SMALL * whole.scale:
        return whole
    if red_cell.diameter < FEWEST:
        whole = replace(whole, too_small=red_cell.diameter)
    scale = _scale(whole.scale, red_cell.diameter)
    if scale >= whole.scale:
        return whole
    tiles = _in_tiles(whole, see, scale, red_cell.diameter)
    return tiles if any(_new(each, whole.nuclei) for each in tiles.nuclei) else whole


def too_small(red_cell: float) -> str:
    """Why the cells of a field can't be judged, in a few words. red_cell: its width in pixels of the frame."""
    return f"red cells are about {red_cell:.0f} pixels wide, but 8 are needed: use a stronger objective"


def _suspect(whole: "Located") -> bool:
    """Whether the red cells of a field may be too small. This takes a tenth of a millisecond."""
    assert whole.trace
    if whole.estimate < _ALMOST or whole.red_cells.own.diameter < SMALL:
        return True
    green = cv2.extractChannel(whole.trace.small, 1)
    soft, softer = cv2.blur(green, (3, 3)), cv2.blur(green, (9, 9))
    return 100**2 * _variance(green, soft) > _FINE**2 * _variance(soft, softer)


def _variance(one: np.ndarray, other: np.ndarray) -> int:
    """The variance of the difference of two pictures, uint8 [h, w], multiplied by the square of the number of pixels.

    The sums are over integers, so that all machines agree; norm() may be off by less than a half.
    """
    squares = round(cv2.norm(one, other, cv2.NORM_L2SQR))
    total = int(cv2.sumElems(one)[0]) - int(cv2.sumElems(other)[0])
    return one.size * squares - total**2


def _red_cell(whole: "Located", see: See) -> Measure | None:
    """The width of a red cell in pixels of the frame, measured in a few places that are ever more enlarged.

    None if it can't be measured.
    """
    found = None
    scale = whole.scale
    while found is None and scale > _LARGEST:
        scale = max(scale / 2, _LARGEST)
        side = _side(scale)
        boxes = _shown(whole, _boxes(whole.box, side, side, _PLACES))
        seen = _together([see(box) for box in boxes], whole.side)
        own = seen.own
        if own.uncertainty < NO_RULER and own.cells >= _SEEN and own.diameter >= _CLEAR:
            found = own.times(seen.scale)
    return found


def _scale(whole: float, red_cell: float) -> float:
    """The scale of tiles in which a red cell has about RIGHT pixels: the whole field's, divided by a power of 2**0.5.

    So pictures of one microscope get the same scale and can be measured together. It isn't below 1.
    """
    steps = round(2 * math.log2(whole * RIGHT / red_cell))
    return max(1.0, whole / 2 ** (steps / 2))


def _side(scale: float) -> int:
    return round(INPUT * scale)


def _boxes(field: Box, side: int, step: float, most: int | None = None) -> list[Box]:
    """Tiles that cover a field evenly, row by row.

    Args:
        field: the box to cover.
        side: of the tiles, pixels; less where the field is smaller.
        step: the largest distance from one tile to the next.
        most: the largest number of tiles along each side; with so many, they may leave gaps.
    """
    left, top, right, bottom = field
    rows, columns = (_starts(length, side, step, most) for length in (bottom - top, right - left))
    return [
        (left + x, top + y, min(right, left + x + side), min(bottom, top + y + side)) for y in rows for x in columns
    ]


def _starts(length: int, side: int, step: float, most: int | None) -> list[int]:
    count = max(1, math.ceil((length - side) / step) + 1)
    count = min(count, most) if most else count
    return [(length - side) * i // (count - 1) for i in range(count)] if count > 1 else [max(0, (length - side) // 2)]


def _shown(whole: "Located", boxes: Sequence[Box]) -> list[Box]:
    """Those boxes in which something of the field is seen."""
    hidden = whole.trace.hidden if whole.trace else None
    return [box for box in boxes if hidden is None or not hidden[_place(box, whole, hidden)].all()] or list(boxes)


def _place(box: Box, whole: "Located", marks: np.ndarray) -> tuple[slice, slice]:
    """Where a box of the frame lies in the marks of the whole field."""
    left, top, right, bottom = whole.box
    rows, columns = marks.shape
    x0, x1 = ((v - left) * columns // (right - left) for v in (box[0], box[2]))
    y0, y1 = ((v - top) * rows // (bottom - top) for v in (box[1], box[3]))
    return slice(y0, max(y1, y0 + 1)), slice(x0, max(x1, x0 + 1))


def _together(seen: Sequence["Located"], side: int) -> RedCells:
    """What several tiles of one scale show of their red cells."""
    parts = [each.red_cells for each in seen]
    return RedCells(
        side=side,
        scale=parts[0].scale,
        estimate=round(median([each.estimate for each in parts]), 2),
        outlines=np.sum([each.outlines for each in parts], axis=0),
        contrast=int(median([each.contrast for each in parts])),
        nuclei=tuple(nucleus for each in parts for nucleus in each.nuclei),
        views=len(parts),
    )


def _in_tiles(whole: "Located", see: See, scale: float, red_cell: float) -> "Located":
    """Locates the cells of a field in tiles.

    Each place lies so deep in one tile that a white cell there is whole. What a tile finds nearer to its border is left
    to its neighbours. scale: of the tiles; red_cell: width of a red cell in pixels of the frame.
    """
    assert whole.trace
    side, overlap = _side(scale), _OVERLAP * red_cell
    tiles: list[Located] = []
    found: list[tuple[float, int, Nucleus]] = []
    refused: list[tuple[float, float, str]] = []
    marks = np.zeros_like(whole.trace.marks)
    for box in _shown(whole, _boxes(whole.box, side, max(side - overlap, side / 2))):
        tile = see(box)
        assert tile.trace
        depth = partial(_depth, box, whole.box)
        least = min(overlap, side / 2) / 2 - red_cell / 2
        found += [(depth(n.x, n.y), len(tiles), n) for n in tile.nuclei if depth(n.x, n.y) >= least]
        refused += [each for each in tile.trace.refused if depth(*each[:2]) >= least]
        shown = marks[_place(box, whole, marks)]
        np.maximum(shown, cv2.resize(tile.trace.marks, shown.shape[::-1], interpolation=cv2.INTER_AREA), out=shown)
        tiles.append(tile.without_trace())
    kept: list[tuple[int, Nucleus]] = []
    for _, number, n in sorted(found, key=lambda each: -each[0]):
        if not any(number != other and math.hypot(n.x - one.x, n.y - one.y) < _TWICE * red_cell for other, one in kept):
            kept.append((number, n))
    red_cells = _together(tiles, whole.side)
    result = replace(
        whole,
        scale=red_cells.scale,
        estimate=red_cells.estimate,
        nuclei=tuple(sorted((n for _, n in kept), key=lambda n: (n.y, n.x))),
        trace=replace(whole.trace, marks=marks, refused=tuple(refused)),
    )
    result.__dict__["red_cells"] = red_cells
    return result


def _new(n: "Nucleus", known: Sequence["Nucleus"]) -> bool:
    """Whether a nucleus lies apart from all known ones."""
    return all(math.hypot(n.x - one.x, n.y - one.y) > max(n.diameter, one.diameter) / 2 for one in known)


def _depth(box: Box, field: Box, x: float, y: float) -> float:
    """How far a place in a tile is from those borders of the tile that aren't borders of the field."""
    borders = zip(box, field, (x, y, x, y), strict=True)
    return min((abs(border - place) for border, end, place in borders if border != end), default=math.inf)
