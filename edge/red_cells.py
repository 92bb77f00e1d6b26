"""Red cells as a ruler: their diameter in pixels. On every slide, a red cell measures about 7.5 micrometres.

Nothing tells a lymphocyte from a monocyte better than the size of the nucleus, and a ruler that is off by a tenth
spoils that. One picture shows few red cells, and no two are alike. But all pictures of a run come from
one microscope, so they are measured together. The diameter comes from two sources. The outlines of red cells that lie
alone are counted. The locator's network gives an estimate, which is all there is if no outline can be counted.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from edge.normalise import DENSITY

VERSION = 2  # version of the method: to be raised when it gives other diameters
FEWEST = 8  # pictures of one size: with this many or more, they are measured together
_STEPS = 32  # bins per octave in the histogram of diameters; an octave is a doubling
_OCTAVES = 6  # octaves in the histogram
_SMALLEST = 6  # pixels: smallest diameter in the histogram
_LEVELS = (2, 3, 4)  # quarters of the threshold between light and cells: outlines are drawn at each of these
_UNIT = 4  # unit of optical density here, in thousandths
_FAINT = 3  # of these units: a smaller contrast is noise
_WINDOW = 9  # bins that belong together, because red cells of one slide differ by a fifth
# Round things per picture that are not red cells, counted in pictures cut so closely that no red cell is whole.
_CHANCE = 0.02
_RANGE = (0.45, 1.4)  # in units of the network's estimate: smaller things are platelets, larger ones are clumps
# The uncertainty of a diameter (as in `Measure`) if no red cell was counted; uncertainties below the second count as 0.
_UNCERTAINTY, _CERTAIN = 0.14, 0.05
_INSIDE = 0.9  # a red cell's diameter as the network was taught it, divided by that of its outline
_OWN = 1.9  # red cells that a picture must show for its own diameter to be compared with the run's
_FACTOR = 1.35  # diameters that differ by a larger factor come from two microscopes
_MIXED = 0.25  # largest share of the pictures of one microscope that may differ so much from all together
# A camera's field is wider than _WIDE red cells. Narrower pictures may be cells that were cut out and resized to one
# size. They are if the network's estimates scatter by more than _SCATTER (standard deviation of their natural
# logarithms). This was 0.09 to 0.13 for pictures of one microscope, and 0.18 to 0.26 for cells cut out and resized.
_WIDE, _SCATTER = 6.5, 0.15
# The borders of the bins, given as twice the area of a disc in pixels.
_EDGES = np.array(
    [round(math.pi / 2 * _SMALLEST**2 * 2 ** ((2 * i + 1) / _STEPS)) for i in range(_OCTAVES * _STEPS)], np.int64
)
_DENSITY: np.ndarray = np.minimum(DENSITY // _UNIT, 255).astype(np.uint8)
_DIAMETERS = _INSIDE * _SMALLEST * 2.0 ** (np.arange(len(_EDGES) + 1) / _STEPS)


@dataclass(frozen=True)
class RedCells:
    """What one picture shows of its red cells. The "shrunk field" is the picture as the locator's network gets it.

    Attributes:
        side: the longer side of the picture, pixels.
        scale: pixels of the picture per pixel of the shrunk field, at least 1.
        estimate: the network's estimate of the diameter of a red cell, pixels of the shrunk field.
        outlines: histogram from the function `outlines`, int64 [193].
    """

    side: int
    scale: float
    estimate: float
    outlines: np.ndarray

    @cached_property
    def own(self) -> tuple[float, float]:
        """By this picture alone: the diameter in pixels of the shrunk field, and how many red cells were counted."""
        return diameter(self.outlines, self.estimate)


@dataclass(frozen=True)
class Measure:
    """How large red cells are.

    Attributes:
        diameter: pixels of the picture.
        uncertainty: standard deviation of `diameter`, divided by `diameter`; 0 if that is below 0.05.
    """

    diameter: float
    uncertainty: float


def outlines(small: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Counts the round things that lie alone in a field.

    Args:
        small: the shrunk field, RGB uint8 [h, w, 3].
        marks: the locator's marks of nuclei, uint8 [h / 2, w / 2]; nothing is counted there.

    Returns:
        A histogram of diameters, int64 [193]. Each thing is counted up to three times, once at each of three levels.
        The sums are over integers, so that all machines agree.
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
            # It must be convex and fill its box about as a circle does (0.785), unlike a square or a slanted shape.
            area, hull = cv2.contourArea(outline), cv2.contourArea(cv2.convexHull(outline))
            if area < 0.94 * hull or not 0.73 <= hull / ((w - 1) * (h - 1)) <= 0.87:
                continue
            if nuclei[y : y + h, x : x + w].any():
                continue
            # An outline runs through the middles of its pixels, half a pixel inside the true border.
            counts[np.searchsorted(_EDGES, int(2 * area) + len(outline) + 2)] += 1
    return counts


def _depth(green: np.ndarray) -> np.ndarray:
    """How much darker each pixel is than the light around it, uint8 [h, w], as density of green light in _UNITs."""
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
    """Otsu's threshold (1979): the level that best divides a histogram, int64 [256], into two groups."""
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
        estimate: the network's estimate, pixels of the shrunk field; it weighs as much as one red cell.
        pictures: number of pictures.

    Returns:
        The diameter in pixels of the shrunk field, and how many red cells were counted, less those expected by chance.
    """
    near = np.where((_RANGE[0] * estimate < _DIAMETERS) & (_RANGE[1] * estimate > _DIAMETERS), counts, 0)
    dense = np.convolve(near, np.ones(_WINDOW, np.int64), mode="same") * np.sqrt(_DIAMETERS)
    best = int(dense.argmax())
    place = slice(max(0, best - _WINDOW // 2), best + _WINDOW // 2 + 1)
    cells = near[place].sum() / len(_LEVELS) - _CHANCE * pictures
    if cells <= 0:
        return estimate, 0.0
    middle = float((near[place] * np.log(_DIAMETERS[place])).sum()) / float(near[place].sum())
    found = math.exp((cells * middle + math.log(estimate)) / (cells + 1))
    return round(found, 2), cells  # machines differ in the last digits


def uncertainty(cells: float) -> float:
    """The standard deviation of a diameter, divided by the diameter; 0 if that is below 0.05.

    cells: number of red cells that the diameter was read from, besides the network's estimate. The formula was measured
    on the val pictures of raabin and pbc, against the ruler of a run of all of them.
    """
    share = round(_UNCERTAINTY / math.sqrt(1 + cells), 3)
    return share if share >= _CERTAIN else 0.0


@dataclass
class _Group:
    """Pictures that may come from one microscope.

    Attributes:
        counts: sum of the histograms of their outlines.
        estimates: the network's estimates, one per picture.
        own: the diameters by one picture alone, of those pictures that show enough red cells.
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
        """The red cells of all pictures; None if the pictures differ too much to come from one microscope.

        cut: longer side of the shrunk field, in its pixels. Below _WIDE red cells, the pictures may be cells that were
        cut out and resized to one size, and the scatter of their estimates is checked. 0 checks it always.
        """
        found, cells = diameter(self.counts, float(np.median(self.estimates)), len(self.estimates))
        different = sum(not _alike(own, found) for own in self.own)
        if different > _MIXED * max(len(self.own), 1):
            return None
        if cut < _WIDE * found and float(np.std(np.log(self.estimates))) > _SCATTER:
            return None
        return Measure(found, uncertainty(cells))


