"""Is a mark stained like a nucleus? Red cells without a pale middle, large platelets and folds of the film are not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Absorbance of each level, in hundredths of a neper. As integers, they are the same on every machine.
ABSORBANCE = np.array([round(-100 * math.log(max(level, 1) / 255)) for level in range(256)], np.int32)
# Half the width of the neighbourhood, in diameters of a red cell or of the nucleus if that is larger. The second is for
# marks that have too few red cells in the first.
_REACHES = (2.5, 6.0)
# Radii in diameters of the nucleus: inside the first is only nucleus, outside the second is none.
_INSIDE, _OUTSIDE = 0.3, 0.9
_SAMPLES = 64  # the neighbourhood is sampled in about so many rows and columns
_FEWEST = 12  # samples: fewest of the mark's surroundings, and of red cells among them, that allow a comparison

# The logistic regression of `evidence`: its constant, and the weights of the mark, of the logarithms of green,
# hue and blue, of how much paler the mark is than the densest of its field, and of its size. Fitted to the shipped
# locator's marks in the learning half of the marked fields (train.data.fields.halves) and to 1,200 train pictures of
# raabin and pbc: 1,045 nuclei and 233 other marks. The marks in chula_rbc12, red cells alone, count six times.
_CONSTANT, _MARK, _GREEN, _HUE, _BLUE, _PALER, _SIZE = -2.45, 10.34, 1.04, 1.59, -2.43, 2.82, 3.62


@dataclass(frozen=True)
class Contrast:
    """How a mark differs from the red cells around it.

    Attributes:
        green: the green light that its middle absorbs, in percent of what the densest tenth of the red cells absorbs.
        hue: the ratio of red to blue light that its middle absorbs, in percent of the red cells' ratio.
        blue: the blue light that its middle absorbs, in percent of the green light. Black dirt has about 100, as it
            absorbs all light; nuclei have less.
    """

    green: int
    hue: int
    blue: int


def contrast(
    small: np.ndarray, nuclei: np.ndarray, place: tuple[float, float], nucleus: float, red_cell: float
) -> Contrast | None:
    """Compares a mark with the red cells around it.

    Haemoglobin absorbs blue and green light; the azure of Giemsa's stain absorbs red light as well. The mark is
    compared with its own neighbourhood, whose lightest tenth counts as clear background. So neither the colour of the
    lamp nor uneven light matters.

    Args:
        small: the shrunk field, RGB uint8 [h, w, 3].
        nuclei: mask of the pixels that are certainly not red cells, bool [h, w].
        place: x and y of the middle of the mark, pixels of `small`.
        nucleus: diameter of the mark, pixels of `small`.
        red_cell: diameter of a red cell, pixels of `small`.

    Returns:
        None if there are too few red cells to compare with.
    """
    near, wide = (reach * max(nucleus, red_cell) for reach in _REACHES)
    return _contrast(small, nuclei, place, nucleus, near) or _contrast(small, nuclei, place, nucleus, wide)


def _contrast(
    small: np.ndarray, nuclei: np.ndarray, place: tuple[float, float], nucleus: float, side: float
) -> Contrast | None:
    """As `contrast`. side: half the width of the neighbourhood, pixels of `small`."""
    x, y = place
    step = max(1, round(2 * side / _SAMPLES))
    x0, y0 = max(0, int(x - side)), max(0, int(y - side))
    part = slice(y0, int(y + side) + 1, step), slice(x0, int(x + side) + 1, step)
    window = ABSORBANCE[small[part]]
    flat = window.reshape(-1, 3)
    lightest = len(flat) // 10
    window = np.maximum(window - np.partition(flat, lightest, axis=0)[lightest], 0)
    ys = (y0 + step * np.arange(window.shape[0]))[:, None] + 0.5 - y
    xs = x0 + step * np.arange(window.shape[1]) + 0.5 - x
    apart = xs * xs + ys * ys
    inside = window[apart <= max(1.5, step, _INSIDE * nucleus) ** 2]
    around = window[(apart > (_OUTSIDE * nucleus) ** 2) & ~nuclei[part]]
    if not len(inside) or len(around) < _FEWEST:
        return None
    green = int(quantile(around[:, 1], 9, 10))
    red_cells = around[around[:, 1] * 10 > max(80, 4 * green)]
    if len(red_cells) < _FEWEST:
        return None
    r, g, b = (int(quantile(inside[:, channel], 1, 2)) for channel in range(3))
    red, blue = (int(quantile(red_cells[:, channel], 1, 2)) for channel in (0, 2))
    dense = int(quantile(red_cells[:, 1], 9, 10))
    return Contrast(
        green=100 * (g + 1) // (dense + 3),
        hue=100 * (r + 1) * (blue + 5) // ((red + 1) * (b + 5)),
        blue=100 * (b + 1) // (g + 1),
    )


def quantile(values: np.ndarray, part: int, parts: int) -> np.integer:
    """The value below which `part` of `parts` of the values lie. values: integers, [n]."""
    place = len(values) * part // parts
    if values.dtype == np.uint8:  # a histogram is faster than a partition
        return (np.bincount(values, minlength=256).cumsum() > place).argmax()
    return np.partition(values, place)[place]


def median(values: Sequence[float]) -> float:
    """NumPy's median of a few numbers, in a fiftieth of its time; the first call of NumPy's takes 15 ms by itself."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def evidence(found: Contrast, densest: int, mark: float, size: float) -> float:
    """The logit of the probability that a mark is a nucleus, rounded to hundredths, so that all machines agree.

    Args:
        found: of the mark.
        densest: the largest `green` among the marks of its field; a red cell is much paler than a nucleus beside it.
        mark: the locator's mean mark, 0 to 1.
        size: diameter of the mark, in red-cell diameters as the locator's network estimates them.
    """
    green, hue, blue = (math.log(max(each, 1) / 100) for each in (found.green, found.hue, found.blue))
    paler = math.log(max(found.green, 1) / max(densest, 1))
    logit = _CONSTANT + _MARK * (mark - 0.85) + _GREEN * green + _HUE * hue + _BLUE * blue
    return round(logit + _PALER * paler + _SIZE * math.log(max(size, 0.01)), 2)
