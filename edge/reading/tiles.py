"""Reads TIFF files, OME-TIFF and slides in TIFF (SVS, NDPI, SCN) tile by tile or strip by strip, by tifffile."""

from collections import OrderedDict
from typing import Any

import numpy as np

from edge.reading.depth import camera_bits

_HELD = 64_000_000  # bytes: the segments that were read last stay in memory, up to this size
_SAMPLES = 64  # at most so many segments show how many bits the camera has
_PIECE = 16_000_000  # pixels: a file whose segments are larger can't be read part by part


def levels(path: str) -> list["_Level"]:
    """The sizes in which a file holds its picture, largest first.

    Raises:
        ImportError: without tifffile.
        ValueError: for pixels that can't be read. Or others of tifffile's errors.
    """
    from tifffile import TiffFile

    found = [_Level(level) for level in TiffFile(path).series[0].levels]
    bits = found[-1].bits()
    for level in found:
        level.shift = bits - 8
    return found


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
        if self._rows * self._columns > _PIECE:
            raise ValueError("it is stored in one piece; save it in tiles (vips tiffsave OLD.tif NEW.tif --tile)")
        self.shift = 0  # bits that are dropped from 16
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

    def bits(self) -> int:
        """How many bits its camera has, judged by some parts of the picture; 8 for a picture with 8 bits."""
        page = self._page
        if page.dtype != np.dtype("uint16"):
            return 8
        count = len(page.dataoffsets)
        some = map(self._decoded, range(0, count, -(-count // _SAMPLES)))
        return camera_bits(max((int(each.max()) for each in some if each is not None), default=0))

    def _segment(self, index: int) -> np.ndarray:
        """A tile or a strip of the file, RGB uint8. An empty one, which scanners leave out, is white."""
        if index in self._held:
            self._held.move_to_end(index)
            return self._held[index]
        pixels = self._decoded(index)
        if pixels is None:
            return np.full((self._rows, self._columns, 3), 255, np.uint8)
        if self.shift == 8:
            pixels = pixels // 257
        elif self.shift:
            pixels = np.minimum(pixels >> self.shift, 255)  # a part that wasn't looked at may be brighter
        pixels = np.broadcast_to(pixels.astype(np.uint8), (*pixels.shape[:2], 3))
        self._held[index] = pixels
        while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > _HELD:
            self._held.popitem(last=False)
        return pixels

    def _decoded(self, index: int) -> np.ndarray | None:
        """The levels of a tile or a strip as the file has them; None for an empty one."""
        page = self._page
        handle = page.parent.filehandle
        handle.seek(page.dataoffsets[index])
        data = handle.read(page.databytecounts[index])
        pixels, _, shape = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        return None if pixels is None else pixels[0, : shape[1], : shape[2], :3]
