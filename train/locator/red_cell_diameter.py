"""The diameter of red cells by classical image analysis. A red cell measures about 7.5 micrometres on every slide.

The measurement is often wrong in a poor picture but seldom in a clean one, so the median over a source can be trusted.
From these medians, the locator's network learns to measure red cells in poor pictures, too.
"""

import cv2
import numpy as np

from edge.errors import UserError

_MIDDLE = 0.22  # of the width: radius of the middle, where the white cell lies and no red cells are measured


def red_cells(pictures: np.ndarray, most: int = 500) -> float:
    """The median diameter of the red cells in pictures of one source, in shares of a picture's width.

    Args:
        pictures: pictures of one magnification, with the white cell in the middle, RGB uint8 [n, s, s, 3].
        most: about how many pictures are measured; they are spread evenly.

    Raises:
        UserError: if red cells can't be measured in any picture.
    """
    side = 256
    middle = cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), round(_MIDDLE * side), (255,), -1)
    diameters = []
    for picture in pictures[:: max(1, len(pictures) // most)]:
        diameter = red_cell_diameter(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), middle)
        if diameter:
            diameters.append(diameter / side)
    if not diameters:
        raise UserError(
            "Red cells can't be measured in any of the pictures; the locator needs pictures with red cells in them."
        )
    return float(np.median(diameters))


def red_cell_diameter(small: np.ndarray, nuclei: np.ndarray) -> float | None:
    """The diameter of a field's red cells in pixels; None if it can't be measured.

    Red cells stand out in green light, which haemoglobin absorbs. The distance to the edge is largest in the middle of
    a red cell, where it equals the radius. Distances are OpenCV's, with a 5 x 5 mask.

    Args:
        small: the field, RGB uint8 [h, w, 3], about 320 pixels wide.
        nuclei: mask of the nuclei of white cells, uint8 [h, w], 128 or more in a nucleus.

    Source: Borgefors, Computer Vision, Graphics, and Image Processing 34 (1986).
    """
    green = cv2.GaussianBlur(small[..., 1], (5, 5), 0)
    height, width = green.shape
    if min(height, width) < 16:
        return None
    coarse = cv2.resize(green, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_LINEAR_EXACT)
    light = cv2.blur(cv2.dilate(coarse, np.ones((9, 9), np.uint8)), (9, 9))
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    depth = cv2.subtract(light, green)
    ceiling = int(np.partition(depth.reshape(-1), depth.size * 95 // 100)[depth.size * 95 // 100])
    level = cv2.threshold(np.minimum(depth, np.uint8(ceiling)), 0, 255, cv2.THRESH_OTSU)[0]
    if level < 4:  # an empty field, in which there is only noise
        return None
    mask = (depth > level).astype(np.uint8)
    _fill_holes(mask, mask.size // 80)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    peaks = (distance >= cv2.dilate(distance, np.ones((9, 9), np.uint8))) & (distance > 2) & (nuclei < 128)
    heights = np.sort(distance[peaks])
    if len(heights) < 3:
        return None
    high = heights[len(heights) * 4 // 5]
    radii = heights[(heights > 0.6 * high) & (heights < 1.35 * high)]
    return 2 * float(radii[len(radii) // 2])


def _fill_holes(mask: np.ndarray, largest: int) -> None:
    """Fills holes of fewer than `largest` pixels, such as the pale middles of red cells, in place."""
    _, holes, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < largest
    small[0] = False
    mask[small[holes]] = 1