class RedCellRuler:
    """The ruler of one run: measures the red cells of all its pictures together.

    Pictures with the same longer side are assumed to come from one microscope. If there are too few of one size, this
    is assumed of all pictures whose red cells have the same diameter in pixels, such as cells cut out of fields.
    """

    def __init__(self, fewest: int = FEWEST, fixed: float | None = None) -> None:
        """fewest: with fewer pictures, each is measured by itself. fixed: the diameter in pixels, if it is known."""
        self.fixed = fixed
        self._fewest = fewest
        self._sizes: dict[int, _Group] = {}
        self._all = _Group()  # in pixels of the pictures
        self._known: dict[int, Measure | None] = {}

    def add(self, seen: RedCells) -> None:
        """Adds one picture of the run."""
        self._sizes.setdefault(seen.side, _Group()).add(seen.outlines, seen.estimate, seen.own)
        if seen.scale > 1:
            counts, estimate = _enlarged(seen.outlines, seen.scale), seen.estimate * seen.scale
            self._all.add(counts, estimate, diameter(counts, estimate))
        else:
            self._all.add(seen.outlines, seen.estimate, seen.own)
        self._known.pop(seen.side, None)
        self._known.pop(0, None)

    def settled(self, side: int) -> bool:
        """Whether enough pictures with this longer side were added for a measure of their own."""
        group = self._sizes.get(side)
        return group is not None and len(group.estimates) >= self._fewest

    def pooled(self, side: int, scale: float, estimate: float) -> Measure | None:
        """What the run says about a picture with these values of RedCells, in pixels of the picture.

        None if too few pictures are like it, or if they don't come from one microscope.
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
        return Measure(scale * (found.diameter / scale), found.uncertainty)  # rounded as for pictures of one size


def by_itself(seen: RedCells) -> Measure:
    """What one picture says about itself, in its own pixels."""
    found, cells = seen.own
    return Measure(seen.scale * found, uncertainty(cells))


def _alike(one: float, other: float) -> bool:
    """Whether two diameters may come from one microscope."""
    return 1 / _FACTOR < one / other < _FACTOR


def _enlarged(counts: np.ndarray, scale: float) -> np.ndarray:
    """Converts a histogram of outlines from the shrunk field to the picture, which is `scale` times larger."""
    steps = round(_STEPS * math.log2(scale)) if scale > 1 else 0
    return np.concatenate([np.zeros(steps, np.int64), counts])[: len(counts)]
