"""Flat-field correction: evens out the light of a lamp that is brighter in some places than in others."""

import cv2
import numpy as np

from edge.errors import UserError

# Share of the light around a spot. Where a spot differs by more, it is a cell: in fields the largest is 0.27 and more.
_EMPTY = 0.12
_DARK = 20  # level, 0..255: the picture is too dark if its darkest spot is below this
_UNIT = 64  # gains are stored as uint8, in 64ths: a gain is at most 255 / 64


class FlatField:
    """Evens out the light with the help of a picture of an empty spot of the slide."""

    def __init__(self, blank: np.ndarray) -> None:
        """Takes the picture of an empty spot, RGB uint8 [height, width, 3].

        Raises:
            UserError: where the picture isn't empty, or is too dark.
        """
        smooth = cv2.GaussianBlur(blank, (0, 0), max(1.0, blank.shape[1] / 40)).astype(np.float32)
        fine = cv2.GaussianBlur(blank, (0, 0), 2).astype(np.float32)
        if np.abs(fine / np.maximum(smooth, 1) - 1).max() > _EMPTY:
            raise UserError("The picture for --flat isn't empty: move to a spot of the slide without any cell.")
        if smooth.min() < _DARK:
            raise UserError("The picture for --flat is too dark: turn up the lamp or the exposure.")
        # The gain is 1 at the brightest spot and larger elsewhere, so that empty glass never exceeds that spot's level.
        gain = smooth.max(axis=(0, 1)) / smooth
        self._gain = np.round(np.minimum(gain * _UNIT, 255)).astype(np.uint8)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """A frame as it would be under even light, RGB uint8 [height, width, 3].

        Raises:
            UserError: where it hasn't the size of the picture of the empty spot.
        """
        if image.shape != self._gain.shape:
            height, width = self._gain.shape[:2]
            raise UserError(
                f"The picture for --flat has {width}x{height} pixels, the camera {image.shape[1]}x{image.shape[0]}; "
                "take it again with --flat capture."
            )
        return cv2.multiply(image, self._gain, scale=1 / _UNIT)
