"""The white cells of a Frame -> Cells: where each is and how large.

A small network (train/locator.py) marks the cores of the nuclei in the field, shrunk to 320 pixels; what is marked
together is one cell. All sums are over integers and the network's bytes are the same on every machine, so the Cells
are too.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.cell import Cell
from edge.frames import Frame
from edge.model import File
from edge.red_cells import Scale, diameter, outlines, unsure
from edge.stain import like_a_nucleus

SHIPPED = Path(__file__).parent / "models" / "locator-int8.tflite"
FILL = 128  # what the network sees beside a picture that isn't square; it was trained with it
_CONTRAST = 10  # levels between the darkest and the brightest: less is one colour, with nothing to see
_SURE = 128  # of 256: from here on a pixel is nucleus
_SMALLEST = 8  # marked pixels, of the network's 160 x 160; less is a platelet or a speck
_CERTAIN = 200  # of 256: a nucleus has at least one pixel as sure as this
_APART = 0.95  # red cells: no white cell is smaller, so marks whose middles are nearer are lobes of one nucleus
_NECK = 1.1  # how much thicker than its neck a part must be to be a cell of its own
_LEVELS = (0.35, 0.5, 0.65, 0.75, 0.85)  # of a mark's depth: where necks are looked for
_CORE = 0.83  # of a nucleus' diameter is what the network marks (0.75 was asked for), so that touching ones stay apart
_SIBLING = 0.3  # of the field's largest nucleus: what is smaller is a platelet
_GOOD = 0.78  # the mean mark, of 1, that a nucleus needs
_NUCLEI = (0.7, 2.6)  # diameters in red cells': a ruler that says less or more was misread, where there are none
_RULER = (4, 256)  # pixels of the network's input: the red cells that it can measure
_BEYOND_DOUBT = 0.85  # a mean mark that needs no second opinion from the stain
_PLATELET = 0.47  # red cells: no nucleus is so small
_SHAPES = (cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.ones((3, 3), np.uint8))  # of an octagon's erosion
_CELL = 1.5  # a cell's diameter in those of its nucleus' hull: from 1.1 (small lymphocytes) to 2


@dataclass(frozen=True)
class Sight:
    """What the locator saw.

    small: the field as shrunk, uint8 [h, w, 3]; marks: the network's, uint8 [h / 2, w / 2], 0 to 255; red_cell: the red
    cells' diameter in pixels of the frame, as measured here or in the run; scale: the frame's pixels a pixel of
    `small`; refused: what was marked and is no cell, (x, y in the frame, why).
    """

    small: np.ndarray
    marks: np.ndarray
    red_cell: float
    scale: float
    refused: list[tuple[float, float, str]]


class Locator(File):
    """Opened once, then called for each frame."""

    def __init__(self, path: str | Path = SHIPPED, threads: int = 1) -> None:
        super().__init__(path, threads)
        self.size: int = self.document["input"]["size"]

    def cells(self, frame: Frame, scale: Scale | None = None) -> list[Cell]:
        """The frame's cells, from the top down. scale: the run's ruler, to which the frame adds what it shows."""
        return self.look(frame, scale)[0]

    def look(self, frame: Frame, run: Scale | None = None) -> tuple[list[Cell], Sight]:
        """The frame's cells, and what there was to see. run: as for cells()."""
        height, width = frame.image.shape[:2]
        small = shrink(frame.image, self.size)
        h, w = small.shape[:2]
        field = np.full((self.size, self.size, 3), FILL, np.uint8)
        field[:h, :w] = small
        answer = self.raw(field)[: -(-h // 2), : -(-w // 2)]
        marks, ruler = np.ascontiguousarray(answer[..., 0]), answer[..., 1]
        scale = max(height, width) / max(h, w)
        said = red_cell(ruler)
        red = scale * said  # what the thresholds below are set by
        found = [_in_frame(nucleus, 2 * scale) for nucleus in nuclei(marks)] if np.ptp(small) >= _CONTRAST else []
        found = joined(found, _APART * red)
        largest = max((n.diameter for n in found if n.sure), default=0.0)
        kept: list[Nucleus] = []
        refused: list[tuple[float, float, str]] = []
        for nucleus in found:
            why = _doubt(nucleus, largest, red) or _stained(nucleus, small, marks, red, scale)
            if why:
                refused.append((nucleus.x, nucleus.y, why))
            else:
                kept.append(nucleus)
        measured, unsure = _ruler(small, marks, said, max(height, width), scale, run)
        cells = [_cell(nucleus, measured, unsure, number, width, height) for number, nucleus in enumerate(kept)]
        return cells, Sight(small, marks, measured, scale, refused)


@dataclass(frozen=True)
class Nucleus:
    """A marked nucleus: its middle and diameter in pixels; whether it is marked enough; cut by the border; score."""

    x: float
    y: float
    diameter: float
    sure: bool
    touches: bool
    score: float


def _in_frame(n: Nucleus, step: float) -> Nucleus:
    """From pixels of the marks to those of the frame, and from the marked core to the whole nucleus."""
    return Nucleus((n.x + 0.5) * step, (n.y + 0.5) * step, n.diameter * step / _CORE, n.sure, n.touches, n.score)


def joined(found: list[Nucleus], reach: float) -> list[Nucleus]:
    """Sure marks whose middles are nearer than `reach`, in a chain, made one: the lobes of one nucleus."""
    result = [n for n in found if not n.sure]
    left = [n for n in found if n.sure]
    while left:
        chain = [left.pop(0)]
        for member in chain:  # grows while it is walked
            lobes = [n for n in left if math.hypot(n.x - member.x, n.y - member.y) < reach]
            left = [n for n in left if n not in lobes]
            chain += lobes
        whole = chain[0]
        for lobe in chain[1:]:
            whole = _join(whole, lobe)
        result.append(whole)
    return sorted(result, key=lambda n: (n.y, n.x))


def _join(a: Nucleus, b: Nucleus) -> Nucleus:
    """Two lobes as one nucleus: of the size of the band that holds both."""
    apart = math.hypot(a.x - b.x, a.y - b.y)
    area = math.pi * (a.diameter**2 + b.diameter**2) / 8 + apart * (a.diameter + b.diameter) / 2
    share = a.diameter**2 / (a.diameter**2 + b.diameter**2)
    return Nucleus(
        x=b.x + share * (a.x - b.x),
        y=b.y + share * (a.y - b.y),
        diameter=2 * math.sqrt(area / math.pi),
        sure=a.sure or b.sure,
        touches=a.touches or b.touches,
        score=b.score + share * (a.score - b.score),
    )


def _doubt(nucleus: Nucleus, largest: float, red_cell: float) -> str:
    """Why a mark is no white cell, in a few words; empty where it is one."""
    if not nucleus.sure:
        return "too small or too faint"
    if nucleus.score < _GOOD:
        return "marked unsurely"
    if nucleus.diameter < _SIBLING * largest and not nucleus.touches:  # whom the border makes small
        return "far smaller than the other nuclei"
    if nucleus.diameter < _PLATELET * red_cell and not nucleus.touches:
        return "far smaller than a red cell"
    return ""


def ruler_mark(diameter: float) -> float:
    """The red cells' diameter in pixels of the network's input -> what the network says of it, 0 to 1."""
    return min(1.0, max(0.0, math.log2(diameter / _RULER[0]) / math.log2(_RULER[1] / _RULER[0])))


def red_cell(marks: np.ndarray) -> float:
    """What the network says of the red cells' diameter at each pixel, uint8 [h, w] -> pixels of its input."""
    share = int(marks.sum(dtype=np.int64)) / (255 * marks.size)
    return round(_RULER[0] * (_RULER[1] / _RULER[0]) ** share, 2)  # rounded, as powers differ in their last digits


def _stained(nucleus: Nucleus, small: np.ndarray, marks: np.ndarray, red_cell: float, scale: float) -> str:
    if nucleus.score >= _BEYOND_DOUBT:
        return ""
    wide = cv2.dilate(marks, np.ones((5, 5), np.uint8))
    others = cv2.resize(wide, small.shape[1::-1], interpolation=cv2.INTER_NEAREST) >= _SURE
    place = (nucleus.x / scale, nucleus.y / scale, nucleus.diameter / scale, red_cell / scale)
    return "" if like_a_nucleus(small, others, *place) else "stained like the red cells round it"


def _ruler(
    small: np.ndarray, marks: np.ndarray, said: float, side: int, scale: float, run: Scale | None
) -> tuple[float, float]:
    """The red cells' diameter in pixels of the frame, and by what share it may be off."""
    if run and run.fixed:
        return run.fixed, 0.0
    counts = outlines(small, marks) if not run or run.measuring else None
    if run and counts is not None:
        run.add(side, counts, said, scale)
    pooled = run.red_cell(side, said, scale) if run else None
    if pooled:
        return scale * pooled[0], pooled[1]
    found, cells = diameter(outlines(small, marks) if counts is None else counts, said)
    return scale * found, unsure(cells)


def _cell(nucleus: Nucleus, red_cell: float, unsure: float, number: int, width: int, height: int) -> Cell:
    whole = _CELL * nucleus.diameter
    left, top = nucleus.x - whole / 2, nucleus.y - whole / 2
    x, y = max(0, math.floor(left)), max(0, math.floor(top))
    right, bottom = min(width, math.ceil(left + whole)), min(height, math.ceil(top + whole))
    beyond = min(left, top, width - left - whole, height - top - whole) < -0.1 * whole
    if unsure:
        red_cell = min(max(red_cell, nucleus.diameter / _NUCLEI[1]), nucleus.diameter / _NUCLEI[0])
    return Cell(
        box=(x, y, max(1, right - x), max(1, bottom - y)),
        number=number,
        centre=(nucleus.x, nucleus.y),
        nucleus=nucleus.diameter,
        diameter=whole,
        red_cell=red_cell,
        at_border=nucleus.touches or beyond,
        score=nucleus.score,
        unsure=unsure,
    )


def shrink(image: np.ndarray, size: int) -> np.ndarray:
    """RGB uint8 [height, width, 3] -> the same with at most `size` pixels a side, to the byte alike everywhere.

    Halved as often as that goes, since one large step of a bilinear resize would skip pixels. Never enlarged: red cells
    blown up were taken for nuclei.
    """
    while max(image.shape[:2]) >= 2 * size:
        image = _resize(image, image.shape[1] // 2, image.shape[0] // 2)
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer <= size:
        return image
    return _resize(image, width * size // longer, height * size // longer)


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(image, (max(1, width), max(1, height)), interpolation=cv2.INTER_LINEAR_EXACT)


def nuclei(marks: np.ndarray) -> list[Nucleus]:
    """The network's marks, uint8 [h, w] -> the cores of nuclei, in pixels of the marks.

    The centre weighs each pixel by its mark, which is finer than the pixel grid.
    """
    count, parts, stats, _ = cv2.connectedComponentsWithStats((marks >= _SURE).astype(np.uint8), connectivity=4)
    found = []
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area < 4:
            continue
        place = (slice(y, y + h), slice(x, x + w))
        for part in _split((parts[place] == i).astype(np.uint8)):
            ys, xs = np.nonzero(part)
            weights = marks[place][ys, xs].astype(np.int64)
            total = int(weights.sum())
            cx, cy = x + int((weights * xs).sum()) / total, y + int((weights * ys).sum()) / total
            touches = (
                x + xs.min() == 0
                or y + ys.min() == 0
                or x + xs.max() == marks.shape[1] - 1
                or y + ys.max() == marks.shape[0] - 1
            )
            sure = len(xs) >= _SMALLEST and int(weights.max()) >= _CERTAIN
            diameter = 2 * math.sqrt(len(xs) / math.pi)
            found.append(Nucleus(cx, cy, diameter, sure, bool(touches), total / (255 * len(xs))))
    return found


def _split(mask: np.ndarray) -> list[np.ndarray]:
    """A connected mark, uint8 [h, w] -> itself, or the cells that it joins, cut apart where it has a neck.

    The network marks a cell's core as one convex spot, whatever its lobes; a mark with a neck is two cells that touch.
    """
    depth = _depth(mask)
    deepest = int(depth.max())
    for level in _LEVELS:
        count, seeds = cv2.connectedComponents((depth > level * deepest).astype(np.uint8), connectivity=8)
        if count < 3:  # the background and one part: no neck
            continue
        places = [np.nonzero(seeds == i) for i in range(1, count)]
        middles = [
            (ys.mean(), xs.mean()) for ys, xs in places if depth[ys, xs].max() >= max(_NECK * level * deepest, 2)
        ]
        if len(middles) < 2:
            continue
        # Each pixel goes to the seed whose middle is nearest.
        ys, xs = np.indices(mask.shape)
        nearest = np.argmin([(ys - y) ** 2 + (xs - x) ** 2 for y, x in middles], axis=0)
        return [mask * (nearest == i).astype(np.uint8) for i in range(len(middles))]
    return [mask]


def _depth(mask: np.ndarray) -> np.ndarray:
    """How many octagonal erosions each pixel of a mark survives, uint8 [h, w].

    Not OpenCV's distance transform: on x86-64 that is another implementation than on a Pi, with other last digits.
    """
    left = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    left[1:-1, 1:-1] = mask
    depth = left.copy()
    for step in range(max(mask.shape)):
        left = cv2.erode(left, _SHAPES[step % 2], borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
        if not left.any():
            break
        depth += left
    return depth[1:-1, 1:-1]
