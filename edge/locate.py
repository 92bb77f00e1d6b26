"""Finds the white cells of a Frame: first where each nucleus is; then, with a ruler, how large its cell is.

A small network (train/locator/network.py) marks the cores of the nuclei in the field, which is shrunk to 320 pixels.
Marked pixels that touch each other are one cell, unless a neck divides them into cells. All sums are over integers,
and the network's bytes are the same on every machine. So the Cells are too.
"""

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.cell import NO_RULER, Cell
from edge.errors import UserError
from edge.field import surround, wide
from edge.field.halving import halved
from edge.field.outline import Outline, painted
from edge.frames import Frame
from edge.model import File
from edge.red_cells import Measure, RedCellRuler, RedCells, by_itself, near_nuclei, outlines
from edge.stain import contrast, evidence

if TYPE_CHECKING:
    from edge.field.large import LargePicture

VERSION = 4  # of how marks become cells: to be raised when other cells are found
SHIPPED = Path(__file__).parent / "models" / "locator-int8.tflite"
FILL = 128  # level (0 to 255) that pads pictures that aren't square; the network was trained with it
# Names in the file's graphs for fields that aren't square, which convert/field_shapes.py makes.
FIELD, MARKS, CODES = "field", "marks", "codes"
_CONTRAST = 10  # levels between the darkest and the brightest pixel; with less, the picture shows nothing
_MARKED = 128  # mark (0 to 255) from which on a pixel counts as nucleus
_SMALLEST = 8  # marked pixels, of the network's 160 x 160; a smaller mark is a platelet or a speck
_CERTAIN = 200  # mark (0 to 255) that at least one pixel of a nucleus must reach
_APART = 0.95  # red-cell diameters: no white cell is smaller, so marks that are closer are lobes of one nucleus
_NECK = 1.1  # a part of a mark must be this many times as thick as the neck to be a cell of its own
_LEVELS = (0.35, 0.5, 0.65, 0.75, 0.85)  # fractions of a mark's greatest depth at which necks are searched for
# The fraction of a nucleus' diameter that the network marks, so that touching nuclei stay apart. It was trained to mark
# 0.75.
_CORE = 0.83
_SIBLING = 0.3  # diameters of the field's largest nucleus: a smaller mark is a platelet
_GOOD = 0.55  # mean mark (0 to 1) that a nucleus must reach; its stain is judged besides
# Smallest and largest nucleus, in red-cell diameters. A ruler that isn't known is corrected if it says otherwise.
_NUCLEI = (0.7, 2.6)
_RULER = (4, 256)  # smallest and largest red cell that the network can measure, pixels of its input
# Logits that a mark is a nucleus, by edge.stain.evidence. Below the first it is none; below the second it gets no
# name. In the measuring half of the marked fields and 600 test pictures, the first refused 5 of 966 nuclei, and 223 of
# 228 marks of the locator before this one in fields of red cells alone (chula_rbc12).
_REFUSED, _DOUBTFUL = -0.5, 0.5
_UNCOMPARED = 0.5  # the logit of a mark that has no red cells around it to be compared with
_RED = "stained like the red cells around it"
_PLATELET = 0.47  # red-cell diameters: a smaller mark is not a nucleus
# Erosions take turns with these two; each pair of them erodes by an octagon.
_SHAPES = (cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.ones((3, 3), np.uint8))
_CELL = 1.5  # diameter of a cell, in diameters of its nucleus' hull; it varies from 1.1 (small lymphocytes) to 2


@dataclass(frozen=True)
class Nucleus:
    """A marked nucleus.

    Attributes:
        x, y: its middle, pixels of the frame (or of the marks, in `nuclei`).
        diameter: in the same pixels.
        marked: whether the mark is large enough and certain enough.
        touches: whether it touches the frame's border.
        score: mean mark, 0 to 1.
        doubt: why this may be no white cell, in a few words; "" for no doubt.
    """

    x: float
    y: float
    diameter: float
    marked: bool
    touches: bool
    score: float
    doubt: str = ""


