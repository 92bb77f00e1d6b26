"""Is a picture sharp enough and well lit? Answers this for a whole view and for the surroundings of one cell."""

from dataclasses import dataclass

import numpy as np

from edge.cell import SIDE, Cell
from edge.field.outline import window
from edge.frames import Picture
from edge.stain import quantile

# The numbers in this file that were measured on fields come from the half of bccd that is used for training (100 to 160
# fields) and from 30 to 40 simulated fields. Of the fields that the benchmarks
# measure on, only one film had an influence: edge/live/focus_monitor.py says which.
# Pixels to which red cells are shrunk before sharpness is measured, so that magnification and noise have no influence.
_RED_CELL = 16.0
# Standard deviations of two blurs, in pixels after this shrinking. What the first blur removes is fine detail; what the
# second removes in addition are cells.
_BANDS = 1.2, 5.0
_LEAST = 2.0  # levels of contrast: a view with less is empty; camera noise of 3 levels leaves at most 0.5 of them
# Sharpness below which a cell is left for review and a live view isn't judged, on any slide. Sharp fields have 0.33 to
# 0.61. Blurred fields have:
#   blur in red cells  sharpness  answers that change  the same for simulated cells
#   2/32               0.28       5 %                  8 %
#   3/32               0.21       12 %                 18 %
#   4/32               0.17       15 %                 28 %
USELESS = 0.19
_SPOTS = 12  # spots along each axis in which light is measured, so large that a tenth of each is empty glass
CLIPPED = 0.25  # share of pixels at full level from which on a picture is overexposed; good fields have 0.00
DIM = 90  # level of the light (0 to 255) below which noise grows; good fields have 200
_SAMPLE = 32  # pixels along the shorter side of the sample in which the light around a cell is judged


@dataclass(frozen=True)
class ImageQuality:
    """The quality of one view.

    Attributes:
        sharpness: see `sharpness`. It is 0.33 to 0.52 on bccd's fields and 0.15 to 0.18 on the same fields far out of
            focus; noise raises it. 0 if nothing is visible.
        light: level of the empty glass in red, green and blue, each 0 to 255.
        clipped: share of the pixels at full level, 0 to 1.
        unevenness: light of the brightest spots (95th percentile) divided by that of the darkest (5th percentile), at
            least 1.
    """

    sharpness: float
    light: tuple[float, float, float]
    clipped: float
    unevenness: float


def image_quality(image: np.ndarray, red_cell: float) -> ImageQuality:
    """A view, RGB uint8 [height, width, 3], and the diameter of a red cell in pixels -> its quality."""
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
    """The light of each spot, the 90th percentile of its pixels: float [spots, spots, 3]."""
    h, w = (n // _SPOTS for n in sample.shape[:2])
    if not h or not w:
        return np.ones((1, 1, 3))
    parts = sample[: h * _SPOTS, : w * _SPOTS].reshape(_SPOTS, h, _SPOTS, w, 3).swapaxes(1, 2)
    return np.partition(parts.reshape(_SPOTS, _SPOTS, h * w, 3), h * w * 9 // 10, axis=2)[:, :, h * w * 9 // 10]


def sharpness(image: np.ndarray, red_cell: float) -> float:
    """The amount of fine detail divided by that of coarse detail, each as the standard deviation of a frequency band.

    The picture is first shrunk until a red cell is 16 pixels wide. Then magnification doesn't matter, and noise
    averages out. Defocus removes the fine band (edges), but not the coarse one (cells).

    Args:
        image: RGB uint8 [height, width, 3].
        red_cell: diameter of a red cell, pixels.

    Returns:
        The ratio; 0 if there is too little contrast.
    """
    import cv2  # pictures that are taken whole don't need it

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

    It judges the square around the cell. On the val pictures of raabin and pbc, it finds fault with fewer than one
    cell in a hundred. If raabin's pictures are blurred by 3/32 of a red cell, half are "out of focus"; by 4/32, all
    are. A square without any contrast is not called out of focus.
    """
    if cell.doubt:
        return cell.doubt
    if cell.box == (0, 0, picture.width, picture.height):  # taken whole, or filled by its cell: not judged
        return ""
    if cell.at_border:
        return "cut by the border"
    r, (x, y) = SIDE * cell.red_cell / 2, cell.centre
    place = window(picture, cell.lit, (int(x - r), int(y - r), int(x + r), int(y + r)))
    step = max(1, min(place.shape[:2]) // _SAMPLE)
    sample = place[::step, ::step]
    if 0 < sharpness(place, cell.red_cell) < USELESS:
        return "out of focus"
    if (sample.min(axis=2) >= 254).mean() > CLIPPED:
        return "too bright"
    return "too dark" if quantile(sample[..., 1].ravel(), 9, 10) < DIM else ""
