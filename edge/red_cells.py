"""Red cells as a ruler: how many pixels they measure. On every slide a red cell measures about 7.5 micrometres.

The size of a nucleus tells a lymphocyte from a monocyte better than anything else, and a ruler that is off by a tenth
spoils it. In one picture red cells are few and no two are alike, but all pictures of a run come from one microscope: so
they are measured together. There are two sources: the outlines of red cells that lie alone, which are counted, and the
locator's network, which guesses where no outline can be counted.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from edge.normalise import DENSITY

VERSION = 2  # of what is measured here
FEWEST = 8  # pictures of one size, from which on they are measured together
_STEPS = 32  # histogram bins an octave of diameters
_OCTAVES = 6
_SMALLEST = 6  # pixels
_LEVELS = (2, 3, 4)  # quarters of the level between light and cells, at which outlines are drawn
_UNIT = 4  # thousandths of optical density
_FAINT = 3  # of these units: a smaller contrast is noise
_WINDOW = 9  # bins: red cells of one slide differ by a fifth
_CHANCE = 0.02  # round things a picture that are no red cells: seen in pictures cut so close that no red cell is whole
_RANGE = (0.45, 1.4)  # of the network's estimate: smaller things are platelets, larger ones clumps
_UNCERTAINTY, _CERTAIN = 0.14, 0.05  # where no red cell was counted; below the second it counts as none
_INSIDE = 0.9  # the network was taught that a red cell's diameter is so much of its outline's
_OWN = 1.9  # red cells that a picture needs for a ruler of its own
_FACTOR = 1.35  # two diameters that differ by more are of two microscopes
_MIXED = 0.25  # share of pictures that may differ so much from the others of one microscope
# A camera's field is wider than so many red cells. Narrower pictures may have been cut out and resized: they were where
# the network's estimates scatter by more than the second number (standard deviation of logarithms). It was 0.09 to 0.13
# for pictures of one microscope, 0.18 to 0.26 for cells that were cut out and resized to one size.
_WIDE, _SCATTER = 6.5, 0.15
# Twice the areas at the borders of the bins.
_EDGES = np.array(
    [round(math.pi / 2 * _SMALLEST**2 * 2 ** ((2 * i + 1) / _STEPS)) for i in range(_OCTAVES * _STEPS)], np.int64
)
_DENSITY: np.ndarray = np.minimum(DENSITY // _UNIT, 255).astype(np.uint8)
_DIAMETERS = _INSIDE * _SMALLEST * 2.0 ** (np.arange(len(_EDGES) + 1) / _STEPS)


@dataclass(frozen=True)
class RedCells:
    """What one picture shows of its red cells. "Shrunk" means the field as the locator's network gets it.

    Attributes:
        side: the longer side of the picture, pixels.
        scale: pixels of the picture to a pixel of the shrunk field, at least 1.
        estimate: diameter of a red cell by the network, pixels of the shrunk field.
        outlines: of `outlines`, int64 [193].
    """

    side: int
    scale: float
    estimate: float
    outlines: np.ndarray

    @cached_property
    def own(self) -> tuple[float, float]:
        """Of `diameter`, for this picture alone: pixels of the shrunk field, and red cells counted."""
        return diameter(self.outlines, self.estimate)


@dataclass(frozen=True)
class Measure:
    """How large red cells are.

    Attributes:
        diameter: pixels of the picture.
        uncertainty: standard deviation of `diameter` as a share of it; 0 where it is small.
    """

    diameter: float
    uncertainty: float


def outlines(small: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Counts the round things that lie alone in a field.

    Args:
        small: the shrunk field, RGB uint8 [h, w, 3].
        marks: the locator's marks of nuclei, uint8 [h / 2, w / 2]; nothing is counted there.

    Returns:
        int64 [193], a histogram of diameters. Each thing is counted three times, at three levels. The sums are over
        integers, so that all machines agree.
    """
    height, width = small.shape[:2]
    counts = np.zeros(len(_DIAMETERS), np.int64)
    if min(height, width) < 64:
        return counts
    depth = _depth(small[..., 1])
    wide = cv2.dilate((marks >= 128).astype(np.uint8), np.ones((5, 5), np.uint8))
    nuclei = cv2.resize(wide, (width, height), interpolation=cv2.INTER_NEAREST)
    level = _level(cv2.calcHist([depth], [0], 1 - nuclei, [256], [0, 256]).ravel().astype(np.int64))
    if level < _FAINT:
        return counts
    for part in _LEVELS:
        mask = cv2.threshold(depth, level * part // 4, 1, cv2.THRESH_BINARY)[1]
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
    wide = cv2.copyMakeBorder(green, 1, 1, 1, 1, cv2.BORDER_REPLICATE).astype(np.uint16)
    rows = wide[:-2] + wide[2:]
    rows += wide[1:-1] << 1
    soft = rows[:, :-2] + rows[:, 2:]
    soft += rows[:, 1:-1] << 1
    soft += 8
    soft >>= 4
    return cv2.subtract(cv2.LUT(soft.astype(np.uint8), _DENSITY), cv2.LUT(light, _DENSITY))


def _level(counts: np.ndarray) -> int:
    """Otsu's threshold (1979): what divides a histogram, int64 [256], best in two."""
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    inner = (below > 0) & (below < below[-1])
    if not inner.any():
        return 0
    n, s = below[inner].astype(np.float64), sums[inner].astype(np.float64)
    total, whole = float(below[-1]), float(sums[-1])
    return int(np.flatnonzero(inner)[np.argmax((whole * n - s * total) ** 2 / (n * (total - n)))])


def diameter(counts: np.ndarray, estimate: float, pictures: int = 1) -> tuple[float, float]:
    """The diameter at which most outlines lie.

    Args:
        counts: sum of `outlines` over pictures, int64 [193].
        estimate: the network's, pixels of the shrunk field; it weighs as much as one red cell.
        pictures: how many there were.

    Returns:
        The diameter in the same pixels, and how many red cells were counted beyond those that chance brings.
    """
    near = np.where((_RANGE[0] * estimate < _DIAMETERS) & (_RANGE[1] * estimate > _DIAMETERS), counts, 0)
    dense = np.convolve(near, np.ones(_WINDOW, np.int64), mode="same") * np.sqrt(_DIAMETERS)
    best = int(dense.argmax())
    place = slice(max(0, best - _WINDOW // 2), best + _WINDOW // 2 + 1)
    cells = near[place].sum() / len(_LEVELS) - _CHANCE * pictures
    if cells <= 0:
        return estimate, 0.0
    middle = float((near[place] * np.log(_DIAMETERS[place])).sum()) / float(near[place].sum())
    return round(
        math.exp((cells * middle + math.log(estimate)) / (cells + 1)), 2
    ), cells  # last digits of powers differ


def uncertainty(cells: float) -> float:
    """The standard deviation, as a share, of a diameter that was read from so many red cells and the network's
    estimate; 0 where it is small. Measured on the val pictures of raabin and pbc against the ruler of a run of all.
    """
    share = round(_UNCERTAINTY / math.sqrt(1 + cells), 3)
    return share if share >= _CERTAIN else 0.0


@dataclass
class _Group:
    """Pictures that may be of one microscope.

    Attributes:
        counts: sum of their outlines.
        estimates: the network's, one a picture.
        own: the diameter by the picture alone, of those that show enough red cells.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(_DIAMETERS), np.int64))
    estimates: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def add(self, counts: np.ndarray, estimate: float, own: tuple[float, float]) -> None:
        self.counts += counts
        self.estimates.append(estimate)
        if own[1] >= _OWN:
            self.own.append(own[0])

    def measure(self, cut: float) -> Measure | None:
        """The red cells of all; None where the pictures differ too much to be of one microscope.

        cut: pixels, the width of pictures that somebody may have cut out and resized to one size.
        """
        found, cells = diameter(self.counts, float(np.median(self.estimates)), len(self.estimates))
        different = sum(not _alike(own, found) for own in self.own)
        if different > _MIXED * max(len(self.own), 1):
            return None
        if cut < _WIDE * found and float(np.std(np.log(self.estimates))) > _SCATTER:
            return None
        return Measure(found, uncertainty(cells))


class RedCellRuler:
    """The red cells of one run.

    Pictures with the same longer side are taken to be of one microscope. Where there are too few of one size, all
    pictures are, as long as their red cells measure as many pixels: cells that were cut out of fields.
    """

    def __init__(self, fewest: int = FEWEST, fixed: float | None = None) -> None:
        """fewest: with fewer pictures, each is measured by itself; fixed: the diameter in pixels, where it is known."""
        self.fixed = fixed
        self._fewest = fewest
        self._sizes: dict[int, _Group] = {}
        self._all = _Group()  # in pixels of the pictures
        self._known: dict[int, Measure | None] = {}

    def add(self, seen: RedCells) -> None:
        """One picture of the run."""
        self._sizes.setdefault(seen.side, _Group()).add(seen.outlines, seen.estimate, seen.own)
        if seen.scale > 1:
            counts, estimate = _enlarged(seen.outlines, seen.scale), seen.estimate * seen.scale
            self._all.add(counts, estimate, diameter(counts, estimate))
        else:
            self._all.add(seen.outlines, seen.estimate, seen.own)
        self._known.pop(seen.side, None)
        self._known.pop(0, None)

    def pooled(self, side: int, scale: float, estimate: float) -> Measure | None:
        """What the run says of a picture with these values of RedCells, in pixels of the picture.

        None where too few pictures are like it, or where they are not of one microscope.
        """
        if self.fixed:
            return Measure(self.fixed, 0.0)
        group = self._sizes.get(side)
        if group and len(group.estimates) >= self._fewest:
            if side not in self._known:
                self._known[side] = group.measure(side / scale)
            found = self._known[side]
            return Measure(scale * found.diameter, found.uncertainty) if found else None
        if len(self._all.estimates) < self._fewest:
            return None
        if 0 not in self._known:
            self._known[0] = self._all.measure(0)
        found = self._known[0]
        if found is None or not _alike(estimate * scale, found.diameter):
            return None
        return Measure(scale * (found.diameter / scale), found.uncertainty)


def by_itself(seen: RedCells) -> Measure:
    """What one picture alone says, in pixels of the picture."""
    found, cells = seen.own
    return Measure(seen.scale * found, uncertainty(cells))


def _alike(one: float, other: float) -> bool:
    """Whether two diameters may be of one microscope."""
    return 1 / _FACTOR < one / other < _FACTOR


def _enlarged(counts: np.ndarray, scale: float) -> np.ndarray:
    """The outlines of a shrunk field -> of the picture, which is `scale` times larger."""
    steps = round(_STEPS * math.log2(scale)) if scale > 1 else 0
    return np.concatenate([np.zeros(steps, np.int64), counts])[: len(counts)]
