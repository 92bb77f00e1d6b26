"""Makes pictures smaller by halving them, to the same bytes on every machine."""

import cv2
import numpy as np


def halved(image: np.ndarray, factor: int = 2) -> np.ndarray:
    """A picture, uint8 [h, w, 3], halved until it is `factor` times smaller: 1, 2, 4 and so on.

    Each halving averages 2 x 2 pixels, which OpenCV does exactly. A last odd row or column is resized with the others.
    """
    while factor > 1:
        half = max(1, image.shape[1] // 2), max(1, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_LINEAR_EXACT)
        factor //= 2
    return image
