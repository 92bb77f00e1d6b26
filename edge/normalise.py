"""Stain normalisation: on every slide the background becomes white, and every nucleus equally dark.

Microscopes differ most in their light, their stain and their camera's colours. A network that learns these reads
another microscope wrongly. So both ends of the scale are fixed in each crop: the light end by a plane fitted to its
brightest parts, the dark end by the nucleus, which the locator has put in the middle. This is done in optical density,
where light and stain add up (Beer-Lambert). All sums are over integers, so that a Pi gives the same bytes.
"""

import functools
import math

import numpy as np

_NEPER = 1000  # units of optical density
DENSITY = np.array([round(-_NEPER * math.log((level + 1) / 256)) for level in range(256)], np.int32)
_DEEPEST = int(DENSITY[0])
LEVEL = np.array([round(256 * math.exp(-d / _NEPER)) - 1 for d in range(_DEEPEST + 1)]).clip(0, 255).astype(np.uint8)
WHITE = 245  # level of the light
_TILES = 8  # along each axis: parts of the crop in which light is looked for
_MIDDLE = 0.19  # of the width: tiles nearer to the middle show the nucleus and no light
_UNIT_BITS = 12
_UNIT = 1 << _UNIT_BITS  # by which the plane's coefficients are multiplied to be integers
_STEPS = 6  # of the fit at most; it stands still after four or five
_BELOW, _ABOVE = 16, 1  # weights of tiles that are brighter and darker than the plane: it follows the brightest
_FAR = 250  # units of optical density: a tile so much darker than the plane shows no light at all
_CORE = 0.104  # of the width: pixels nearer to the middle are surely nucleus
_NUCLEUS = (1100, 1600, 700)  # optical density of the nucleus' median in red, green, blue: that of a good Giemsa stain
_WEAKEST, _STRONGEST = 128, (1024, 1024, 512)  # of 256: limits of the factor that brings it there
_APART = 64  # steps to a nucleus' diameter, in which distances from its middle are counted
REACH = 70  # of these steps: radius of the disc that stays visible, as large as nearly all white cells
# How much stays visible at each distance, of 256: the disc has a soft rim.
SEEN = np.clip(128 - 32 * (np.arange(256) - REACH), 0, 256).astype(np.int32)


