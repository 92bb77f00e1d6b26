"""Is the view fit for judging cells? Focus, light, its evenness, its colour; what to do where it isn't."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.errors import UserError

# Where a number comes from fields, these are bccd's learned half (100 to 160 of them) and 30 to 40 simulated ones; of
# the fields that benchmarks measure on one film had a say, named below.
_RED_CELL = 16.0  # pixels to which a red cell is brought before focus is measured: magnification and noise drop out
_BANDS = 1.2, 5.0  # of these pixels: finer than the first is detail, between the two are cells
_LEAST = 2.0  # levels of contrast: less is an empty view; camera noise of 3 levels leaves 0.5 of it at most
# Sharpness on whatever slide: nothing is decided below the first, turning the focus would help below the second. Sharp
# fields have 0.33 to 0.61. Blurred by 2/32 of a red cell: 0.28, and 5 % of the answers change (of simulated cells 8 %);
# by 3/32: 0.21, 12 % and 18 %; by 4/32: 0.17, 15 % and 28 %.
USELESS, _DULL = 0.19, 0.22
# The same in shares of the best seen, for cameras whose noise looks like detail: 0.62, 0.47 and 0.38. More than 0.35
# would stop more blurred views, and also a slide put in after one with twice the noise: on chula_rpi 0.45 left a film
# and with it one of 11 cells uncounted.
_BLURRED, _SOFT = 0.35, 0.55
_FORGET = 1200.0  # seconds in which the best is forgotten by half, for another slide or lens
_SPOTS = 12  # along each axis, in which light is looked for: so large that a tenth of each is empty glass
CLIPPED = 0.25  # of the picture at full level: the light is lost there; fields in order have 0.00
DIM = 90  # level of the light, below which noise grows; fields in order have 200
_UNEVEN = 1.6  # the lightest spot's light in the darkest one's; fields in order have 1.08 to 1.48 (99 % of them)
_LOOKS = 5  # whose median is how the colour was at the start: 2 seconds
_TINTED = 0.08  # change of a colour's share against green; from field to field it is 0.04 at most
_FULL = 0.12  # of the light: what stands out more from a blank picture is a cell; in fields that is 0.27 and more


@dataclass(frozen=True)
class View:
    """sharpness: 0.33 to 0.52 on bccd's fields, 0.15 to 0.18 on the same far out of focus, more with noise, 0
    where nothing is seen; light: level of the empty glass, RGB; clipped: share of the picture at full level; uneven:
    the lightest spot's light in the darkest one's.
    """

    sharpness: float
    light: tuple[float, float, float]
    clipped: float
    uneven: float


def look(image: np.ndarray, red_cell: float) -> View:
    """RGB uint8 [height, width, 3] and the diameter of a red cell in its pixels -> View."""
    step = max(1, min(image.shape[:2]) // 120)
    sample = image[::step, ::step]
    spots = _spots(sample)
    green = spots[..., 1].ravel()
    lit = np.sort(green[green > 0]) if (green > 0).any() else np.array([1.0])
    light = np.percentile(sample.reshape(-1, 3), 90, axis=0)
    return View(
        sharpness=sharpness(image, red_cell),
        light=(float(light[0]), float(light[1]), float(light[2])),
        clipped=float((sample.max(axis=2) >= 254).mean()),
        uneven=float(lit[len(lit) * 95 // 100] / max(1.0, lit[len(lit) * 5 // 100])),
    )


def _spots(sample: np.ndarray) -> np.ndarray:
    """The light of each spot, its 90th percentile: float [spots, spots, 3]."""
    h, w = (n // _SPOTS for n in sample.shape[:2])
    if not h or not w:
        return np.ones((1, 1, 3))
    parts = sample[: h * _SPOTS, : w * _SPOTS].reshape(_SPOTS, h, _SPOTS, w, 3).swapaxes(1, 2)
    return np.partition(parts.reshape(_SPOTS, _SPOTS, h * w, 3), h * w * 9 // 10, axis=2)[:, :, h * w * 9 // 10]


def sharpness(image: np.ndarray, red_cell: float) -> float:
    """How much there is of fine detail in what there is of coarse: the ratio of two bands' standard deviations.

    Shrunk until a red cell is 16 pixels wide, so that magnification doesn't matter and noise averages out. Defocus
    takes the fine band (edges) away and leaves the coarse one (cells).
    """
    factor = min(1.0, _RED_CELL / max(red_cell, 1.0))
    size = max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor))
    step = max(1, int(0.5 / factor))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    small = cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    middle = cv2.GaussianBlur(small, (0, 0), _BANDS[0])
    coarse = float((middle - cv2.GaussianBlur(middle, (0, 0), _BANDS[1])).std())
    return float((small - middle).std()) / coarse if coarse >= _LEAST else 0.0


class Watch:
    """Remembers how the view was at the start, and says what to do when it is no longer fit."""

    def __init__(self) -> None:
        self._first: list[np.ndarray] = []  # red and blue in shares of green, at the start
        self._best, self._at = 0.0, 0.0

    def focus(self, view: View, time: float) -> float:
        """The view's sharpness in shares of the best seen lately; at a time in seconds."""
        self._best *= 0.5 ** (max(0.0, time - self._at) / _FORGET)
        self._best, self._at = max(self._best, view.sharpness), time
        return view.sharpness / self._best if self._best else 1.0

    def sharp(self, view: View) -> bool:
        """Whether cells can be judged in it."""
        return view.sharpness >= max(USELESS, _BLURRED * self._best)

    def warnings(self, view: View) -> list[str]:
        """What a person should do, most urgent first."""
        red, green, blue = view.light
        result = []
        if view.clipped > CLIPPED:
            result.append("too bright: lower the lamp or the exposure")
        elif green < DIM:
            result.append("too dark: raise the lamp or the exposure")
        if 0 < view.sharpness < max(_DULL, _SOFT * self._best):
            result.append("out of focus: turn the fine focus")
        if view.uneven > _UNEVEN:
            result.append("uneven light: centre the condenser, or give --flat capture on an empty spot")
        tint = np.array([red, blue]) / max(1.0, green)
        if len(self._first) < _LOOKS:
            self._first.append(tint)
        elif np.abs(tint / np.median(self._first, axis=0) - 1).max() > _TINTED:
            result.append("the light's colour has changed since the start: fix it with --white-balance")
        return result


