"""What light, stain, lens, sensor and file do to a picture, each at five strengths.

Strengths are chosen so that the first is seen in good microscopes and the fifth is worse than any that should be used.
What may go two ways (brighter or darker) goes one or the other, by lot.
"""

import io
import math
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

STRENGTHS = (1, 2, 3, 4, 5)


def damage(image: np.ndarray, kind: str, strength: int, seed: int) -> np.ndarray:
    """RGB uint8 [h, w, 3] -> the same damaged, of another size where its scale is changed.

    kind: of KINDS; strength: 0 leaves it as it is; one seed, the same bytes. Raises KeyError for another kind.
    """
    make, amounts, _ = KINDS[kind]
    if not strength:
        return image
    return make(image, amounts[strength - 1], np.random.default_rng([seed, list(KINDS).index(kind)]))


def _defocus(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """A disc's blur, as a lens out of focus makes; amount: its radius in shares of the picture's width."""
    radius = amount * image.shape[1]
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _motion(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """A stage that moves while the shutter is open, any way; amount: how far, in shares of the picture's width."""
    half, angle = amount * image.shape[1] / 2, rng.uniform(0, math.pi)
    reach = math.ceil(half) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    kernel = np.clip(half + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _noise(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """A sensor's; amount: standard deviation in levels."""
    return _levels(image + rng.normal(0, amount, image.shape))


def _jpeg(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Amount: Pillow's quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(amount))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _brightness(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """The lamp or the exposure, up or down; amount: of the light, in nepers. What is too bright is cut off."""
    return _levels(image * math.exp(amount * _side(rng)))


def _white_balance(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Warmer or colder; amount: nepers that red gains and blue loses, or the other way round."""
    return _levels(image * np.exp(amount * _side(rng) * np.array([1, 0, -1])))


def _stain(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Stronger or weaker; amount: the factor of the optical density, in nepers (Beer-Lambert)."""
    density = -np.log((image + 1.0) / 256)
    return _levels(256 * np.exp(-density * math.exp(amount * _side(rng))) - 1)


def _scale(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Another magnification, larger or smaller; amount: nepers of the width."""
    factor = math.exp(amount * _side(rng))
    size = (max(16, round(image.shape[1] * factor)), max(16, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _rotation(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Round the middle, either way, corners filled from within; amount: degrees."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), amount * _side(rng), 1)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _cut(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Cut close round the middle, as many collections of cells are; amount: the share of width and height left."""
    height, width = image.shape[:2]
    h, w = round(amount * height), round(amount * width)
    return np.ascontiguousarray(image[(height - h) // 2 :, (width - w) // 2 :][:h, :w])


def _zoom(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Cut more or less close and brought to one size, as cells are whose detector's boxes were resized; amount: the
    least share of width and height that is left, the most being all.
    """
    height, width = image.shape[:2]
    return cv2.resize(_cut(image, rng.uniform(amount, 1), rng), (width, height), interpolation=cv2.INTER_CUBIC)


def _side(rng: np.random.Generator) -> int:
    return int(rng.integers(2)) * 2 - 1


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


_Make = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
# What makes it, with five amounts, and what these are.
KINDS: dict[str, tuple[_Make, tuple[float, ...], str]] = {
    "defocus": (_defocus, (0.005, 0.01, 0.02, 0.03, 0.045), "radius, shares of the width"),
    "motion": (_motion, (0.01, 0.02, 0.04, 0.07, 0.1), "length, shares of the width"),
    "noise": (_noise, (4, 8, 14, 22, 32), "levels"),
    "jpeg": (_jpeg, (70, 45, 25, 12, 6), "quality"),
    "brightness": (_brightness, (0.1, 0.2, 0.35, 0.55, 0.8), "nepers of light"),
    "white balance": (_white_balance, (0.05, 0.1, 0.18, 0.28, 0.4), "nepers of red and blue"),
    "stain": (_stain, (0.1, 0.2, 0.35, 0.55, 0.8), "nepers of density"),
    "scale": (_scale, (0.1, 0.2, 0.35, 0.55, 0.8), "nepers of width"),
    "rotation": (_rotation, (5, 15, 45, 90, 180), "degrees"),
    "cut": (_cut, (0.8, 0.7, 0.6, 0.5, 0.4), "share of the width left"),
    "zoom": (_zoom, (0.9, 0.8, 0.65, 0.5, 0.4), "share of the width left at least"),
}
