"""Finds what surrounds a field and is no picture: the black round an eyepiece, bars at the sides, a strip with text.

A surround has one colour, or is black with some noise. It reaches a corner of the picture, and what it leaves free is
convex: a disc, a box, or what they have in common. Empty glass between cells isn't like that, nor is a dark cell that
lies in a corner: it bulges into the field.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from edge.field.outline import Outline
from edge.stain import quantile

_LEAST = 48  # pixels: in a picture with a shorter side, nothing is searched
# A pixel is dark if its brightest channel is at most this level and at most this fraction of the picture's light. In
# nuclei, blue is brighter.
_DARK, _FRACTION = 48, 4
_LIKE = 5  # levels by which the pixels of a surround that isn't dark may differ in a channel from its corner
_RINGING = 24  # the same next to the rim of a field, where JPEG compression leaves ripples
_PATCH = 3  # pixels next to a corner that must have its colour
# At a soft rim, the field begins where the brightest channel reaches 3/8 of the light. Nuclei are as dark as that, but
# lie within the hull of what is brighter.
_LIT = (3, 8)
_SMALLEST = 200  # a surround covers at least this fraction of the picture,
_FIELD = 6  # and the field at least this one
# Largest fraction of the surround that may lie within the hull of the field, such as a nucleus at its rim. It is up to
# 0.07 with made surrounds (the pixels of a round rim), and 0.3 and more where the glass of real fields has one colour.
_WITHIN = 6
_OTHERS = 3  # and the largest for what lies apart from the field, such as text and the dim light of a soft rim
_OFF = 1.0  # pixels by which the rim of a disc may differ from a circle


def find(small: np.ndarray) -> Outline | None:
    """The field within its surround. Sums are over integers, but for the fit of a circle, so that all machines agree.

    Args:
        small: the shrunk picture, RGB uint8 [h, w, 3].

    Returns:
        Its outline in pixels of `small`, a pixel inside the rim; None if the picture has no surround.
    """
    height, width = small.shape[:2]
    if min(height, width) < _LEAST:
        return None
    # As `_filled` needs it.
    small = np.require(small, requirements=("C", "W"))
    corners = [(x, y) for x in (0, width - 1) for y in (0, height - 1)]
    dim = any(int(small[y, x].max()) <= _DARK for x, y in corners)  # in most fields none is: the light isn't needed
    top, dark = _dark(small) if dim else (None, np.zeros((height, width), np.uint8))
    parts = {(x, y): part for x, y in corners if (part := _of_one_colour(small, dark, x, y)) is not None}
    if sum(map(cv2.countNonZero, parts.values())) * _SMALLEST < dark.size:  # as in most fields: glass in a corner
        return None
    surround, ringing = np.zeros_like(dark), np.zeros_like(dark)
    for (x, y), part in parts.items():
        if not surround[y, x] and _leaves_convex(part, _hull(1 - part)):
            surround |= part
            ringing |= dark if dark[y, x] else np.minimum(cv2.inRange(small, *_levels(small, x, y, _RINGING)), 1)
    if not 1 / _SMALLEST <= cv2.countNonZero(surround) / dark.size <= 1 - 1 / _FIELD:
        return None
    field = _hull(1 - surround)
    if top is not None and any(dark[y, x] & surround[y, x] for x, y in corners):
        least = int(quantile(top[field > 0], 3, 4)) * _LIT[0] // _LIT[1]
        field = _hull(field & (1 - surround) & (top >= least).astype(np.uint8))
    elif not _has_shape(field):
        field = _hull(1 - (surround | ringing))
        if not _has_shape(field):
            return None
    beyond, others = field.size - int(field.sum()), int(((1 - surround) & (1 - field)).sum())
    if field.sum() * _FIELD < field.size or others * _OTHERS > beyond or not _leaves_convex(surround, field):
        return None
    inner = cv2.erode(field, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(1,))
    return _outline(inner)


def _dark(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The brightest channel of each pixel, and 1 for each pixel that is dark: both uint8 [h, w]."""
    red, green, blue = cv2.split(small)
    top = cv2.max(cv2.max(red, green), blue)
    light = cv2.calcHist([top], [0], None, [256], [0, 256]).ravel().cumsum() > top.size * 3 // 4
    return top, (top <= min(_DARK, int(light.argmax()) // _FRACTION)).astype(np.uint8)


def _of_one_colour(small: np.ndarray, dark: np.ndarray, x: int, y: int) -> np.ndarray | None:
    """The pixels that have the colour of a corner, or are dark as it is, and reach it: uint8 [h, w], 0 or 1.

    None if not even the pixels next to the corner are so, as at most corners. dark: see `_dark`.
    """
    patch = _patch(x, y)
    if dark[y, x]:
        return _filled(dark, x, y)[1] if dark[patch].all() else None
    lowest, highest = _levels(small, x, y, _LIKE)
    if not cv2.inRange(small[patch], lowest, highest).all():
        return None
    corner = small[y, x].astype(np.int64)
    return _filled(small, x, y, (corner - lowest).tolist(), (highest - corner).tolist())[1]


def _filled(
    image: np.ndarray, x: int, y: int, below: Sequence[int] = (0,), above: Sequence[int] = (0,)
) -> tuple[int, np.ndarray]:
    """The pixels that reach a place over others like it -> their number, and a mask of them, uint8 [h, w], 0 or 1.

    Only these pixels and their neighbours are looked at, so it is faster than to compare all pixels first.

    Args:
        image: uint8 [h, w] or [h, w, 3]. It isn't changed, but must be writable.
        x, y: the place.
        below, above: levels by which a pixel may be darker or brighter than the place, for each channel.
    """
    mask = np.zeros((image.shape[0] + 2, image.shape[1] + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
    count = cv2.floodFill(image, mask, (x, y), (), below, above, flags)[0]
    return count, mask[1:-1, 1:-1]


def _leaves_convex(surround: np.ndarray, field: np.ndarray) -> bool:
    """Whether hardly anything of a surround lies within the convex hull of the field."""
    return cv2.countNonZero(surround & field) * _WITHIN <= field.size - cv2.countNonZero(field)


def _has_shape(field: np.ndarray) -> bool:
    """Whether a convex mask is a box, or a disc that fills half of the picture: cells may be round, but are smaller.

    It must leave two corners of the picture free, and a hundredth of it: even glass in one corner is no surround.
    """
    size = int(field.sum())
    free = sum(not field[y, x] for x in (0, -1) for y in (0, -1))
    if free < 2 or size * 100 > field.size * 99:
        return False
    return _is_box(field) or (2 * size >= field.size and _is_disc(field))


def _patch(x: int, y: int) -> tuple[slice, slice]:
    """The pixels around a corner."""
    return slice(max(0, y - _PATCH), y + _PATCH + 1), slice(max(0, x - _PATCH), x + _PATCH + 1)


def _levels(small: np.ndarray, x: int, y: int, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest levels, [3] each, of pixels that differ from this corner by `apart` at most."""
    patch = small[_patch(x, y)].reshape(-1, 3)
    middle = np.partition(patch, len(patch) // 2, axis=0)[len(patch) // 2].astype(np.int64)
    return middle - apart, middle + apart


def _hull(mask: np.ndarray) -> np.ndarray:
    """The convex hull of the largest part of a mask, as a mask, uint8 [h, w]."""
    result, largest = np.zeros_like(mask), _largest(mask)
    if largest is not None:
        cv2.fillConvexPoly(result, _polygon(largest), (1,))
    return result


def _largest(mask: np.ndarray) -> np.ndarray | None:
    """The largest part of a mask, as a mask; None if the mask is empty."""
    height, width = mask.shape
    if mask[height // 2, width // 2]:  # a part with more than half of all pixels is the largest, and found faster
        count, part = _filled(mask, width // 2, height // 2)
        if 2 * count > cv2.countNonZero(mask):
            return part
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    return (parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8) if len(stats) > 1 else None


def _is_box(field: np.ndarray) -> bool:
    """Whether a convex mask is a box, apart from a fiftieth of it, and smaller than the picture by a hundredth."""
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    box = int((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1))
    return int(field.sum()) * 50 >= 49 * box and box * 100 <= 99 * field.size


def _is_disc(field: np.ndarray) -> bool:
    """Whether the rim of a convex mask lies on a circle, where it isn't the picture's border.

    Source of the fit: Kasa, IEEE Trans. Instrum. Meas. 25 (1976).
    """
    corners = _polygon(field)[:, 0].astype(np.int64)
    inner = ((corners > 0) & (corners < np.array(field.shape[::-1]) - 1)).all(axis=1)
    x, y = corners[inner].T
    if len(x) < 8:
        return False
    basis = np.stack([2 * x, 2 * y, np.ones_like(x)], axis=1)
    (a, b, c), *_ = np.linalg.lstsq(basis.astype(np.float64), (x * x + y * y).astype(np.float64), rcond=None)
    radius = np.sqrt(max(0.0, c + a * a + b * b))
    return bool(np.abs(np.hypot(x - a, y - b) - radius).max() <= _OFF)


def _polygon(mask: np.ndarray) -> np.ndarray:
    """The corners of the convex hull of a mask in one piece, int32 [n, 1, 2]."""
    return cv2.convexHull(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0])


def _outline(mask: np.ndarray) -> Outline:
    """The outline of a convex mask. Pixels at the picture's border reach as far as the picture does."""
    ends = np.array(mask.shape[::-1])
    corners = _polygon(mask)[:, 0]
    places = np.where(corners == 0, 0, np.where(corners == ends - 1, ends, corners + 0.5))
    return Outline(tuple((float(x), float(y)) for x, y in places))
