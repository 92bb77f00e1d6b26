"""Red cells as a ruler: how many pixels they measure, about 7.5 micrometres on every slide.

How large a nucleus is tells a lymphocyte from a monocyte better than anything else, and a ruler that is a tenth off
spoils it. In one picture red cells are few and no two alike, but all pictures of a run come from one microscope: so
what they show is measured together. Two witnesses are heard: outlines of red cells that lie alone, which are counted,
and the locator's network, which guesses where none does.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.normalise import DENSITY

VERSION = 2  # of what is measured here
FEWEST = 8  # pictures of one size, from which on they are measured together
_STEPS = 32  # of an octave of diameters
_OCTAVES = 6
_SMALLEST = 6  # pixels
_LEVELS = (2, 3, 4)  # quarters of the level between light and cells, at which outlines are drawn
_UNIT = 4  # thousandths of optical density
_FAINT = 3  # of these units: less is noise
_WINDOW = 9  # steps: red cells of one slide differ by a fifth
_CHANCE = 0.02  # such things a picture are none: seen in pictures cut so close that no red cell is whole in them
_RANGE = (0.45, 1.4)  # of what the network says: smaller ones are platelets, larger ones heaps
_UNSURE, _CLEAR = 0.14, 0.05  # where no red cell was counted, and what is little
_INSIDE = 0.9  # of its outline's diameter is what the network was taught to call a red cell's
_OWN = 1.9  # red cells with which a picture has a ruler of its own
_APART, _MIXED = 1.35, 0.25  # so different pictures, so many of them: they aren't of one microscope
# Red cells that a camera's field is wider than; the scatter of what the network says, a standard deviation of
# logarithms, from which on narrower pictures weren't all magnified alike: of one microscope's it was seen to be 0.09 to
# 0.13, of cells cut out and brought to one size 0.18 to 0.26.
_WIDE, _SCATTER = 6.5, 0.15
# Twice the areas between the steps.
_EDGES = np.array(
    [round(math.pi / 2 * _SMALLEST**2 * 2 ** ((2 * i + 1) / _STEPS)) for i in range(_OCTAVES * _STEPS)], np.int64
)
_DENSITY: np.ndarray = np.minimum(DENSITY // _UNIT, 255).astype(np.uint8)
_DIAMETERS = _INSIDE * _SMALLEST * 2.0 ** (np.arange(len(_EDGES) + 1) / _STEPS)


def outlines(small: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Counts the round things that lie alone in a field, RGB uint8 [h, w, 3], where the locator's marks, uint8
    [h / 2, w / 2], show no nucleus -> int64 [193], by diameter, thrice each: at three levels. All in integers.
    """
    height, width = small.shape[:2]
    counts = np.zeros(len(_DIAMETERS), np.int64)
    if min(height, width) < 64:
        return counts
    depth = _depth(small[..., 1])
    wide = cv2.dilate((marks >= 128).astype(np.uint8), np.ones((5, 5), np.uint8))
    nuclei = cv2.resize(wide, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    level = _level(np.bincount(depth[~nuclei], minlength=256))
    if level < _FAINT:
        return counts
    for part in _LEVELS:
        mask = (depth > level * part // 4).astype(np.uint8)
        for outline in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
            if len(outline) < 2.5 * _SMALLEST:
                continue
            x, y, w, h = cv2.boundingRect(outline)
            if x <= 1 or y <= 1 or x + w >= width - 1 or y + h >= height - 1 or not 3 * w < 4 * h < 5.4 * w:
                continue
            # Convex, and as full of its box as a circle (0.785): neither square nor slanting.
            area, hull = cv2.contourArea(outline), cv2.contourArea(cv2.convexHull(outline))
            if area < 0.94 * hull or not 0.73 <= hull / ((w - 1) * (h - 1)) <= 0.87:
                continue
            if nuclei[y : y + h, x : x + w].any():
                continue
            # An outline runs through its pixels' middles, half a pixel inside.
            counts[np.searchsorted(_EDGES, int(2 * area) + len(outline) + 2)] += 1
    return counts


def _depth(green: np.ndarray) -> np.ndarray:
    """How much darker a field is than its light, uint8 [h, w], in units of the optical density of green light."""
    height, width = green.shape
    coarse = cv2.resize(green, (width // 4, height // 4), interpolation=cv2.INTER_LINEAR_EXACT)
    side = 2 * (max(height, width) // 32) + 1
    light = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    wide: np.ndarray = np.pad(green.astype(np.uint16), 1, mode="edge")
    rows: np.ndarray = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    soft: np.ndarray = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:] + 8) >> 4
    return cv2.subtract(_DENSITY[soft], _DENSITY[light])


def _level(counts: np.ndarray) -> int:
    """What divides a histogram, int64 [256], best in two (Otsu 1979)."""
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    inner = (below > 0) & (below < below[-1])
    if not inner.any():
        return 0
    n, s = below[inner].astype(np.float64), sums[inner].astype(np.float64)
    total, whole = float(below[-1]), float(sums[-1])
    return int(np.flatnonzero(inner)[np.argmax((whole * n - s * total) ** 2 / (n * (total - n)))])


def diameter(counts: np.ndarray, said: float, pictures: int = 1) -> tuple[float, float]:
    """outlines()'s counts, of so many pictures, and what the network says -> the red cells' diameter in the same
    pixels, and how many were counted beyond what chance brings. The network's word weighs as much as one cell.
    """
    near = np.where((_RANGE[0] * said < _DIAMETERS) & (_RANGE[1] * said > _DIAMETERS), counts, 0)
    dense = np.convolve(near, np.ones(_WINDOW, np.int64), mode="same") * np.sqrt(_DIAMETERS)
    best = int(dense.argmax())
    place = slice(max(0, best - _WINDOW // 2), best + _WINDOW // 2 + 1)
    cells = near[place].sum() / len(_LEVELS) - _CHANCE * pictures
    if cells <= 0:
        return said, 0.0
    middle = float((near[place] * np.log(_DIAMETERS[place])).sum()) / float(near[place].sum())
    return round(math.exp((cells * middle + math.log(said)) / (cells + 1)), 2), cells  # powers' last digits differ


def unsure(cells: float) -> float:
    """By what share a ruler may be off, a standard deviation, that was read from so many red cells and from what the
    network says, 0 where that is little. As seen on raabin's and pbc's val pictures, whose red cells a run of all
    measures.
    """
    share = round(_UNSURE / math.sqrt(1 + cells), 3)
    return share if share >= _CLEAR else 0.0


@dataclass
class _Group:
    """Pictures of a run: what was counted in all, what the network said of each, what each by itself would say."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(_DIAMETERS), np.int64))
    said: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def add(self, counts: np.ndarray, said: float) -> None:
        self.counts += counts
        self.said.append(said)
        own, cells = diameter(counts, said)
        if cells >= _OWN:
            self.own.append(own)

    def measured(self, cut: float) -> tuple[float, float] | None:
        """The red cells' diameter, and by what share it may be off; None where the pictures differ too much to be of
        one microscope. cut: pixels, the width of pictures that someone may have cut out and brought to one size.
        """
        found, cells = diameter(self.counts, float(np.median(self.said)), len(self.said))
        apart = sum(not _alike(own, found) for own in self.own)
        if apart > _MIXED * max(len(self.own), 1):
            return None
        if cut < _WIDE * found and float(np.std(np.log(self.said))) > _SCATTER:
            return None
        return found, unsure(cells)


class Scale:
    """One run's ruler: pictures whose longer side is alike are taken to be of one microscope, and where there are too
    few of one size, all of them, if their red cells measure as many pixels: cells that were cut out of fields.

    measuring: pictures are still being added; fewest: pictures, below which each is measured by itself; fixed: the red
    cells' diameter in pixels of the pictures, where it is known.
    """

    def __init__(self, fewest: int = FEWEST, fixed: float | None = None) -> None:
        self.measuring = fixed is None
        self.fixed = fixed
        self._fewest = fewest
        self._sizes: dict[int, _Group] = {}
        self._all = _Group()  # in pixels of the pictures
        self._known: dict[int, tuple[float, float] | None] = {}

    def add(self, side: int, counts: np.ndarray, said: float, scale: float = 1.0) -> None:
        """One picture's outlines() and what the network says, in pixels of the shrunk field; side: the picture's longer
        one; scale: its pixels a pixel of the shrunk field.
        """
        self._sizes.setdefault(side, _Group()).add(counts, said)
        self._all.add(_enlarged(counts, scale), said * scale)
        self._known.pop(side, None)
        self._known.pop(0, None)

    def red_cell(self, side: int, said: float, scale: float = 1.0) -> tuple[float, float] | None:
        """Of a picture with that longer side, of which the network says this, in pixels of the shrunk field, and by
        what share that may be off; None where there are too few like it, or they are not of one microscope.
        """
        group = self._sizes.get(side)
        if group and len(group.said) >= self._fewest:
            if side not in self._known:
                self._known[side] = group.measured(side / scale)
            return self._known[side]
        if len(self._all.said) < self._fewest:
            return None
        if 0 not in self._known:
            self._known[0] = self._all.measured(0)
        pooled = self._known[0]
        if pooled is None or not _alike(said * scale, pooled[0]):
            return None
        return pooled[0] / scale, pooled[1]


def _alike(one: float, other: float) -> bool:
    """Whether two diameters may be of one microscope."""
    return 1 / _APART < one / other < _APART


def _enlarged(counts: np.ndarray, scale: float) -> np.ndarray:
    """outlines()'s counts of a shrunk field -> of the picture, so many times larger."""
    steps = round(_STEPS * math.log2(scale)) if scale > 1 else 0
    return np.concatenate([np.zeros(steps, np.int64), counts])[: len(counts)]
