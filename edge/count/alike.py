"""How a cell looks: which other cells look most like it, and how sharp its picture is.

This compares the cells themselves. edge.count.seen and edge.live.registration compare what lies around them, to say
whether two pictures show one and the same cell.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from edge.count.seen import SIDE
from edge.quality import USELESS, sharpness

# Width of the disc that is compared in red-cell diameters, and in pixels. On 50 test cells of each type of pbc and
# raabin, 0.56 and 0.69 of the six cells that are most alike were of the same of six types; among lymphocytes and
# monocytes alone, 0.98 and 0.90. Discs of 1.8 and 3.0, or twice as many pixels, gave no more.
_WIDE, _PIXELS = 2.4, 12
_ENOUGH = 160  # pixels; a picture may be read as small as this
_SOFT = 0.28  # sharpness of a field that is blurred by 2/32 of a red cell; see edge.quality
SHARP, SOFT, BLURRED = "sharp", "soft", "blurred"


def look(jpeg: bytes) -> np.ndarray:
    """The cell in the middle of its picture, small: RGB uint8 [12, 12, 3]; 0 outside of a disc."""
    picture = _read(jpeg)
    middle, reach = picture.width / 2, _WIDE / SIDE * picture.width / 2
    box = (middle - reach, middle - reach, middle + reach, middle + reach)
    small = np.asarray(picture.resize((_PIXELS, _PIXELS), Image.Resampling.BOX, box))
    return small * _DISC


def alike(cell: np.ndarray, others: Sequence[np.ndarray], count: int) -> list[int]:
    """The places of the others that look most like a cell, the likeliest first, at most `count`.

    The difference is the mean square of the colours' differences. A cell may lie in any way on the glass, so it is
    turned and mirrored. cell, others: from `look`.
    """
    if not others:
        return []
    known = np.stack(others).reshape(len(others), -1).astype(np.float32)
    turned = [np.rot90(side, turns) for side in (cell, cell[:, ::-1]) for turns in range(4)]
    ways = np.stack(turned).reshape(8, -1).astype(np.float32)
    apart = (known**2).sum(axis=1) - 2 * (known @ ways.T).max(axis=1)  # each way has the same sum of squares
    return [int(place) for place in np.argsort(apart, kind="stable")[:count]]


def focus(jpeg: bytes) -> str:
    """How sharp the picture of a cell is: SHARP, SOFT or BLURRED."""
    image = np.asarray(_read(jpeg))
    found = sharpness(image, image.shape[1] / SIDE)
    return SHARP if found >= _SOFT else SOFT if found >= USELESS else BLURRED


def _read(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.draft("RGB", (_ENOUGH, _ENOUGH))  # faster
        return picture.convert("RGB")


_Y, _X = np.mgrid[:_PIXELS, :_PIXELS] - (_PIXELS - 1) / 2
_DISC: np.ndarray = (np.hypot(_Y, _X) <= _PIXELS / 2).astype(np.uint8)[..., None]
