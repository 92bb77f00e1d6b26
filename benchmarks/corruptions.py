"""Corrupts pictures as light, stain, lens, sensor and file format may do, each at five strengths.

Corruption of the first strength occurs on good microscopes. At the fifth strength, pictures are worse than any that
should be used. If a change can go in two directions, such as brighter or darker, a random number decides.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

STRENGTHS = (1, 2, 3, 4, 5)


def corrupt(image: np.ndarray, kind: str, strength: int, seed: int) -> np.ndarray:
    """A corrupted copy of a picture.

    Args:
        image: RGB uint8 [h, w, 3].
        kind: a key of KINDS.
        strength: one of STRENGTHS; 0 returns the picture unchanged.
        seed: seed of the random numbers; the same seed gives the same bytes.

    Returns:
        RGB uint8; kinds that scale or cut change its size.

    Raises:
        KeyError: if `kind` isn't a key of KINDS.
    """
    if not strength:
        return image
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    return KINDS[kind].make(image, KINDS[kind].amounts[strength - 1], rng)


def _defocus(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Blurs with a disc, like a lens that is out of focus. amount: radius of the disc, as a share of the width."""
    radius = amount * image.shape[1]
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _motion(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Blurs along a line in a random direction, like a stage that moves during the exposure.

    amount: length of the movement, as a share of the width.
    """
    half, angle = amount * image.shape[1] / 2, rng.uniform(0, math.pi)
    reach = math.ceil(half) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    kernel = np.clip(half + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _noise(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Adds sensor noise. amount: standard deviation in grey levels, of 0 to 255."""
    return _levels(image + rng.normal(0, amount, image.shape))


def _jpeg(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Compresses as JPEG. amount: Pillow's quality setting, higher is better."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(amount))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _brightness(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Makes the picture brighter or darker; values above 255 are clipped.

    amount: the light is multiplied by exp(amount) or exp(-amount).
    """
    return _levels(image * math.exp(amount * _sign(rng)))


def _white_balance(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Makes colours warmer or colder. amount: red is multiplied and blue divided by exp(amount), or vice versa."""
    return _levels(image * np.exp(amount * _sign(rng) * np.array([1, 0, -1])))


def _stain(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Makes the stain stronger or weaker.

    amount: the optical density (Beer-Lambert) is multiplied by exp(amount) or exp(-amount).
    """
    density = -np.log((image + 1.0) / 256)
    return _levels(256 * np.exp(-density * math.exp(amount * _sign(rng))) - 1)


def _scale(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Makes the picture larger or smaller. amount: width and height are multiplied by exp(amount) or exp(-amount)."""
    factor = math.exp(amount * _sign(rng))
    size = (max(16, round(image.shape[1] * factor)), max(16, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _rotation(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Rotates around the middle, in either direction; corners are filled with mirrored pixels. amount: degrees."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), amount * _sign(rng), 1)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _cut(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Cuts out the middle, as in many collections of cell pictures. amount: share of width and height that is left."""
    height, width = image.shape[:2]
    h, w = round(amount * height), round(amount * width)
    return np.ascontiguousarray(image[(height - h) // 2 :, (width - w) // 2 :][:h, :w])


def _zoom(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Cuts out a part of random size in the middle and enlarges it to the old size, like scaled boxes of a detector.

    amount: the smallest share of width and height that may be left; the largest is 1.
    """
    height, width = image.shape[:2]
    return cv2.resize(_cut(image, rng.uniform(amount, 1), rng), (width, height), interpolation=cv2.INTER_CUBIC)


def _sign(rng: np.random.Generator) -> int:
    """-1 or 1."""
    return int(rng.integers(2)) * 2 - 1


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        make: function (picture, amount, random generator) -> corrupted picture; pictures are RGB uint8 [h, w, 3].
        amounts: one amount for each of STRENGTHS.
        unit: unit of the amounts; a neper is a factor of e.
    """

    make: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    amounts: tuple[float, ...]
    unit: str


KINDS = {
    "defocus": Corruption(_defocus, (0.005, 0.01, 0.02, 0.03, 0.045), "radius, shares of the width"),
    "motion": Corruption(_motion, (0.01, 0.02, 0.04, 0.07, 0.1), "length, shares of the width"),
    "noise": Corruption(_noise, (4, 8, 14, 22, 32), "levels"),
    "jpeg": Corruption(_jpeg, (70, 45, 25, 12, 6), "quality"),
    "brightness": Corruption(_brightness, (0.1, 0.2, 0.35, 0.55, 0.8), "nepers of light"),
    "white balance": Corruption(_white_balance, (0.05, 0.1, 0.18, 0.28, 0.4), "nepers of red and blue"),
    "stain": Corruption(_stain, (0.1, 0.2, 0.35, 0.55, 0.8), "nepers of density"),
    "scale": Corruption(_scale, (0.1, 0.2, 0.35, 0.55, 0.8), "nepers of width"),
    "rotation": Corruption(_rotation, (5, 15, 45, 90, 180), "degrees"),
    "cut": Corruption(_cut, (0.8, 0.7, 0.6, 0.5, 0.4), "share of the width left"),
    "zoom": Corruption(_zoom, (0.9, 0.8, 0.65, 0.5, 0.4), "share of the width left at least"),
}
