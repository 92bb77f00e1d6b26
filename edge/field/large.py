"""Reads pictures that are too large for the memory part by part: whole slides, large TIFF, JPEG and PNG files."""

import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from edge.errors import UserError, reason
from edge.field.halving import halved
from edge.frames import LeftOut, Unreadable
from edge.reading.formats import DICOM, MAX_PIXELS, OPENSLIDE, SLIDES

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the first bytes of TIFF and BigTIFF files
_OTHERS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")  # those of JPEG, PNG and WebP files
_LONGER = 200  # times: a side that is longer than the other by more would leave nothing of it after shrinking
_BLOCK = 1024  # pixels of a block that is read at once to be shrunk, along each side


class Level(Protocol):
    """One of the sizes in which a file holds its picture."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """The pixels of a box inside it, RGB uint8 [height, width, 3]."""


@dataclass(frozen=True)
class _Way:
    """How a kind of file is read in parts.

    Attributes:
        levels: opens a file, and returns the sizes in which it holds its picture.
        extra: of the package edge-classify, which installs what that needs.
    """

    levels: Callable[[str], Sequence[Level]]
    extra: str


def _of_tiles(path: str) -> Sequence[Level]:
    from edge.reading import tiles  # most runs need none of the three

    return tiles.levels(path)


def _of_slide(path: str) -> Sequence[Level]:
    from edge.reading import slides

    return slides.levels(path)


def _by_vips(path: str) -> Sequence[Level]:
    from edge.reading import vips

    return vips.levels(path)


_TILES, _SLIDE, _VIPS = _Way(_of_tiles, "slides"), _Way(_of_slide, "openslide"), _Way(_by_vips, "vips")


class LargePicture:
    """A picture that can be used as a Picture, though its pixels are read only as they are asked for.

    Attributes:
        source: its path.
        number: 0, as a file holds one such picture.
        taken: when it was opened, seconds since the epoch.
    """

    def __init__(self, path: str, levels: Sequence[Level]) -> None:
        """levels: the sizes in which the file holds its picture, largest first. Raises ValueError for a thin one."""
        width, height = levels[0].width, levels[0].height
        if max(width, height) > _LONGER * min(width, height):
            raise ValueError(f"it is {width}x{height}, and no side may be {_LONGER} times as long as the other")
        self.source, self.number, self.taken = path, 0, time.time()
        self._levels = levels

    @property
    def width(self) -> int:
        return self._levels[0].width

    @property
    def height(self) -> int:
        return self._levels[0].height

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """See Picture.

        Raises:
            UserError: for a window that is too large for the memory, or that can't be read.
        """
        left, top = max(0, left), max(0, top)
        right, bottom = max(left, min(self.width, right)), max(top, min(self.height, bottom))
        if (right - left) * (bottom - top) > MAX_PIXELS:
            raise UserError(f"{self.source} is too large to be shown whole.")
        return self._read(self._levels[0], left, top, right, bottom)

    def shrunk(self, box: tuple[int, int, int, int], size: int) -> np.ndarray:
        """A box of it, halved until its longer side is below 4 * size pixels: RGB uint8 [height, width, 3].

        box: (left, top, right, bottom). A smaller level of the file is used where there is one. Large boxes are read in
        blocks.

        Raises:
            UserError: if it can't be read.
        """
        longer = max(box[2] - box[0], box[3] - box[1])
        fitting = [each for each in self._levels if longer * each.width >= 2 * size * self.width]
        level = fitting[-1] if fitting else self._levels[0]
        left, right = (v * level.width // self.width for v in (box[0], box[2]))
        top, bottom = (v * level.height // self.height for v in (box[1], box[3]))
        times = 0
        while max(right - left, bottom - top) >> times >= 4 * size:
            times += 1
        result = np.empty(((bottom - top) >> times, (right - left) >> times, 3), np.uint8)
        step = max(1, _BLOCK >> times)
        for y in range(0, result.shape[0], step):
            for x in range(0, result.shape[1], step):
                place = result[y : y + step, x : x + step]
                x0, y0 = left + (x << times), top + (y << times)
                x1, y1 = x0 + (place.shape[1] << times), y0 + (place.shape[0] << times)
                place[:] = halved(self._read(level, x0, y0, x1, y1), 1 << times)
        return result

    def _read(self, level: Level, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        if right <= left or bottom <= top:
            return np.empty((bottom - top, right - left, 3), np.uint8)
        try:
            return level.window(left, top, right, bottom)
        except Exception as error:  # a damaged part; each library has errors of its own
            raise UserError(f"{self.source} {_unreadable(error)}") from error


def open_large(path: str, refused: bool = True) -> LargePicture | Unreadable | None:
    """Opens a whole slide, or a picture that is too large for edge.frames; None for any other file.

    refused: False if edge.frames hasn't tried the file yet. Then a JPEG, PNG or WebP isn't opened to learn its size,
    because edge.frames says if it is TooLarge.
    """
    way = _way(path, refused)
    if way is None:
        return None
    try:
        levels = way.levels(path)
        if levels:
            return LargePicture(path, levels)
    except ImportError:
        what = "is a whole slide" if way is _SLIDE else "is too large to be read at once"
        tiff = (
            f"; or write it as TIFF in tiles (vips tiffsave {Path(path).name} NEW.tif --tile)" if way is _VIPS else ""
        )
        return Unreadable(
            path, f"{what}; `pip install edge-classify[{way.extra}]` installs what reads it in parts{tiff}."
        )
    except Exception as error:  # the libraries' own errors, and those of the decoders they use
        return Unreadable(path, _unreadable(error))
    return LeftOut(path, "part of a slide whose largest picture is in another file")


def _unreadable(error: Exception) -> str:
    return f"cannot be read in parts: {reason(error)}."


def _way(path: str, refused: bool) -> _Way | None:
    """How a file is read in parts; None if edge.frames reads it, or if it is no picture."""
    ending = os.path.splitext(path)[1].lower()  # a Path takes ten times as long, for each picture
    if not os.path.isfile(path):  # opening a pipe would wait for its other end
        return None
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except OSError:
        return None
    if head and (ending in OPENSLIDE or head[128:] == DICOM):
        return _SLIDE
    if head.startswith(_TIFF):
        return _TILES if _too_large(path) or ending in SLIDES else None
    return _VIPS if refused and head.startswith(_OTHERS) and _too_large(path) else None


def _too_large(path: str) -> bool:
    """Whether edge.frames would refuse a picture for its size."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("JPEG", "PNG", "TIFF", "WEBP")) as picture:
                return picture.width * picture.height > MAX_PIXELS
    except Image.DecompressionBombError:
        return True
    except Exception:  # edge.frames says what is wrong with it
        return False
