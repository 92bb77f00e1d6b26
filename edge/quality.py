"""Is a picture sharp and well lit enough: a whole view, and the surroundings of one cell?"""

from dataclasses import dataclass

import numpy as np

from edge.cell import SIDE, Cell
from edge.frames import Picture

# Where a number comes from fields, these are bccd's learned half (100 to 160 of them) and 30 to 40 simulated ones; of
# the fields that benchmarks measure on, one film had a say: edge/live/focus_monitor.py names it.
_RED_CELL = 16.0  # pixels to which a red cell is brought before focus is measured: magnification and noise drop out
_BANDS = 1.2, 5.0  # of these pixels: finer than the first is detail, between the two are cells
_LEAST = 2.0  # levels of contrast: less is an empty view; camera noise of 3 levels leaves 0.5 of it at most
# Sharpness below which nothing is decided, on any slide. Sharp fields have 0.33 to 0.61. Blurred by 2/32 of a red cell
# they have 0.28, and 5 % of the answers change (of simulated cells 8 %). By 3/32: 0.21, 12 % and 18 %. By 4/32: 0.17,
# 15 % and 28 %.
USELESS = 0.19
_SPOTS = 12  # along each axis, in which light is looked for: so large that a tenth of each is empty glass
CLIPPED = 0.25  # share of pixels at full level from which on the light is lost; good fields have 0.00
DIM = 90  # level of the light below which noise grows; good fields have 200
_SAMPLE = 32  # pixels along the shorter side, from which the light around a cell is judged


@dataclass(frozen=True)
class ImageQuality:
    """Of one view.

    Attributes:
        sharpness: of `sharpness`; 0.33 to 0.52 on bccd's fields, 0.15 to 0.18 on the same far out of focus, more with
            noise, 0 where nothing is seen.
        light: level of the empty glass, RGB, each 0 to 255.
        clipped: share of the picture at full level, 0 to 1.
        unevenness: the lightest spot's light divided by the darkest one's, at least 1.
    """

    sharpness: float
    light: tuple[float, float, float]
    clipped: float
    unevenness: float


def image_quality(image: np.ndarray, red_cell: float) -> ImageQuality:
    """RGB uint8 [height, width, 3] and the diameter of a red cell in its pixels -> its quality."""
    step = max(1, min(image.shape[:2]) // 120)
    sample = image[::step, ::step]
    spots = _spots(sample)
    green = spots[..., 1].ravel()
    lit = np.sort(green[green > 0]) if (green > 0).any() else np.array([1.0])
    light = np.percentile(sample.reshape(-1, 3), 90, axis=0)
    return ImageQuality(
        sharpness=sharpness(image, red_cell),
        light=(float(light[0]), float(light[1]), float(light[2])),
        clipped=float((sample.max(axis=2) >= 254).mean()),
        unevenness=float(lit[len(lit) * 95 // 100] / max(1.0, lit[len(lit) * 5 // 100])),
    )


def _spots(sample: np.ndarray) -> np.ndarray:
    """The light of each spot, its 90th percentile: float [spots, spots, 3]."""
    h, w = (n // _SPOTS for n in sample.shape[:2])
    if not h or not w:
        return np.ones((1, 1, 3))
    parts = sample[: h * _SPOTS, : w * _SPOTS].reshape(_SPOTS, h, _SPOTS, w, 3).swapaxes(1, 2)
    return np.partition(parts.reshape(_SPOTS, _SPOTS, h * w, 3), h * w * 9 // 10, axis=2)[:, :, h * w * 9 // 10]


def sharpness(image: np.ndarray, red_cell: float) -> float:
    """Fine detail in shares of coarse detail: the ratio of two bands' standard deviations.

    The picture is shrunk until a red cell is 16 pixels wide, so that magnification doesn't matter and noise averages
    out. Defocus takes the fine band (edges) away and leaves the coarse one (cells).

    Args:
        image: RGB uint8 [height, width, 3].
        red_cell: diameter of a red cell, pixels.

    Returns:
        0 where there is too little contrast to tell.
    """
    import cv2  # pictures that are taken whole do without it

    factor = min(1.0, _RED_CELL / max(red_cell, 1.0))
    size = max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor))
    step = max(1, int(0.5 / factor))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    small = cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    middle = cv2.GaussianBlur(small, (0, 0), _BANDS[0])
    coarse = float((middle - cv2.GaussianBlur(middle, (0, 0), _BANDS[1])).std())
    return float((small - middle).std()) / coarse if coarse >= _LEAST else 0.0


def picture_doubt(picture: Picture, cell: Cell) -> str:
    """What is wrong with the picture of one cell, in a few words; "" for nothing.

    Judged in the square around the cell. On the val pictures of raabin and pbc it objects to less than one cell in a
    hundred; blurred by 3/32 of a red cell, half of raabin's are "out of focus", by 4/32 all.
    """
    if cell.box == (0, 0, picture.width, picture.height):  # taken whole, it has no red cells to measure by
        return ""
    if cell.at_border:
        return "cut by the border"
    r, (x, y) = SIDE * cell.red_cell / 2, cell.centre
    place = picture.window(int(x - r), int(y - r), int(x + r), int(y + r))
    step = max(1, min(place.shape[:2]) // _SAMPLE)
    sample = place[::step, ::step]
    if 0 < sharpness(place, cell.red_cell) < USELESS:
        return "out of focus"
    if (sample.min(axis=2) >= 254).mean() > CLIPPED:
        return "too bright"
    return "too dark" if np.percentile(sample[..., 1], 90) < DIM else ""
