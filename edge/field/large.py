"""Reads pictures that are too large for the memory part by part: large TIFF files, OME-TIFF, and slides (SVS, NDPI)."""

import time
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from edge.errors import UserError, reason
from edge.frames import Unreadable
from edge.reading.formats import MAX_PIXELS, SLIDES, Refused

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the first bytes of TIFF and BigTIFF files
_HELD = 64_000_000  # bytes: the segments that were read last stay in memory, up to this size
_PIECE = 16_000_000  # pixels: a file whose segments are larger can't be read part by part
_LONGER = 200  # times: a side that is longer than the other by more would leave nothing of it after shrinking
_BLOCK = 512  # pixels of a block that is read at once to be shrunk, along each side and after shrinking


class LargePicture:
    """A picture in a TIFF file, which can be used as a Picture. Its pixels are read as they are asked for.

    Attributes:
        source: its path.
        number: 0, as a file holds one such picture.
        taken: when it was opened, seconds since the epoch.
    """

    def __init__(self, path: str) -> None:
        """Raises ImportError without tifffile, ValueError for pixels that can't be read, and tifffile's own errors."""
        from tifffile import TiffFile

        self.source, self.number, self.taken = path, 0, time.time()
        self._levels = [_Level(level) for level in TiffFile(path).series[0].levels]

    @property
    def width(self) -> int:
        return self._levels[0].width

    @property
    def height(self) -> int:
        return self._levels[0].height

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """See Picture.

        Raises:
            UserError: for a window that is too large for the memory.
        """
        left, top = max(0, left), max(0, top)
        right, bottom = max(left, min(self.width, right)), max(top, min(self.height, bottom))
        if (right - left) * (bottom - top) > MAX_PIXELS:
            raise UserError(f"{self.source} is too large to be shown whole.")
        return self._levels[0].window(left, top, right, bottom)

    def shrunk(self, box: tuple[int, int, int, int], size: int) -> np.ndarray:
        """A box of it, halved until its longer side is below 4 * size pixels: RGB uint8 [height, width, 3].

        box: (left, top, right, bottom). A smaller level of the file is used where there is one. Large boxes are read in
        blocks.
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
        for y in range(0, result.shape[0], _BLOCK):
            for x in range(0, result.shape[1], _BLOCK):
                place = result[y : y + _BLOCK, x : x + _BLOCK]
                x0, y0 = left + (x << times), top + (y << times)
                block = level.window(x0, y0, x0 + (place.shape[1] << times), y0 + (place.shape[0] << times))
                for _ in range(times):
                    half = block.shape[1] // 2, block.shape[0] // 2
                    block = cv2.resize(block, half, interpolation=cv2.INTER_LINEAR_EXACT)
                place[:] = block
        return result


class _Level:
    """One of the sizes in which a file holds its picture."""

    def __init__(self, level: Any) -> None:
        page = self._page = level.keyframe
        self.height, self.width = page.imagelength, page.imagewidth
        samples = page.samplesperpixel
        if level.ndim != (3 if samples > 1 else 2) or page.planarconfig != 1 or samples not in (1, 3, 4):
            raise ValueError("it holds more than one picture, or one that isn't grey or RGB")
        if page.dtype not in (np.dtype("uint8"), np.dtype("uint16")):
            raise ValueError(f"its pixels are of the type {page.dtype}; save it with 8 or 16 bits")
        tiled = page.is_tiled
        self._rows = page.tilelength if tiled else page.rowsperstrip
        self._columns = page.tilewidth if tiled else self.width
        if max(self.width, self.height) > _LONGER * min(self.width, self.height):
            raise ValueError(
                f"it is {self.width}x{self.height}, and no side may be {_LONGER} times as long as the other"
            )
        if self._rows * self._columns > _PIECE:
            raise ValueError("it is stored in one piece; save it in tiles")
        self._held: OrderedDict[int, np.ndarray] = OrderedDict()

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """The pixels of a box inside it, RGB uint8."""
        result = np.full((bottom - top, right - left, 3), 255, np.uint8)
        across = -(-self.width // self._columns)
        for row in range(top // self._rows, -(-bottom // self._rows)):
            for column in range(left // self._columns, -(-right // self._columns)):
                y, x = row * self._rows, column * self._columns
                segment = self._segment(row * across + column)[: bottom - y, : right - x]
                part = segment[max(0, top - y) :, max(0, left - x) :]
                at_y, at_x = max(0, y - top), max(0, x - left)
                result[at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]] = part
        return result

    def _segment(self, index: int) -> np.ndarray:
        """A tile or a strip of the file, RGB uint8. An empty one, which scanners leave out, is white."""
        if index in self._held:
            self._held.move_to_end(index)
            return self._held[index]
        page = self._page
        handle = page.parent.filehandle
        try:
            handle.seek(page.dataoffsets[index])
            data = handle.read(page.databytecounts[index])
            pixels, _, shape = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        except Exception as error:  # tifffile's own errors, and those of the decoders it uses
            raise Refused(f"cannot be read in parts: {reason(error)}.") from error
        if pixels is None:
            return np.full((self._rows, self._columns, 3), 255, np.uint8)
        pixels = pixels[0, : shape[1], : shape[2], :3]
        if pixels.dtype == np.uint16:
            pixels = pixels // 257
        pixels = np.broadcast_to(pixels.astype(np.uint8), (*pixels.shape[:2], 3))
        self._held[index] = pixels
        while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > _HELD:
            self._held.popitem(last=False)
        return pixels


def open_large(path: str) -> LargePicture | Unreadable | None:
    """Opens a TIFF file that is too large for edge.frames; None for any other file."""
    if not _too_large(path):
        return None
    try:
        return LargePicture(path)
    except ImportError:
        return Unreadable(
            path,
            "is too large to be read at once; `pip install edge-classify[slides]` installs what reads it in parts.",
        )
    except Exception as error:  # tifffile's own errors, and those of the decoders it uses
        return Unreadable(path, f"cannot be read in parts: {reason(error)}.")


def _too_large(path: str) -> bool:
    """Whether a file is a TIFF that edge.frames.read would refuse for its size, or a slide that Pillow doesn't know."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 the path stays as the user wrote it
            if file.read(4) not in _MAGIC:
                return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                return picture.width * picture.height > MAX_PIXELS
    except Image.DecompressionBombError:
        return True
    except UnidentifiedImageError:
        return Path(path).suffix.lower() in SLIDES
    except Exception:
        return False
