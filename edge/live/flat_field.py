"""Even light from an uneven lamp: flat-field correction."""

import cv2
import numpy as np

from edge.errors import UserError

_FULL = 0.12  # of the light: what stands out more from a blank picture is a cell; in fields that is 0.27 and more


class FlatField:
    """Evens the light out by a picture of an empty spot of the slide.

    Attributes:
        blank: that picture, RGB uint8 [height, width, 3].
    """

    def __init__(self, blank: np.ndarray) -> None:
        """Raises UserError where the picture isn't empty, or is too dark."""
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
        """The image as under even light, RGB uint8. Raises UserError where its size isn't the blank picture's."""
        if image.shape != self._gain.shape:
            height, width = self._gain.shape[:2]
            raise UserError(
                f"The picture for --flat has {width}x{height} pixels, the camera {image.shape[1]}x{image.shape[0]}; "
                "take it anew with --flat capture."
            )
        return cv2.multiply(image, self._gain, scale=1 / 64)