@dataclass(frozen=True)
class LocatorTrace:
    """What the locator saw, to explain to a person why a cell was missed (`--explain`).

    Attributes:
        small: the shrunk field, RGB uint8 [h, w, 3].
        marks: what the network marked as nucleus, uint8 [h / 2, w / 2].
        box: what part of the frame that is: (left, top, right, bottom) in its pixels.
        refused: marks that aren't white cells: (x, y in pixels of the frame, why).
        hidden: which pixels of `marks` show no slide, bool [h / 2, w / 2]; None if all of them do.
    """

    small: np.ndarray
    marks: np.ndarray
    box: tuple[int, int, int, int]
    refused: tuple[tuple[float, float, str], ...]
    hidden: np.ndarray | None = None

    @property
    def not_red(self) -> np.ndarray:
        """The marks, and as marked what shows no slide: where no red cells are counted, uint8 [h / 2, w / 2]."""
        return self.marks if self.hidden is None else np.where(self.hidden, 255, self.marks).astype(np.uint8)


@dataclass(frozen=True)
class Located:
    """What was found in one frame, before the size of red cells is known.

    Attributes:
        width, height: of the frame, pixels.
        scale: pixels of the frame per pixel of the shrunk field, at least 1.
        estimate: the network's estimate of the diameter of a red cell, pixels of the shrunk field.
        nuclei: of the white cells, ordered from top to bottom, in pixels of the frame.
        trace: what the locator saw; None after it was dropped.
        lit: the outline of the field, where something surrounds it that shows no slide; None if nothing does.
        too_small: diameter of its red cells in pixels of the frame, if that is too small to judge cells; else 0.
    """

    width: int
    height: int
    scale: float
    estimate: float
    nuclei: tuple[Nucleus, ...]
    trace: LocatorTrace | None
    lit: Outline | None = None
    too_small: float = 0.0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The box of pixels that holds the field: (left, top, right, bottom)."""
        return self.lit.box if self.lit else (0, 0, self.width, self.height)

    @property
    def doubt(self) -> str:
        """Why none of its cells can be judged, in a few words; "" if they can."""
        return wide.too_small(self.too_small) if self.too_small else ""

    @property
    def side(self) -> int:
        """The longer side of the field, pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @cached_property
    def red_cells(self) -> RedCells:
        """The outlines of its red cells. They are counted at the first access, which takes a millisecond or two.

        Raises ValueError if the trace was dropped before that.
        """
        if self.trace is None:
            raise ValueError("the red cells must be counted before the trace is dropped")
        whole = tuple(each.diameter / self.scale for each in self.nuclei if not each.touches)
        return RedCells(self.side, self.scale, self.estimate, *outlines(self.trace.small, self.trace.not_red), whole)

    def measure(self, ruler: RedCellRuler | None, size: tuple[int, int] | None = None) -> Measure:
        """How large its red cells are: by the run's ruler or, if that has no answer, by this frame alone.

        size: width and height of the camera's picture, if the frame is a part that was cut out of it.
        """
        found = None
        if ruler:
            known = ruler.known(size or (self.width, self.height))
            found = known or ruler.pooled(self.side, self.scale, self.estimate)
        return found or by_itself(self.red_cells)

    def without_trace(self) -> "Located":
        """A copy without the trace, of a few kilobytes. Its red cells are counted before."""
        red_cells = self.red_cells
        copy = replace(self, trace=None)
        copy.__dict__["red_cells"] = red_cells
        return copy


def signature(rows: int) -> str:
    """The name, in a locator's file, of the graph for fields of so many rows."""
    return f"rows_{rows}"