class Flat:
    """Evens out the light by a picture of an empty spot, uint8 RGB [height, width, 3]."""

    def __init__(self, blank: np.ndarray) -> None:
        """Raises UserError where it isn't empty, or where there is no light in it."""
        smooth = cv2.GaussianBlur(blank, (0, 0), max(1.0, blank.shape[1] / 40)).astype(np.float32)
        fine = cv2.GaussianBlur(blank, (0, 0), 2).astype(np.float32)
        if np.abs(fine / np.maximum(smooth, 1) - 1).max() > _FULL:
            raise UserError("The picture for --flat isn't empty: move to a spot of the slide without any cell.")
        if smooth.min() < 20:
            raise UserError("The picture for --flat is too dark: raise the lamp or the exposure.")
        self.blank = blank
        # The lightest spot stays as it is, so that nothing gets brighter than the camera's own white would be.
        gain = smooth.max(axis=(0, 1)) / smooth
        self._gain = np.round(np.minimum(gain, 4) * 64).astype(np.uint8)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The image as under even light; raises UserError where its size isn't the blank picture's."""
        if image.shape != self._gain.shape:
            height, width = self._gain.shape[:2]
            raise UserError(
                f"The picture for --flat has {width}x{height} pixels, the camera {image.shape[1]}x{image.shape[0]}; "
                "take it anew with --flat capture."
            )
        return cv2.multiply(image, self._gain, scale=1 / 64)
