"""Stain normalisation: on every slide the background becomes white, and every nucleus equally dark.

Microscopes differ most in their light, their stain and their camera's colours. A network that learns these
differences makes errors on another microscope. So both ends of the scale are fixed in each crop. The bright end is a
plane fitted to the brightest parts of the crop. The dark end is the nucleus, which the locator has put in the middle.
All this is done in optical density, where light and stain add up (Beer-Lambert law). All sums are over integers, so
that a Pi gives the same bytes.
"""

import functools
import math

import numpy as np

_NEPER = 1000  # units of optical density per neper, which is a factor of e in light
DENSITY = np.array([round(-_NEPER * math.log((level + 1) / 256)) for level in range(256)], np.int32)
_DEEPEST = int(DENSITY[0])
LEVEL = np.array([round(256 * math.exp(-d / _NEPER)) - 1 for d in range(_DEEPEST + 1)]).clip(0, 255).astype(np.uint8)
WHITE = 245  # level (0 to 255) to which the light is brought
_TILES = 8  # tiles along each axis of the crop, in each of which the light is measured
_MIDDLE = 0.19  # of the crop's width: tiles closer to the middle show the nucleus and no light
_UNIT_BITS = 12
_UNIT = 1 << _UNIT_BITS  # the plane's coefficients are multiplied by it, so that they can be integers
_STEPS = 6  # largest number of steps of the fit; it converges after four or five
_BELOW, _ABOVE = 16, 1  # weights of tiles brighter and darker than the plane, so that it follows the brightest
_FAR = 250  # units of optical density per channel: a tile that is darker than the plane by more shows no light
CORE = 0.104  # of the crop's width: pixels closer to the middle are certainly nucleus
# The optical density that the nucleus is brought to in red, green and blue: that of a good Giemsa stain. The nucleus is
# measured by the 60th percentile of its central pixels.
_NUCLEUS = (1100, 1600, 700)
_WEAKEST, _STRONGEST = 128, (1024, 1024, 512)  # in 1/256: smallest and, by channel, largest factor that brings it there
_APART = 64  # distances from the middle of a nucleus are counted in its diameter divided by this
REACH = 70  # in these steps: radius of the disc that stays visible; nearly all white cells fit into it
# How much stays visible at each distance, 0 to 256. The disc has a soft rim.
SEEN = np.clip(128 - 32 * (np.arange(256) - REACH), 0, 256).astype(np.uint16)


