"""Recognises a cell that a session has counted already, by the cells around it.

A run at the camera follows the stage and counts each cell once. It can't follow what it doesn't see: between two runs,
where all frames of a movement were lost, and in picture files that overlap. So each new cell is compared with all cells
of the session. All nuclei look alike in a small picture, but no two cells have the same neighbours.
"""

import numpy as np
from PIL import Image

from edge.frames import Picture

SIDE = 5.0  # width of a cell's picture in red-cell diameters
COMPARED = 0.84  # share of that width that is compared; the rest is room for another ruler
_SIZE = 27  # pixels of the square that is compared
_SHIFT = 2  # pixels that it may be off
_CELL = 0.9  # red-cell diameters: what lies nearer to the middle is the cell itself, and isn't compared
_SAME = 0.74  # least correlation of two pictures of one cell; see docs/figures/counting.md
_SHARED = 0.5  # least share of the square that must lie inside both pictures
_CONTRAST = 3.0  # least standard deviation of the neighbours' grey values, 0 to 255: without neighbours, all look alike


class Seen:
    """The cells of a session, by what is around them.

    >>> seen = Seen(scale=250)
    >>> seen.find(image, width=300)  # None
    >>> seen.add(1, image, width=300)
    >>> seen.find(image, width=300)
    1
    """

    def __init__(self, scale: float = 0.0) -> None:
        """scale: how many of the camera's pixels are compared; 0 for what suits the first cell's ruler.

        It is the same for all cells of a session, though the ruler of one run differs a little from that of another.
        """
        self._scale = scale
        self._ids: list[int] = []
        # Grow by doubling. Where a picture has no pixel, both are 0.
        self._even = np.zeros((256, _SIZE * _SIZE), np.float32)
        self._inside = np.zeros_like(self._even)

    def add(self, cell: int, image: np.ndarray, width: float) -> None:
        """Remembers a cell.

        Args:
            cell: its number.
            image: a square around it, RGB uint8 [n, n, 3]. What lies outside of its field is black.
            width: how many of the camera's pixels the square shows.
        """
        even, inside, contrast = self._prepared(image, width)
        if contrast < _CONTRAST:
            return
        count = len(self._ids)
        if count == len(self._even):
            self._even, self._inside = (
                np.concatenate([each, np.zeros_like(each)]) for each in (self._even, self._inside)
            )
        self._even[count], self._inside[count] = even.ravel(), inside.ravel()
        self._ids.append(cell)

    def find(self, image: np.ndarray, width: float) -> int | None:
        """The remembered cell that a picture shows; None if it shows a new one. Arguments: see `add`."""
        cell, correlation = self.nearest(image, width)
        return cell if correlation >= _SAME else None

    def nearest(self, image: np.ndarray, width: float) -> tuple[int | None, float]:
        """The remembered cell whose neighbours are most alike, and their correlation, -1 to 1; None if there is none.

        Arguments: see `add`.
        """
        even, inside, contrast = self._prepared(image, width)
        if contrast < _CONTRAST or not self._ids:
            return None, -1.0
        known, known_inside = self._even[: len(self._ids)], self._inside[: len(self._ids)]
        squares, best = known**2, np.full(len(self._ids), -1.0, np.float32)
        for dy in range(-_SHIFT, _SHIFT + 1):
            for dx in range(-_SHIFT, _SHIFT + 1):
                moved, mask = (np.roll(each, (dy, dx), (0, 1)).ravel() for each in (even, inside))
                norms = (squares @ mask) * (known_inside @ moved**2)
                shared = known_inside @ mask >= _SHARED * _COMPARED.sum()
                best = np.maximum(best, np.where(shared, known @ moved / np.sqrt(np.maximum(norms, 1e-6)), -1.0))
        at = int(best.argmax())
        return self._ids[at], float(best[at])

    def _prepared(self, image: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray, float]:
        """The grey values around the cell in even light; where there are any, 0 or 1; their standard deviation."""
        self._scale = self._scale or COMPARED * width
        side = min(image.shape[:2])  # rounding may have left one row or column more
        half, middle = self._scale / width * side / 2, side / 2
        reach = min(half, middle)
        box = (middle - reach, middle - reach, middle + reach, middle + reach)
        size = max(1, round(_SIZE * reach / half))
        start = (_SIZE - size) // 2

        def shrunk(picture: Image.Image) -> np.ndarray:
            whole = np.zeros((_SIZE, _SIZE), np.float32)
            small = np.asarray(picture.resize((size, size), Image.Resampling.BOX, box), np.float32)
            whole[start : start + size, start : start + size] = small
            return whole

        grey = shrunk(Image.fromarray(image).convert("L"))
        filled = Image.fromarray(np.where(image.max(axis=2) > _BLACK, np.uint8(255), np.uint8(0)))
        inside = (shrunk(filled) > _FILLED) * _COMPARED
        where, even = inside > 0, np.zeros_like(grey)
        # The light falls off towards the corners of a field, and a cell lies elsewhere in each of its pictures.
        light = np.linalg.lstsq(_LIGHT[where], grey[where], rcond=None)[0]
        even[where] = grey[where] - _LIGHT[where] @ light
        return even, inside, float(np.sqrt((even**2).sum() / max(1.0, inside.sum())))


_BLACK, _FILLED = 12, 250  # values up to this are no picture (JPEG blurs them); a pixel that is all picture
_Y, _X = (np.mgrid[:_SIZE, :_SIZE] - _SIZE // 2) * (SIDE * COMPARED / _SIZE)
_COMPARED = (np.hypot(_Y, _X) > _CELL).astype(np.float32)  # the part of the square that is compared
_LIGHT = np.stack([np.ones_like(_X), _X, _Y, _X * _X, _X * _Y, _Y * _Y], axis=-1)  # what even light is fitted by


def square(picture: Picture, box: tuple[int, int, int, int]) -> np.ndarray:
    """The pixels in a box (left, top, right, bottom), RGB uint8. What lies outside of the picture is black."""
    left, top, right, bottom = box
    inside = picture.window(left, top, right, bottom)
    whole = np.zeros((bottom - top, right - left, 3), np.uint8)
    y, x = max(0, -top), max(0, -left)
    whole[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return whole