class Locator(File):
    """The locator's model file. It is opened once, then used for each frame.

    Attributes:
        size: largest width and height of the network's input, pixels.
    """

    def __init__(self, path: str | Path = SHIPPED, threads: int = 1) -> None:
        super().__init__(path, threads)
        self.size = self.contract.input.size

    def _prepare(self) -> None:
        """Opens the graphs of the file. Each gets ready when it first runs: a run of one camera needs a single one."""
        named = (re.fullmatch(r"rows_(\d+)", name) for name in self._interpreter.get_signature_list())
        # By their rows, the fewest first; none in older files. Once they are opened, the runtime refuses to run the
        # file's first graph, so the last of these does its work.
        self._graphs: dict[int, Any] = {
            rows: self._interpreter.get_signature_runner(signature(rows))
            for rows in sorted(int(match[1]) for match in named if match)
        }
        if not self._graphs:
            super()._prepare()
        elif not File.announced:  # a first run, here where what the runtime writes about it isn't shown
            self._signed(np.zeros((min(self._graphs), self.contract.input.size, 3), np.uint8))
            File.announced = True

    def marked(self, small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs the network on a field, in the graph with the fewest rows that has room for it.

        Only a field as wide as the network's input is answered in fewer rows than the square has. Pictures of one cell
        are often smaller, and the classifier was trained and measured on crops that were located in the square.

        Args:
            small: the field, shrunk, RGB uint8 [h, w, 3].

        Returns:
            marks: how surely each pixel is a nucleus, uint8 [ceil(h / 2), ceil(w / 2)].
            codes: the diameter of the red cells, as `ruler_mark` codes it, uint8 [ceil(h / 4), ceil(w / 4)].
        """
        h, w = small.shape[:2]
        rows = next((rows for rows in self._graphs if rows >= h and w == self.size), self.size)
        field = np.full((rows, self.size, 3), FILL, np.uint8)
        field[:h, :w] = small
        if rows in self._graphs:
            marks, codes = unpacked(*self._signed(field))
        else:
            joined = self.raw(field)
            marks, codes = unpacked(joined[..., :-1], joined[..., -1:])
        return np.ascontiguousarray(marks[: -(-h // 2), : -(-w // 2)]), codes[: -(-h // 4), : -(-w // 4)]

    def raw(self, crop: np.ndarray) -> np.ndarray:
        """As File.raw: marks and codes joined, uint8 [size / 4, size / 4, 5]."""
        return np.dstack(self._signed(crop)) if self.size in self._graphs else super().raw(crop)

    def answers(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """As File.answers; each graph with fewer rows answers the upper part of the pictures."""
        further = {
            signature(rows): np.stack([np.dstack(self._signed(each[:rows])) for each in inputs])
            for rows in self._graphs
            if rows < self.size
        }
        return super().answers(inputs) | further

    def _signed(self, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs the graph for the field's rows on it -> marks and codes. The graph takes and gives levels less 128."""
        try:
            found = self._graphs[len(field)](**{FIELD: (field ^ 128).view(np.int8)[None]})
            marks, codes = (found[name][0].view(np.uint8) ^ 128 for name in (MARKS, CODES))
        except (RuntimeError, ValueError, LookupError) as error:  # a graph that was forged
            raise UserError(f"The model {self.path} doesn't run: {str(error).splitlines()[0]}.") from error
        return marks, codes

    def locate(self, frame: "Frame | LargePicture") -> Located:
        """Finds the nuclei of the frame's white cells."""
        size = frame.width, frame.height
        box = 0, 0, *size
        small = self._shrunk(frame, box)
        lit = surround.find(small)
        if lit is not None:
            lit = lit.resized((small.shape[1], small.shape[0]), size)
            box = lit.box
            small = self._shrunk(frame, box)
        whole = self._see(small, box, size, lit)
        return wide.look_closer(whole, lambda part: self._see(self._part(frame, part), part, size, lit))

    def _shrunk(self, frame: "Frame | LargePicture", box: tuple[int, int, int, int]) -> np.ndarray:
        """A box of a frame as the network gets it."""
        return shrink(frame.window(*box) if isinstance(frame, Frame) else frame.shrunk(box, self.size), self.size)

    def _part(self, frame: "Frame | LargePicture", box: tuple[int, int, int, int]) -> np.ndarray:
        """A box of a frame as the network gets it. Only to measure red cells, it may be enlarged."""
        small = self._shrunk(frame, box)
        height, width = small.shape[:2]
        longer = max(height, width)
        if longer == self.size:
            return small
        return _resize(small, width * self.size // longer, height * self.size // longer)

    def see(self, frame: Frame) -> Located:
        """Like `locate`, but takes everything in the frame as field."""
        size = frame.width, frame.height
        return self._see(shrink(frame.image, self.size), (0, 0, *size), size, None)

    def _see(
        self, small: np.ndarray, box: tuple[int, int, int, int], size: tuple[int, int], lit: Outline | None
    ) -> Located:
        """Finds the nuclei in one box of a frame.

        Args:
            small: its pixels, shrunk, RGB uint8 [h, w, 3].
            box: (left, top, right, bottom) in the frame.
            size: width and height of the frame.
            lit: the outline of the field; None if it fills the frame.
        """
        left, top, right, bottom = box
        h, w = small.shape[:2]
        scale = max(bottom - top, right - left) / max(h, w)
        hidden = None
        if lit is not None:
            small = painted(small, _outside(lit, box, h, w))
            hidden = _outside(lit, box, -(-h // 2), -(-w // 2))
        marks, codes = self.marked(small)
        if hidden is not None:
            marks[hidden] = 0
        estimate = red_cell_estimate(codes)
        red_cell = scale * estimate
        found = [_in_frame(nucleus, 2 * scale) for nucleus in nuclei(marks)] if np.ptp(small) >= _CONTRAST else []
        if lit is not None:
            found = [_cut(nucleus, lit, (left, top), 2 * scale) for nucleus in found]
        found = joined(found, _APART * red_cell)
        largest = max((n.diameter for n in found if n.marked), default=0.0)
        kept: list[Nucleus] = []
        refused: list[tuple[float, float, str]] = []
        for nucleus in found:
            why = _refusal(nucleus, largest, red_cell)
            if why:
                refused.append((nucleus.x, nucleus.y, why))
            else:
                kept.append(nucleus)
        cells: list[Nucleus] = []
        trace = LocatorTrace(small, marks, box, (), hidden)
        for nucleus, logit in zip(kept, _logits(kept, trace, red_cell, scale), strict=True):
            if logit < _REFUSED:
                refused.append((nucleus.x, nucleus.y, _RED))
            else:
                cells.append(replace(nucleus, doubt=_RED) if logit < _DOUBTFUL else nucleus)
        found = [replace(n, x=left + n.x, y=top + n.y) for n in cells]
        trace = replace(trace, refused=tuple((left + x, top + y, why) for x, y, why in refused))
        return Located(*size, scale, estimate, tuple(found), trace, lit)

    def cells(self, frame: Frame, ruler: RedCellRuler | None = None) -> list[Cell]:
        """The frame's cells, ordered from top to bottom. Without a ruler, its red cells are measured in it alone."""
        located = self.locate(frame)
        return cells(located, located.measure(ruler))


def cells(located: Located, red_cells: Measure) -> list[Cell]:
    """The nuclei of one frame and the size of its red cells -> its cells, ordered from top to bottom."""
    return [_cell(nucleus, red_cells, number, located) for number, nucleus in enumerate(located.nuclei)]


def _in_frame(n: Nucleus, step: float) -> Nucleus:
    """Converts pixels of the marks to pixels of the frame, and the size of the marked core to that of the nucleus."""
    return Nucleus((n.x + 0.5) * step, (n.y + 0.5) * step, n.diameter * step / _CORE, n.marked, n.touches, n.score)


def _outside(lit: Outline, box: tuple[int, int, int, int], rows: int, columns: int) -> np.ndarray:
    """Which parts of a box, cut into rows and columns, lie outside of the lit part: bool [rows, columns]."""
    left, top, right, bottom = box
    xs = left + (np.arange(columns) + 0.5) * (right - left) / columns
    return lit.outside(xs, top + (np.arange(rows) + 0.5) * (bottom - top) / rows)


def _cut(n: Nucleus, lit: Outline, start: tuple[int, int], step: float) -> Nucleus:
    """Notes whether a mark touches the rim of the lit part. start: (x, y) from which its place counts."""
    held = lit.holds(start[0] + n.x, start[1] + n.y, _CORE * n.diameter / 2 + step)
    return n if held else replace(n, touches=True)


def joined(found: list[Nucleus], reach: float) -> list[Nucleus]:
    """Joins marks that are lobes of one nucleus: a chain of marks, each of them less than `reach` from another one.

    reach: distance between the middles of two marks, in the pixels of `found`.
    """
    result = [n for n in found if not n.marked]
    remaining = [n for n in found if n.marked]
    while remaining:
        chain = [remaining.pop(0)]
        for member in chain:  # the chain grows during this loop
            lobes = [n for n in remaining if math.hypot(n.x - member.x, n.y - member.y) < reach]
            remaining = [n for n in remaining if n not in lobes]
            chain += lobes
        whole = chain[0]
        for lobe in chain[1:]:
            whole = _join(whole, lobe)
        result.append(whole)
    return sorted(result, key=lambda n: (n.y, n.x))


def _join(a: Nucleus, b: Nucleus) -> Nucleus:
    """Joins two lobes into one nucleus with the area of a band that encloses both."""
    apart = math.hypot(a.x - b.x, a.y - b.y)
    area = math.pi * (a.diameter**2 + b.diameter**2) / 8 + apart * (a.diameter + b.diameter) / 2
    share = a.diameter**2 / (a.diameter**2 + b.diameter**2)
    return Nucleus(
        x=b.x + share * (a.x - b.x),
        y=b.y + share * (a.y - b.y),
        diameter=2 * math.sqrt(area / math.pi),
        marked=a.marked or b.marked,
        touches=a.touches or b.touches,
        score=b.score + share * (a.score - b.score),
    )


def _refusal(nucleus: Nucleus, largest: float, red_cell: float) -> str:
    """Why a mark isn't a white cell, in a few words; "" if it is one."""
    if not nucleus.marked:
        return "too small or too faint"
    if nucleus.score < _GOOD:
        return "mark too uncertain"
    if nucleus.diameter < _SIBLING * largest and not nucleus.touches:  # a nucleus that the border cuts looks small
        return "far smaller than the other nuclei"
    if nucleus.diameter < _PLATELET * red_cell and not nucleus.touches:
        return "far smaller than a red cell"
    return ""


def ruler_mark(diameter: float) -> float:
    """A red cell's diameter in pixels of the network's input -> the code for it in the network's output, 0 to 1."""
    return min(1.0, max(0.0, math.log2(diameter / _RULER[0]) / math.log2(_RULER[1] / _RULER[0])))


def unpacked(marks: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's outputs -> its marks, and its codes for the diameter of the red cells.

    Args:
        marks: uint8 [h, w, 4]: those of 2 x 2 pixels each; or, from a larger network, uint8 [2h, 2w, 1].
        codes: uint8 [h, w, 1]; or [2h, 2w, 1].

    Returns:
        marks: uint8 [2h, 2w].
        codes: uint8 [h, w].
    """
    if marks.shape[-1] == 1:
        return marks[..., 0], codes[::2, ::2, 0]
    h, w, _ = marks.shape
    spread = np.empty((2 * h, 2 * w), marks.dtype)
    for each in range(4):  # in a fifth of the time that reshape and swapaxes take
        spread[each // 2 :: 2, each % 2 :: 2] = marks[..., each]
    return spread, codes[..., 0]


def red_cell_estimate(codes: np.ndarray) -> float:
    """The network's codes for the red cells' diameter, uint8 [h, w] -> their mean, in pixels of the network's input."""
    share = int(codes.sum(dtype=np.int64)) / (255 * codes.size)
    return round(_RULER[0] * (_RULER[1] / _RULER[0]) ** share, 2)  # machines differ in the last digits


def _logits(kept: list[Nucleus], seen: LocatorTrace, red_cell: float, scale: float) -> list[float]:
    """For each mark, the logit that it is a nucleus, by its stain. Marks with no red cells around get _UNCOMPARED."""
    if not kept:
        return []
    small = seen.small
    others = near_nuclei(seen.not_red, small.shape[1], small.shape[0]) > 0
    contrasts = [
        contrast(small, others, (n.x / scale, n.y / scale), n.diameter / scale, red_cell / scale) for n in kept
    ]
    densest = max((each.green for each in contrasts if each), default=0)
    return [
        evidence(each, densest, nucleus.score, nucleus.diameter / red_cell) if each else _UNCOMPARED
        for each, nucleus in zip(contrasts, kept, strict=True)
    ]


def _cell(nucleus: Nucleus, red_cells: Measure, number: int, located: Located) -> Cell:
    whole = _CELL * nucleus.diameter
    left, top = nucleus.x - whole / 2, nucleus.y - whole / 2
    first_x, first_y, width, height = located.box
    x, y = max(first_x, math.floor(left)), max(first_y, math.floor(top))
    right, bottom = min(width, math.ceil(left + whole)), min(height, math.ceil(top + whole))
    beyond = min(left - first_x, top - first_y, width - left - whole, height - top - whole) < -0.1 * whole
    if located.lit and not located.lit.holds(nucleus.x, nucleus.y, 0.4 * whole):
        beyond = True
    red_cell = red_cells.diameter
    if red_cells.uncertainty >= NO_RULER:
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
        uncertainty=red_cells.uncertainty,
        doubt=located.doubt or nucleus.doubt,
        lit=located.lit,
    )


def shrink(image: np.ndarray, size: int) -> np.ndarray:
    """Shrinks a picture, RGB uint8 [height, width, 3], to at most `size` pixels a side, to the same bytes everywhere.

    It is halved as often as possible, because bilinear resizing in one large step would skip pixels. It is never
    enlarged, because enlarged red cells were mistaken for nuclei.
    """
    while max(image.shape[:2]) >= 2 * size:
        image = halved(image)
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer <= size:
        return image
    return _resize(image, width * size // longer, height * size // longer)


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return cv2.resize(image, (max(1, width), max(1, height)), interpolation=cv2.INTER_LINEAR_EXACT)


def nuclei(marks: np.ndarray) -> list[Nucleus]:
    """Finds the cores of nuclei in the network's marks, uint8 [h, w]; places and sizes are in pixels of the marks.

    Each pixel is weighted by its mark, which makes the middle of a core finer than the pixel grid.
    """
    # Without their statistics, components are found in a tenth of the time.
    count, parts = cv2.connectedComponents((marks >= _MARKED).astype(np.uint8), connectivity=4)
    height, width = marks.shape
    found = []
    for i in range(1, count):
        mask = (parts == i).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        place = (slice(y, y + h), slice(x, x + w))
        if cv2.countNonZero(mask[place]) < 4:
            continue
        for part in _split(mask[place]):
            left, top, across, down = cv2.boundingRect(part)
            left, top, area = x + left, y + top, cv2.countNonZero(part)
            weights = marks[place] * part
            sums = cv2.moments(weights)  # exact: sums of integers
            total = sums["m00"]
            touches = left == 0 or top == 0 or left + across == width or top + down == height
            marked = area >= _SMALLEST and int(weights.max()) >= _CERTAIN
            diameter = 2 * math.sqrt(area / math.pi)
            cx, cy = x + sums["m10"] / total, y + sums["m01"] / total
            found.append(Nucleus(cx, cy, diameter, marked, touches, total / (255 * area)))
    return found


def _split(mask: np.ndarray) -> list[np.ndarray]:
    """Cuts a connected mark, uint8 [h, w], apart where it has a neck -> its parts, or the whole mark.

    The network is meant to mark the core of a nucleus as one convex spot, even if the nucleus has lobes. So a neck
    usually means two cells that touch. `joined` joins parts again that are too near for two cells.
    """
    depth = _depth(mask)
    deepest = int(depth.max())
    whole = -1  # the last depth at which the mark was found in one piece
    for level in _LEVELS:
        if int(level * deepest) == whole:
            continue
        count, seeds = cv2.connectedComponents((depth > level * deepest).astype(np.uint8), connectivity=8)
        if count < 3:  # the background and one part: no neck
            whole = int(level * deepest)
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
    """Which erosion removes each pixel of a mark: 1 for the pixels at its edge, 0 outside of it, uint8 [h, w].

    OpenCV's distance transform isn't used: its implementations on x86-64 and on a Pi differ in the last digits.
    """
    remaining = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    remaining[1:-1, 1:-1] = mask
    depth = remaining.copy()
    for step in range(max(mask.shape)):
        remaining = cv2.erode(remaining, _SHAPES[step % 2], borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
        if not cv2.countNonZero(remaining):
            break
        depth += remaining
    return depth[1:-1, 1:-1]
