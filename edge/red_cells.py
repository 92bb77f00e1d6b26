"""Red cells as a ruler: their diameter in pixels. On every slide, a red cell measures about 7.5 micrometres.

Nothing tells a lymphocyte from a monocyte better than the size of the nucleus, and a ruler that is off by a tenth
spoils that. One picture shows few red cells, and no two are alike. But all pictures of a run come from
one microscope, so they are measured together.

Round outlines that lie alone are counted by diameter. Red cells make a heap in this histogram, but so do platelets,
grains and clumps. Two other words say which heap is likely: the estimate of the locator's network, and the nuclei of
the white cells, which are one to two red cells wide. On foreign microscopes the network's word was up to four times too
large. So it only weighs the heaps, and is the ruler itself only where there is no heap. The uncertainty says how far to
trust the result: it rises with few outlines, with a second heap, and with words that contradict each other.
"""

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np

from edge.cell import NO_RULER
from edge.normalise import DENSITY
from edge.stain import median

VERSION = 6  # version of the method: to be raised when it gives other diameters
PIXELS = (3, 10_000)  # a diameter that is known lies between these
FEWEST = 8  # pictures of one size: with this many or more, they are measured together
_STEPS = 32  # bins per octave in the histogram of diameters; an octave is a doubling
_OCTAVES = 6  # octaves in the histogram
_SMALLEST = 6  # pixels: smallest diameter in the histogram
# Quarters of the threshold between light and cells: outlines are drawn at each of these. Levels 3 to 5 show a third
# more red cells than 2 to 4 on raabin, and up to twice as many on pale fields of chula_rpi. Rims of defocus are faint.
_LEVELS = (3, 4, 5)
_UNIT = 4  # unit of optical density here, in thousandths
_FAINT = 3  # of these units: a smaller contrast is noise
# Bins that belong together, because red cells of one slide differ by a quarter. With 9 bins, the diameter of a film of
# chula_rpi depended on which of two neighbouring peaks was higher by an outline or two.
_WINDOW = 13
# Round things per picture and window that are not red cells, counted in pictures of raabin and pbc cut so closely that
# no red cell is whole.
_CHANCE = 0.03
# How far the network's word differs from the truth: half width of a Cauchy distribution of the natural logarithm. It
# was 0.1 where the network had learned, but 0.2 to 0.9 on films of chula_rpi and chula_rbc12, and 1.4 on pig_warty.
_WORD = 0.2
# The median nucleus of a run in red-cell diameters: 1.1 (draaslan) to 2.1 (basophils of chula_rpi). Outside of this
# range, a diameter is less likely, by a Cauchy distribution of the natural logarithm with this half width.
_NUCLEUS, _BEYOND = (1.05, 2.2), 0.2
# Without a heap, the diameter is a mean of the network's word and of the median nucleus of a run divided by _USUAL; the
# nuclei have this share. On tight crops without red cells (../shared/cases/tight) the word is 44 pixels, the nuclei say
# 33, and 30 is right: with a share of 0.75, 0.5 and 0, the ruler is 35, 38 and 44 pixels, and of the names that the
# file of commit 8d6ee38 gives, 0 of 23, 0 of 28 and 4 of 20 are wrong. On pictures of raabin's lymphocytes cut so
# closely, where the word is right, 0.5 makes it 14 % too small.
_USUAL, _BY_NUCLEI = 1.6, 0.5
# A heap of n red cells weighs n * n, times the two words' likelihood of its diameter, 0 to 1. It is compared with
# _DOUBT, the weight of there being no heap of red cells. Heaps that weigh less than _LEAST are none. The three figures
# were set so that on single pictures of chula_rpi, whose true diameters are known from their films, the uncertainties
# are as large as the errors. On pictures of pbc, raabin and bccd the errors are then half as large.
_DOUBT, _LEAST = 0.3, 0.1
_ASIDE = 0.2  # natural logarithm: a heap that is farther away than this is another one
_ONE = 0.14  # how far one red cell differs from the mean of a run, as a share
# Two parts of the uncertainty that no number of outlines removes. The first counts if the network's word differs by
# more than _WORD. The second counts if red cells are pale, because outlines then follow rims of defocus and the field's
# light: films of chula_rpi scatter by 0.08, and a person who measured such fields read up to 0.15 less. Pale is a
# threshold between light and cells below the second of _PALE (in _UNITs), and wholly pale is one below the first. It is
# 13 to 31 on films of chula_rpi, 37 on bccd, 45 on pbc, and 70 on raabin.
_CONTRARY, _PALENESS, _PALE = 0.1, 0.08, (26, 36)
CERTAIN, _MOST = 0.05, 0.4  # uncertainties below the first count as 0, those above the second as the second
INSIDE = 0.92  # a red cell's diameter as the network was taught it, divided by that of its outline
_OWN = 1.9  # red cells that a picture must show for its own diameter to be compared with the run's
_FACTOR = 1.35  # diameters that differ by a larger factor come from two microscopes
_MIXED = 0.25  # largest share of the pictures of one microscope that may differ so much from all together
# A camera's field is wider than _WIDE red cells. Narrower pictures may be cells that were cut out and resized to one
# size. They are if the network's estimates scatter by more than _SCATTER (standard deviation of their natural
# logarithms). This was 0.09 to 0.13 for pictures of one microscope, and 0.18 to 0.26 for cells cut out and resized.
_WIDE, _SCATTER = 6.5, 0.15
# Pictures of one size come from two magnifications if their network's estimates fall into two groups, and if outlines
# and nuclei agree: if the means of the groups are _APART times their spread and a factor of _TIMES apart, and the
# diameters by all pictures of a group, and the nuclei, by _TIMES_TOO. With half of bccd's fields enlarged 1.5 times
# (twice), the means are 3.8 (4.7) times the spread apart, and the factors are 1.36, 1.41 and 1.51 (1.57, 1.79 and
# 1.97). A group in which nothing tells the size, such as fields without red cells, is none. No source of ../shared/data
# falls apart. Of 40 samples of 8 to 64 pictures of each source, none does but 7 of krd_wbc, whose pictures have several
# magnifications, and 5 of raabin. A group has at least _GROUP pictures.
_APART, _TIMES, _TIMES_TOO, _GROUP = 3.0, 1.3, 1.25, 3
_BETWEEN = 0.15  # of the way from the middle between two groups to their means: a picture there belongs to neither
# A ruler of the site is compared with what the latest pictures of the run show, at most _COMPARED. It no longer fits if
# they say otherwise by a factor of _OTHERWISE. They are believed from _BELIEVED pictures and _SHOWN red cells on, if
# they also make a ruler. So a ruler 1.3 times too large or small is noticed in 0.9 to 1 of the draws of ten fields of
# every source but krd_wbc, and the right one is suspected in none (docs/figures/locating.md).
_COMPARED, _BELIEVED, _SHOWN, _OTHERWISE = 200, 3, 3.0, 1.2
_SHAPE = 0.02  # pictures whose sides have the same ratio but for this share were scaled, not cut out
_CUT_OUT = 4.0  # red cells: a narrower picture is one cell cut out of a field, whatever its shape
# The borders of the bins, given as twice the area of a disc in pixels.
_EDGES = np.array(
    [round(math.pi / 2 * _SMALLEST**2 * 2 ** ((2 * i + 1) / _STEPS)) for i in range(_OCTAVES * _STEPS)], np.int64
)
_ALL = (0, 0.0)  # instead of a side and a scale: the pictures of all sizes
_DENSITY: np.ndarray = np.minimum(DENSITY // _UNIT, 255).astype(np.uint8)
_DIAMETERS = INSIDE * _SMALLEST * 2.0 ** (np.arange(len(_EDGES) + 1) / _STEPS)
_LOGS = np.log(_DIAMETERS)


@dataclass(frozen=True)
class RedCells:
    """What one picture shows of its red cells. The "shrunk field" is the picture as the locator's network gets it.

    Attributes:
        side: the longer side of the picture's field, pixels.
        scale: pixels of the picture per pixel of the shrunk field, at least 1.
        estimate: the network's estimate of the diameter of a red cell, pixels of the shrunk field.
        outlines: histogram from the function `outlines`, int64 [193].
        contrast: between light and cells, from the function `outlines`.
        nuclei: diameters of the nuclei that the border doesn't cut, pixels of the shrunk field.
        views: number of parts in which the field was looked at, each shrunk by itself.
    """

    side: int
    scale: float
    estimate: float
    outlines: np.ndarray
    contrast: int
    nuclei: tuple[float, ...] = ()
    views: int = 1

    @cached_property
    def own(self) -> "Measure":
        """What this picture alone says, in pixels of the shrunk field."""
        return measure(self.outlines, self.estimate, self.contrast, self.nuclei, self.views)


@dataclass(frozen=True)
class Measure:
    """How large red cells are.

    Attributes:
        diameter: pixels.
        uncertainty: standard deviation of `diameter`, divided by `diameter`: 0 if that is below 0.05, and at most 0.4.
            From edge.cell.NO_RULER on, nothing is known that deserves to be called a ruler.
        cells: number of red cells that were counted, less those expected by chance; 0 for the network's word alone.
    """

    diameter: float
    uncertainty: float
    cells: float = 0.0

    def times(self, scale: float) -> "Measure":
        """The same measure in pixels that are `scale` times smaller."""
        return Measure(scale * self.diameter, self.uncertainty, self.cells)


@dataclass(frozen=True)
class KnownRuler:
    """The diameter of red cells, known before a run begins.

    Attributes:
        diameter: pixels.
        uncertainty: as in Measure.
        size: width and height in pixels of the pictures that it was measured in, by one camera and objective; None for
            a diameter that holds for all pictures of the run, whatever they show.
    """

    diameter: float
    uncertainty: float = 0.0
    size: tuple[int, int] | None = None

    def times(self, size: tuple[int, int]) -> float | None:
        """How many pixels of a picture are one pixel of those that were measured; None if that isn't known.

        A picture of the same shape shows the whole field, in more or fewer pixels. A smaller one of another shape was
        cut out of such a field. size: width and height of the picture.
        """
        if self.size is None or size == self.size:
            return 1.0
        (short, long), (own_short, own_long) = sorted(size), sorted(self.size)
        fits = short <= own_short and long <= own_long
        if fits and long < _CUT_OUT * self.diameter:
            return 1.0
        if abs(short * own_long - long * own_short) <= _SHAPE * long * own_short:
            return long / own_long
        return 1.0 if fits else None


def outlines(small: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, int]:
    """Counts the round things that lie alone in a field. For the arguments see `round_things`.

    Returns:
        A histogram of diameters, int64 [193], and the contrast: the threshold between light and cells, 0 to 255 _UNITs.
        Each thing is counted up to three times, once at each of three levels. The sums are over integers, so that all
        machines agree.
    """
    things, level = round_things(small, marks)
    sizes = np.array([size for _, _, size in things], np.int64)
    return np.bincount(np.searchsorted(_EDGES, sizes), minlength=len(_DIAMETERS)), level


def diameter(size: int) -> float:
    """The diameter of a red cell with an outline from `round_things`, in the same pixels. size: twice its area."""
    return INSIDE * math.sqrt(2 * size / math.pi)


def round_things(small: np.ndarray, marks: np.ndarray) -> tuple[list[tuple[float, float, int]], int]:
    """Outlines the round things that lie alone in a field.

    Args:
        small: the shrunk field, RGB uint8 [h, w, 3].
        marks: the locator's marks of nuclei, uint8 [h / 2, w / 2]; nothing is outlined there.

    Returns:
        For each thing its middle, x and y, and twice its area, pixels of the shrunk field; up to three times, once at
        each of three levels. Also the contrast: the threshold between light and cells, 0 to 255 _UNITs.
    """
    height, width = small.shape[:2]
    things: list[tuple[float, float, int]] = []
    if min(height, width) < 64:
        return things, 0
    depth = _depth(cv2.extractChannel(small, 1))
    nuclei = near_nuclei(marks, width, height)
    level = _level(cv2.calcHist([depth], [0], 1 - nuclei, [256], [0, 256]).ravel().astype(np.int64))
    if level < _FAINT:
        return things, level
    for part in _LEVELS:
        mask = cv2.threshold(depth, level * part // 4, 1, cv2.THRESH_BINARY)[1]
        for outline in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
            if len(outline) < 2.5 * _SMALLEST:
                continue
            x, y, w, h = cv2.boundingRect(outline)
            if x <= 1 or y <= 1 or x + w >= width - 1 or y + h >= height - 1 or not 3 * w < 4 * h < 5.4 * w:
                continue
            # It must be convex and fill its box about as a circle does (0.785), unlike a square or a slanted shape.
            area, box = cv2.contourArea(outline), (w - 1) * (h - 1)
            if area < 0.94 * 0.73 * box:  # so that most hulls needn't be computed
                continue
            hull = cv2.contourArea(cv2.convexHull(outline))
            if area < 0.94 * hull or not 0.73 <= hull / box <= 0.87 or nuclei[y : y + h, x : x + w].any():
                continue
            # An outline runs through the middles of its pixels, half a pixel inside the true border.
            things.append((x + w / 2, y + h / 2, int(2 * area) + len(outline) + 2))
    return things, level


def near_nuclei(marks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Which pixels of a field may belong to nuclei, and so show no red cells: uint8 [height, width], 0 or 1.

    marks: the locator's marks of nuclei, uint8 [h, w].
    """
    wide = cv2.dilate((marks >= 128).astype(np.uint8), np.ones((5, 5), np.uint8))
    return cv2.resize(wide, (width, height), interpolation=cv2.INTER_NEAREST)


def _depth(green: np.ndarray) -> np.ndarray:
    """How much darker each pixel is than the light around it, uint8 [h, w], as density of green light in _UNITs."""
    height, width = green.shape
    coarse = cv2.resize(green, (width // 4, height // 4), interpolation=cv2.INTER_LINEAR_EXACT)
    side = 2 * (max(height, width) // 32) + 1
    light = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    # In its smallest size, OpenCV's blur has weights of 1, 2 and 1 quarters and rounds once, so that machines agree.
    soft = cv2.GaussianBlur(green, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    return cv2.subtract(cv2.LUT(soft, _DENSITY), cv2.LUT(light, _DENSITY))


def _level(counts: np.ndarray) -> int:
    """Otsu's threshold (1979): the level that best divides a histogram, int64 [256], into two groups."""
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    inner = (below > 0) & (below < below[-1])
    if not inner.any():
        return 0
    n, s = below[inner].astype(np.float64), sums[inner].astype(np.float64)
    total, whole = float(below[-1]), float(sums[-1])
    return int(np.flatnonzero(inner)[np.argmax((whole * n - s * total) ** 2 / (n * (total - n)))])


def measure(
    counts: np.ndarray, estimate: float, contrast: float, nuclei: Sequence[float] = (), pictures: int = 1
) -> Measure:
    """How large red cells are: the middle of the heap of outlines that is likeliest to be red cells.

    Args:
        counts: sum of `outlines` over pictures, int64 [193].
        estimate: the network's estimate, pixels of the shrunk field. Near the heap it weighs as much as one red cell.
        contrast: the median of those from `outlines`.
        nuclei: diameters of nuclei, pixels of the shrunk field.
        pictures: number of pictures.

    Returns:
        The measure in pixels of the shrunk field. Without a heap it is the network's estimate, corrected by the nuclei
        of a run.
    """
    word = math.log(estimate)
    likely = _likely(word, nuclei)
    heaps = np.maximum(np.convolve(counts, np.ones(_WINDOW, np.int64), mode="same") / len(_LEVELS), _CHANCE * pictures)
    heaps -= _CHANCE * pictures
    weights = heaps * heaps * likely / likely.max()
    best = int((weights * np.sqrt(_DIAMETERS)).argmax())
    weight, cells = float(weights[best]), float(heaps[best])
    middle, agrees = word, 1.0
    if weight < _LEAST:
        cells = 0.0
        if len(nuclei) >= FEWEST:
            middle += _BY_NUCLEI * (math.log(median(nuclei) / _USUAL) - word)
    else:
        place = slice(max(0, best - _WINDOW // 2), best + _WINDOW // 2 + 1)
        heap = float((counts[place] * _LOGS[place]).sum()) / float(counts[place].sum())
        agrees = 1 / (1 + ((heap - word) / _WORD) ** 2)
        middle = (cells * heap + agrees * word) / (cells + agrees)
    # The variance of a mixture: of this heap, of all other heaps, and of no heap, for which the words alone count.
    squares = (_LOGS - middle) ** 2
    aside = np.where(squares > _ASIDE**2, weights, 0) / _WINDOW
    doubt = float((likely * squares).sum()) / float(likely.sum())
    total = weight * _ONE**2 / (1 + cells) + float((aside * squares).sum()) + _DOUBT * doubt
    pale = min(max((_PALE[1] - contrast) / (_PALE[1] - _PALE[0]), 0.0), 1.0)
    variance = total / (weight + float(aside.sum()) + _DOUBT)
    variance += (_CONTRARY * (1 - agrees) ** 2) ** 2 + (_PALENESS * pale) ** 2
    share = round(min(math.sqrt(variance), _MOST), 3)  # machines differ in the last digits
    return Measure(round(math.exp(middle), 2), share if share >= CERTAIN else 0.0, cells)


def _likely(word: float, nuclei: Sequence[float]) -> np.ndarray:
    """How likely each diameter of the histogram is by the network's word and the nuclei alone, float64 [193], 0 to 1.

    word: natural logarithm of the network's estimate.
    """
    likely = 1 / (1 + ((_LOGS - word) / _WORD) ** 2)
    if nuclei:
        sizes = math.log(median(nuclei)) - _LOGS
        beyond = np.maximum(np.maximum(math.log(_NUCLEUS[0]) - sizes, sizes - math.log(_NUCLEUS[1])), 0)
        likely /= 1 + (beyond / _BEYOND) ** 2
    return likely


@dataclass
class _Group:
    """Pictures that may come from one microscope.

    Attributes:
        counts: sum of the histograms of their outlines.
        estimates: the network's estimates, one per picture.
        contrasts: between light and cells, one per picture.
        nuclei: diameters of the nuclei in all pictures.
        own: the diameters by one picture alone, of those pictures that show enough red cells.
        pictures: all of them, if they may come from two magnifications.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(_DIAMETERS), np.int64))
    estimates: list[float] = field(default_factory=list)
    contrasts: list[int] = field(default_factory=list)
    nuclei: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    pictures: list[RedCells] = field(default_factory=list)

    def add(self, seen: RedCells, own: Measure) -> None:
        self.counts += seen.outlines
        self.estimates.append(seen.estimate)
        self.contrasts.append(seen.contrast)
        self.nuclei += seen.nuclei
        if own.cells >= _OWN and own.uncertainty < NO_RULER:
            self.own.append(own.diameter)

    def measure(self, cut: float) -> Measure | None:
        """The red cells of all pictures; None if the pictures differ too much to come from one microscope.

        cut: longer side of the shrunk field, in its pixels. Below _WIDE red cells, the pictures may be cells that were
        cut out and resized to one size, and the scatter of their estimates is checked. 0 checks it always.
        """
        found = self.together()
        different = sum(not _alike(own, found.diameter) for own in self.own)
        return None if different > _MIXED * max(len(self.own), 1) or self.resized(cut) else found

    def together(self) -> Measure:
        """The red cells of all pictures, as if they came from one microscope."""
        word, contrast = median(self.estimates), median(self.contrasts)
        return measure(self.counts, word, contrast, self.nuclei, len(self.estimates))

    def resized(self, cut: float) -> bool:
        """Whether the pictures are cells that were cut out and resized to one size. cut: see `measure`."""
        return cut < _WIDE * self.together().diameter and float(np.std(np.log(self.estimates))) > _SCATTER

    def magnifications(self) -> "tuple[_Group, _Group, float, float] | None":
        """The pictures of two magnifications, the smaller one first; None if all pictures have one.

        Also the middle between the two groups and half their distance, as natural logarithms of estimates.
        """
        ordered = sorted(self.pictures, key=lambda each: each.estimate)
        count = len(ordered)
        if count < 2 * _GROUP:
            return None
        # The place that divides the estimates best, by Otsu's criterion.
        logs = np.log([each.estimate for each in ordered])
        places, sums = np.arange(_GROUP, count - _GROUP + 1), np.cumsum(logs)
        low, high = sums[places - 1] / places, (sums[-1] - sums[places - 1]) / (count - places)
        best = int((places * (count - places) * (high - low) ** 2).argmax())
        place, apart = int(places[best]), float(high[best] - low[best])
        spread = math.sqrt((logs[:place].var() * place + logs[place:].var() * (count - place)) / count)
        if apart < math.log(_TIMES) or apart < _APART * spread:
            return None
        small, large = _Group(), _Group()
        for number, each in enumerate(ordered):
            (small if number < place else large).add(each, each.own)
        lower, upper = small.together(), large.together()
        if upper.diameter < _TIMES_TOO * lower.diameter or max(lower.uncertainty, upper.uncertainty) >= _MOST:
            return None
        known = min(len(small.nuclei), len(large.nuclei)) >= _GROUP
        if known and median(large.nuclei) < _TIMES_TOO * median(small.nuclei):
            return None
        return small, large, float(low[best] + high[best]) / 2, apart / 2


class RedCellRuler:
    """The ruler of one run: measures the red cells of all its pictures together.

    Pictures with the same longer side are assumed to come from one microscope, and to have one or two magnifications.
    If there are too few of one size, this is assumed of all pictures whose red cells have the same diameter in pixels,
    such as cells cut out of fields.
    """

    def __init__(self, fewest: int = FEWEST, fixed: float | KnownRuler | None = None, endless: bool = False) -> None:
        """Starts without pictures.

        Args:
            fewest: with fewer pictures, each is measured by itself.
            fixed: the diameter in pixels, or the site's ruler, if it is known.
            endless: whether the run has no end, so that single pictures can't be remembered. It then has one
                magnification.
        """
        self.fixed = KnownRuler(fixed) if isinstance(fixed, float | int) else fixed
        self.measures = self.fixed is None or self.fixed.size is not None  # whether pictures are worth adding
        self._compared: deque[RedCells] = deque(maxlen=_COMPARED)  # in pixels of the site's ruler
        self._contrary: Measure | None = None  # what they show, if the site's ruler doesn't fit them
        self._unknown: Counter[tuple[int, int]] = Counter()  # pictures that the site's ruler isn't for, by their size
        self._fewest, self._endless = fewest, endless
        self._sizes: dict[tuple[int, float], _Group] = {}  # by longer side and scale
        self._all = _Group()  # in pixels of the pictures
        # By longer side and scale: the number of pictures measured, and measures of the shrunk field, each with the
        # natural logarithm of the least estimate of the pictures that it is for.
        self._known: dict[tuple[int, float], tuple[int, list[tuple[float, Measure | None]]]] = {}

    def add(self, seen: RedCells, size: tuple[int, int] = (0, 0)) -> None:
        """Adds one picture of the run. size: its width and height, to compare it with the site's ruler."""
        if self.fixed:
            self._compare(seen, size, self.fixed)
        group = self._sizes.setdefault((seen.side, seen.scale), _Group())
        group.add(seen, seen.own)
        if not self._endless:
            group.pictures.append(seen)
        self._all.add(_rescaled(seen, 1.0), by_itself(seen))

    def _compare(self, seen: RedCells, size: tuple[int, int], fixed: KnownRuler) -> None:
        times = fixed.times(size)
        if times is None:
            self._unknown[size] += 1
            return
        self._compared.append(replace(seen, side=round(seen.side / times), scale=seen.scale / times))
        self._contrary = None
        if len(self._compared) < _BELIEVED:
            return
        found = together(self._compared)
        if found and found.cells >= _SHOWN and found.uncertainty < NO_RULER:
            apart = abs(math.log(found.diameter / fixed.diameter))
            self._contrary = found if apart > math.log(_OTHERWISE) else None

    def known(self, size: tuple[int, int]) -> Measure | None:
        """The diameter of red cells in a picture, if it was known before the run.

        Where the pictures contradict it, its uncertainty says so; cells are then seen by other rulers, too. size: width
        and height of the picture.
        """
        times = self.fixed.times(size) if self.fixed else None
        if not self.fixed or times is None:
            return None
        uncertainty = self.fixed.uncertainty
        if self._contrary:
            apart = abs(math.log(self._contrary.diameter / self.fixed.diameter))
            uncertainty = round(min(max(uncertainty, apart), _MOST), 3)
        return Measure(self.fixed.diameter * times, uncertainty)

    def complaint(self) -> str:
        """A sentence for each reason why the site's ruler doesn't fit the run; "" if it fits, or if there is none."""
        text = ""
        if self.fixed and self._contrary:
            text = (
                f"The profile's ruler doesn't fit these pictures: a red cell has {self.fixed.diameter:.0f} pixels by "
                f"it, but they show {self._contrary.diameter:.0f}; has the objective, the binning or the cut of the "
                "picture changed? Measure again with edge-site ruler, or give --ruler run."
            )
        if self.fixed and self.fixed.size and self._unknown:
            sizes = ", ".join(f"{width}x{height}" for width, height in sorted(self._unknown))
            text += " " * bool(text) + (
                f"The profile's ruler was measured in pictures of {self.fixed.size[0]}x{self.fixed.size[1]} pixels and "
                f"can't be used for those of {sizes}, whose red cells are measured; run edge-site ruler with them."
            )
        return text

    def settled(self, side: int, scale: float) -> bool:
        """Whether enough pictures with this longer side and scale were added for a measure of their own."""
        group = self._sizes.get((side, scale))
        return group is not None and len(group.estimates) >= self._fewest

    def pooled(self, side: int, scale: float, estimate: float, roughly: bool = False) -> Measure | None:
        """What the run says about a picture with these values of RedCells, in pixels of the picture.

        None if too few pictures are like it, or if they don't come from one microscope. roughly: what half of the
        pictures said is enough, which saves the measuring after each picture.
        """
        group = self._sizes.get((side, scale))
        if group and len(group.estimates) >= self._fewest:
            measures = self._up_to_date((side, scale), group, roughly)
            word = math.log(estimate) if estimate > 0 else 0.0
            found = next((each for least, each in reversed(measures) if word >= least), None)
            return found.times(scale) if found else None
        if len(self._all.estimates) < self._fewest:
            return None
        found = self._up_to_date(_ALL, self._all, roughly)[0][1]
        if found is None or not _alike(estimate * scale, found.diameter):
            return None
        return replace(found, diameter=scale * (found.diameter / scale))  # rounded as for pictures of one size

    def _up_to_date(self, key: tuple[int, float], group: _Group, roughly: bool) -> list[tuple[float, Measure | None]]:
        """What the pictures of a group say; see self._known."""
        count = len(group.estimates)
        measured, measures = self._known.get(key, (0, []))
        if measured < (count / 2 if roughly else count):
            whole = key == _ALL
            measures = [(-math.inf, group.measure(0))] if whole else self._measures(group, key[0] / key[1])
            self._known[key] = count, measures
        return measures

    def _measures(self, group: _Group, cut: float) -> list[tuple[float, Measure | None]]:
        """What pictures of one size say together, or those of each of two magnifications. See self._known."""
        halves = None if group.resized(cut) else group.magnifications()
        if not halves:
            return [(-math.inf, group.measure(cut))]
        small, large, middle, distance = halves
        lower, upper = (each.measure(cut) if len(each.estimates) >= self._fewest else None for each in (small, large))
        between = _BETWEEN * distance
        return [(-math.inf, lower), (middle - between, None), (middle + between, upper)]

    def magnifications(self) -> list[tuple[int, int]]:
        """For each picture size with two magnifications: how many of the pictures that were added have the smaller, and
        how many the larger one.
        """
        found = []
        for (side, scale), group in self._sizes.items():
            if len(group.pictures) >= self._fewest and not group.resized(side / scale):
                halves = group.magnifications()
                found += [(len(halves[0].estimates), len(halves[1].estimates))] if halves else []
        return found


def together(pictures: Sequence[RedCells]) -> Measure | None:
    """What pictures of one camera and objective say together, in their own pixels.

    Unlike in RedCellRuler, surrounds and tiles may make their fields differ in size and scale. None if the pictures
    differ too much to come from one microscope.
    """
    scale = Counter(each.scale for each in pictures).most_common(1)[0][0]
    group = _Group()
    for each in pictures:
        group.add(_rescaled(each, scale), each.own.times(each.scale / scale))
    found = group.measure(max(each.side for each in pictures) / scale)
    return found and found.times(scale)


def by_itself(seen: RedCells) -> Measure:
    """What one picture says about itself, in its own pixels."""
    return seen.own.times(seen.scale)


def _alike(one: float, other: float) -> bool:
    """Whether two diameters may come from one microscope."""
    return 1 / _FACTOR < one / other < _FACTOR


def _rescaled(seen: RedCells, scale: float) -> RedCells:
    """What a picture shows, with another scale: as if it had been shrunk so many times."""
    if scale == seen.scale:
        return seen
    times = seen.scale / scale
    steps, bins = round(_STEPS * math.log2(times)), len(seen.outlines)
    wide = np.pad(seen.outlines, (max(steps, 0), max(-steps, 0)))
    counts = wide[:bins] if steps > 0 else wide[-bins:]
    nuclei = tuple(times * each for each in seen.nuclei)
    return RedCells(seen.side, scale, seen.estimate * times, counts, seen.contrast, nuclei, seen.views)
