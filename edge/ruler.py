"""Red cells as a ruler: about 7.5 micrometres on every slide, whatever the magnification."""

import cv2
import numpy as np


def red_cell_diameter(small: np.ndarray, nuclei: np.ndarray) -> float | None:
    """A field, RGB uint8 [h, w, 3] of about 320 pixels, and marks of its nuclei, uint8 [h, w] -> pixels, or None.

    Red cells stand out in green light (haemoglobin). Where a red cell's middle is, the distance to its edge is at a
    peak; the peaks' height is its radius. Distances are OpenCV's, with a 5 x 5 mask (Borgefors 1986); their last digits
    differ between processors, so this is for a person to read and not for the crop.
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
    if level < 4:  # an empty field: what varies is noise
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
    """Closes holes of up to `largest` pixels, the pale middles of red cells, in place."""
    _, holes, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < largest
    small[0] = False
    mask[small[holes]] = 1
