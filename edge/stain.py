"""Is a mark stained like a nucleus? Red cells without a pale middle, large platelets and folds of the film are not."""

import math

import numpy as np

# Absorbance of each level, in hundredths of a neper. As integers, they are the same on every machine.
ABSORBANCE = np.array([round(-100 * math.log(max(level, 1) / 255)) for level in range(256)], np.int32)
_REACH = 2.5  # half the width of the neighbourhood, in diameters of a red cell or of the nucleus if that is larger
# Radii in diameters of the nucleus: inside the first is only nucleus, outside the second is none.
_INSIDE, _OUTSIDE = 0.3, 0.9
_FEWEST = 30  # pixels: fewest of the mark's surroundings, and of red cells among them, that allow a comparison
_DENSER = 150  # a nucleus absorbs at least so many percent of the green light that red cells absorb,
_BLUER = 180  # or its ratio of absorbed red light to absorbed blue light is at least so many percent of theirs


def like_a_nucleus(small: np.ndarray, nuclei: np.ndarray, x: float, y: float, nucleus: float, red_cell: float) -> bool:
    """Whether a mark absorbs more green light than the red cells around it, or more red light in relation to blue.

    Haemoglobin absorbs blue and green light; the azure of Giemsa's stain absorbs red light as well. The mark is
    compared with its own neighbourhood, whose lightest tenth counts as clear background. So neither the colour of the
    lamp nor uneven light matters.

    Args:
        small: the shrunk field, RGB uint8 [h, w, 3].
        nuclei: mask of the pixels that are certainly not red cells, bool [h, w].
        x, y: middle of the mark, pixels of `small`.
        nucleus: diameter of the mark, pixels of `small`.
        red_cell: diameter of a red cell, pixels of `small`.

    Returns:
        Also True if there are too few red cells to compare with.
    """
    side = _REACH * max(nucleus, red_cell)
    x0, y0, x1, y1 = max(0, int(x - side)), max(0, int(y - side)), int(x + side) + 1, int(y + side) + 1
    window = ABSORBANCE[small[y0:y1, x0:x1]]
    flat = window.reshape(-1, 3)
    lightest = len(flat) // 10
    window = np.maximum(window - np.partition(flat, lightest, axis=0)[lightest], 0)
    ys = np.arange(y0, y0 + window.shape[0])[:, None] + 0.5 - y
    xs = np.arange(x0, x0 + window.shape[1]) + 0.5 - x
    apart = xs * xs + ys * ys
    inside = window[apart <= max(1.5, _INSIDE * nucleus) ** 2]
    around = window[(apart > (_OUTSIDE * nucleus) ** 2) & ~nuclei[y0:y1, x0:x1]]
    if not len(inside) or len(around) < _FEWEST:
        return True
    green = np.sort(around[:, 1])[len(around) * 9 // 10]
    red_cells = around[around[:, 1] * 10 > max(80, 4 * green)]
    if len(red_cells) < _FEWEST:
        return True
    r, g, b = (int(v) for v in _median(inside))
    red, dark, blue = (int(v) for v in _median(red_cells))
    denser = 100 * g >= _DENSER * (dark + 3)
    return denser or 100 * r * (blue + 5) >= _BLUER * red * (b + 5)


def _median(values: np.ndarray) -> np.ndarray:
    """The median of each column (the upper one if n is even), int32 [n, 3] -> [3]."""
    return np.partition(values, len(values) // 2, axis=0)[len(values) // 2]