def normalise(square: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
    """A crop with normalised light and nucleus, uint8 [s, s, 3].

    Args:
        square: RGB uint8 [s, s, 3], s at least 16, with a nucleus in the middle.
        beyond: which pixels lie beyond the picture, bool [s, s]: they show no light, and become white.
    """
    density = DENSITY.take(square)
    density -= plane(density, beyond)
    density += DENSITY[WHITE]
    gain = _gain(density)
    density *= gain
    density >>= 8
    result = LEVEL.take(np.clip(density, 0, _DEEPEST, out=density))
    if beyond is not None:
        result[beyond] = WHITE
    return result


def distance(size: int, nucleus: float) -> np.ndarray:
    """The distance of each pixel from the middle, uint8 [size, size], in 64ths of the nucleus' diameter, at most 255.

    nucleus: its diameter in shares of the width.
    """
    return np.minimum(_apart(size) * (_APART / (2 * size * nucleus)), 255).astype(np.uint8)


@functools.cache
def _apart(size: int) -> np.ndarray:
    """How far each pixel lies from the middle, in half pixels, float64 [size, size]."""
    half = 2 * np.arange(size) + 1 - size
    return np.sqrt((half[None, :] ** 2 + half[:, None] ** 2).astype(np.float64))


def alone(square: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The cell alone, RGB uint8 [s, s, 3]: what lies farther away becomes white. distance: of `distance`.

    The surroundings of a white cell say nothing of its kind, but much of the slide.
    """
    seen = SEEN.take(distance)[..., None]
    return ((square * seen + WHITE * (256 - seen)) >> 8).astype(np.uint8)


def plane(density: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
    """The light of a crop: a plane for each channel, int32 [s, s, 3]. 0 (white) where too little light is seen.

    Args:
        density: optical density in thousandths, int32 [s, s, 3].
        beyond: as of `normalise`.

    Source: an expectile regression (Newey and Powell, Econometrica 1987) on the lightest fifth of each tile, by least
    squares over integers.
    """
    s = len(density)
    side, inner, x, y, known, usable = _grid(s)
    tiles = _tiles(density[inner, inner], side)
    place = side * side // 5
    values = np.partition(tiles, place, axis=1)[:, place].astype(np.int64)  # [tiles, channel]
    if beyond is not None:
        usable = usable & (2 * _tiles(beyond[inner, inner, None], side).sum(axis=(1, 2)) <= side * side)
    if usable.sum() < _TILES:
        return np.zeros_like(density)
    total = values.sum(axis=1)  # over the channels: one fit decides which tiles show light
    basis = np.hstack([known] + [np.stack([z, x * z, y * z], axis=1) for z in (total, *values.T)])
    brightest = total[usable].min()
    weights = np.where(total <= brightest + 3 * _FAR, _BELOW, _ABOVE) * usable
    for _ in range(_STEPS):
        a, b, c = _fit((weights @ basis[:, :9]).tolist(), s)
        over = total * _UNIT - (a + b * x + c * y)
        before, weights = weights, np.where(over <= 0, _BELOW, _ABOVE) * (usable & (over <= 3 * _FAR * _UNIT))
        if (weights == before).all():  # it stands still
            break
    sums = (weights @ basis).tolist()
    result = np.empty_like(density)
    half = 2 * np.arange(s) + 1 - s  # pixels' places in half pixels
    for channel in range(3):
        a, b, c = _fit(sums[:6] + sums[9 + 3 * channel : 12 + 3 * channel], s)
        result[..., channel] = ((a + b * half)[None, :] + (c * half)[:, None]) >> _UNIT_BITS
    return result


@functools.cache
def _grid(s: int) -> tuple[int, slice, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The tiles of a square [s, s].

    Returns:
        Their side in pixels; the rows, and columns, that they cover; x and y of their middles in half pixels, int64
        [64] each; the columns of plane()'s regression that depend on places alone, int64 [64, 6]; and which tiles may
        show light, bool [64].
    """
    side = s // _TILES
    start = (s - side * _TILES) // 2
    centre = (2 * np.arange(_TILES) + 1 - _TILES) * side
    x, y = np.tile(centre, _TILES).astype(np.int64), np.repeat(centre, _TILES).astype(np.int64)
    known = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    return side, slice(start, start + side * _TILES), x, y, known, x * x + y * y > (2 * _MIDDLE * s) ** 2


def _tiles(image: np.ndarray, side: int) -> np.ndarray:
    """[8 side, 8 side, c] -> [64, side side, c]."""
    c = image.shape[2]
    return image.reshape(_TILES, side, _TILES, side, c).transpose(0, 2, 1, 3, 4).reshape(_TILES**2, side * side, c)


def _fit(sums: list[int], s: int) -> tuple[int, int, int]:
    """Weighted least squares of z on 1, x, y, with a slight pull towards no slope -> coefficients in units of 1 / 4096.

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
    """The pixels of a square [s, s] that are surely nucleus, by their number."""
    half = 2 * np.arange(s) + 1 - s
    return np.flatnonzero(half[None, :] ** 2 + half[:, None] ** 2 <= (2 * _CORE * s) ** 2)


def _gain(density: np.ndarray) -> np.ndarray:
    """The factor of each channel that brings the nucleus to its density, int32 [3], in units of 1 / 256."""
    core = density.reshape(-1, 3)[_core(len(density))]
    place = len(core) * 3 // 5
    nucleus = np.maximum(np.partition(core, place, axis=0)[place], 1).astype(np.int32)
    return np.clip(np.array(_NUCLEUS, np.int32) * 256 // nucleus, _WEAKEST, np.array(_STRONGEST, np.int32))
