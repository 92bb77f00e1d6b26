"""Outlines the nucleus in a clean picture of one cell; the locator's network learns from these outlines.

In good pictures, classical image analysis nearly always finds the nucleus. From its outlines, the network learns to
find the nucleus in bad pictures, too, where classical analysis fails.
"""

import math

import cv2
import numpy as np

from edge import stain

SIZE = 128  # width and height of a picture in pixels
IGNORE = 2  # marks pixels that may or may not show a nucleus
CORE = 0.75  # radius of the core as a share of the hull's, so that the cores of touching nuclei stay apart


def outline(picture: np.ndarray) -> np.ndarray | None:
    """Outlines the nucleus of the cell in the middle of a picture.

    A nucleus absorbs red and green light alike. A red cell absorbs more blue than red light, because of haemoglobin.

    Args:
        picture: RGB uint8 [128, 128, 3].

    Returns:
        uint8 [128, 128], or None if the nucleus isn't clear. 1: the core (see CORE) of the convex hull around all lobes
        of the nucleus. 2 (IGNORE): something else that is dark, perhaps a second cell. 0: neither.
    """
    red, green, blue = (np.maximum(a, 0).astype(np.float32) for a in cv2.split(_absorbance(picture)))
    stained = np.clip(np.sqrt(red * green) - 0.35 * np.maximum(0, blue - red), 0, 255).astype(np.uint8)
    mask = stained > _otsu(stained)
    for _ in range(3):
        if mask.mean() <= 0.2:
            break
        mask = stained > _otsu(stained[mask])  # red cells are in the mask: divide it again by a higher threshold
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, stats, centres = cv2.connectedComponentsWithStats(opened)
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    far = np.hypot(centres[:, 0] - SIZE / 2, centres[:, 1] - SIZE / 2) / SIZE
    near = [i for i in range(1, count) if far[i] < 0.22 and areas[i] >= 40]
    if not near:
        return None
    main = max(near, key=lambda i: areas[i] / (1 + (10 * far[i]) ** 2))
    lobes = [i for i in near if areas[i] > 0.12 * areas[main] and math.dist(centres[i], centres[main]) < 0.2 * SIZE]
    nucleus = np.isin(parts, lobes)
    hull = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(nucleus.astype(np.uint8))), 1)
    y, x = (axis.mean() for axis in np.nonzero(hull))
    central = math.hypot(x - SIZE / 2, y - SIZE / 2) < 0.1 * SIZE
    if not central or not 0.02 < hull.mean() < 0.35 or nucleus.sum() < 0.45 * hull.sum():
        return None
    others = np.isin(parts, [i for i in range(1, count) if i not in lobes and areas[i] > 0.25 * nucleus.sum()])
    unsure = cv2.dilate(others.astype(np.uint8), np.ones((9, 9), np.uint8))
    depth = cv2.distanceTransform(np.pad(hull, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    core = depth > (1 - CORE) * depth.max()
    return np.where(core, 1, IGNORE * unsure * (hull == 0)).astype(np.uint8)


def white(picture: np.ndarray) -> np.ndarray:
    """The picture with its background (90th percentile of each channel) at 245, to remove the lamp's effect."""
    background = np.percentile(picture, 90, axis=(0, 1)).clip(1)
    return np.clip(picture * (245 / background), 0, 255).astype(np.uint8)


def _absorbance(picture: np.ndarray) -> np.ndarray:
    background = np.percentile(picture, 90, axis=(0, 1)).astype(np.uint8)
    return stain.ABSORBANCE[picture] - stain.ABSORBANCE[background]


def _otsu(values: np.ndarray) -> float:
    return cv2.threshold(values.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)[0]