def normalise(square: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
    """Normalises the light and the nucleus of a crop -> uint8 [s, s, 3].

    Args:
        square: RGB uint8 [s, s, 3], s at least 16, with a nucleus in the middle.
        beyond: mask of the pixels beyond the picture, bool [s, s]. They don't count as light, and become white.
    """
    density = DENSITY.take(square)
    density -= plane(density, beyond)
    density += DENSITY[WHITE]
    rows = density.reshape(len(square), -1)  # NumPy is slow with a last axis of 3
    rows *= np.tile(_gain(density), len(square))
    rows >>= 8
    result = LEVEL.take(np.clip(density, 0, _DEEPEST, out=density))
    if beyond is not None:
        result[beyond] = WHITE
    return result


def distance(size: int, nucleus: float) -> np.ndarray:
    """The distance of each pixel from the middle, uint8 [size, size], in 64ths of the nucleus' diameter, at most 255.

    nucleus: its diameter, divided by the width of the crop.
    """
    return np.minimum(_apart(size) * (_APART / (2 * size * nucleus)), 255).astype(np.uint8)


@functools.cache
def _apart(size: int) -> np.ndarray:
    """The distance of each pixel from the middle, in half pixels, float64 [size, size]."""
    half = 2 * np.arange(size) + 1 - size
    return np.sqrt((half[None, :] ** 2 + half[:, None] ** 2).astype(np.float64))


def alone(square: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Makes everything around the cell white -> RGB uint8 [s, s, 3]. distance: from the function `distance`.

    The surroundings of a white cell say nothing about its kind, but much about the slide.
    """
    seen = SEEN.take(distance).repeat(3, axis=1)  # [s, 3 s]: NumPy is slow with a last axis of 3
    mixed = square.reshape(seen.shape) * seen
    mixed += WHITE * (256 - seen)
    mixed >>= 8
    return mixed.astype(np.uint8).reshape(square.shape)


def plane(density: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
    """The light of a crop, as a plane of optical density for each channel: int32 [s, s, 3], in thousandths.

    All zeros (white) if too little light is visible.

    Args:
        density: optical density in thousandths, int32 [s, s, 3].
        beyond: as in `normalise`.

    The plane is an expectile regression on the 20th percentile of each tile's density, by least squares over integers.

    Source: Newey and Powell, Econometrica 1987.
    """
    s = len(density)
    side, inner, x, y, known, usable = _grid(s)
    tiles = _tiles(density[inner, inner], side)
    place = side * side // 5
    values = np.partition(tiles, place)[..., place].astype(np.int64)  # [tiles, channel]
    if beyond is not None:
        usable = usable & (2 * _tiles(beyond[inner, inner, None], side).sum(axis=(1, 2)) <= side * side)
    if usable.sum() < _TILES:
        return np.zeros_like(density)
    total = values.sum(axis=1)  # of the channels: one fit for all of them decides which tiles show light
    # z, x * z and y * z of the total, then those of each channel.
    products = (np.column_stack([total, values])[:, :, None] * known[:, None, :3]).reshape(len(known), 12)
    basis = np.hstack([known, products])
    brightest = total[usable].min()
    weights = np.where(total <= brightest + 3 * _FAR, _BELOW, _ABOVE) * usable
    heights, far = total * _UNIT, 3 * _FAR * _UNIT
    for _ in range(_STEPS):
        a, b, c = _fit((weights @ basis[:, :9]).tolist(), s)
        over = heights - (a + b * x + c * y)
        before, weights = weights, np.where(over <= 0, _BELOW, _ABOVE) * (usable & (over <= far))
        if weights.tobytes() == before.tobytes():  # the fit has converged
            break
    sums = (weights @ basis).tolist()
    fits = [_fit(sums[:6] + sums[9 + 3 * channel : 12 + 3 * channel], s) for channel in range(3)]
    a, b, c = np.array(fits, np.int32).T  # by channel; no value of a plane comes near what int32 can hold
    half, channels = _columns(s)
    result = (c * half).take(channels, axis=1)  # [s, 3 s]: NumPy is slow with a last axis of 3
    result += (a + b * half).ravel()
    result >>= _UNIT_BITS
    return result.reshape(density.shape)


@functools.cache
def _columns(s: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels' positions in half pixels from the middle, int32 [s, 1]; and the channel of each value of a row."""
    return (2 * np.arange(s, dtype=np.int32) + 1 - s)[:, None], np.tile(np.arange(3), s)


@functools.cache
def _grid(s: int) -> tuple[int, slice, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The tiles of a crop [s, s].

    Returns:
        The tiles' side in pixels; the range of rows, and of columns, that they cover; x and y of their middles, in half
        pixels from the middle of the crop, int64 [64] each; those columns of plane()'s regression that depend only on
        positions, int64 [64, 6]; and which tiles may show light, bool [64].
    """
    side = s // _TILES
    start = (s - side * _TILES) // 2
    centre = (2 * np.arange(_TILES) + 1 - _TILES) * side
    x, y = np.tile(centre, _TILES).astype(np.int64), np.repeat(centre, _TILES).astype(np.int64)
    known = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    return side, slice(start, start + side * _TILES), x, y, known, x * x + y * y > (2 * _MIDDLE * s) ** 2


def _tiles(image: np.ndarray, side: int) -> np.ndarray:
    """Cuts an image [8 * side, 8 * side, c] into tiles [64, c, side * side]."""
    c = image.shape[2]
    return image.reshape(_TILES, side, _TILES, side, c).transpose(0, 2, 4, 1, 3).reshape(_TILES**2, c, side * side)


def _fit(sums: list[int], s: int) -> tuple[int, int, int]:
    """Weighted least squares of z on 1, x, y, with a slight pull towards zero slope -> coefficients in 1 / 4096.

    sums: the weighted sums of 1, x, y, xx, xy, yy, z, xz, yz.
    """
    n, sx, sy, xx, xy, yy, sz, xz, yz = sums
    xx, yy = xx + s * s, yy + s * s
    # Cramer's rule in Python's integers, which are exact.
    minors = xx * yy - xy * xy, sx * yy - xy * sy, sx * xy - xx * sy
    whole = n * minors[0] - sx * minors[1] + sy * minors[2]
    a = sz * minors[0] - sx * (xz * yy - xy * yz) + sy * (xz * xy - xx * yz)
    b = n * (xz * yy - xy * yz) - sz * minors[1] + sy * (sx * yz - xz * sy)
    c = n * (xx * yz - xz * xy) - sx * (sx * yz - xz * sy) + sz * minors[2]
    return a * _UNIT // whole, b * _UNIT // whole, c * _UNIT // whole


@functools.cache
def _core(s: int) -> np.ndarray:
    """The flat indices of the pixels of a crop [s, s] that are certainly nucleus."""
    half = 2 * np.arange(s) + 1 - s
    return np.flatnonzero(half[None, :] ** 2 + half[:, None] ** 2 <= (2 * CORE * s) ** 2)


def _gain(density: np.ndarray) -> np.ndarray:
    """The factor for each channel that brings the nucleus to _NUCLEUS, int32 [3], in units of 1 / 256."""
    core = density.reshape(-1, 3)[_core(len(density))]
    place = len(core) * 3 // 5
    nucleus = np.maximum(np.partition(core, place, axis=0)[place], 1).astype(np.int32)
    return np.clip(np.array(_NUCLEUS, np.int32) * 256 // nucleus, _WEAKEST, np.array(_STRONGEST, np.int32))
