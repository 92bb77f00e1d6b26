"""What is kept of a picture between locating its cells and answering them.

The red cells of up to 200 pictures of a run are measured before the first cell is cut out. Whole pictures would be too
large to keep until then, and reading them twice would be too slow. So the surroundings of their cells are kept. Only if
these turn out to be too small, or if there was no room for them, is a picture read again.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from edge.errors import UserError
from edge.frames import Frame, Picture, pages

logger = logging.getLogger(__name__)

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
# Bytes of pixels that are kept in memory. The others go to a temporary file, which the system holds in memory while it
# has room: with 8 or 36 MB, no run was faster.
MEMORY = 2_000_000
_MOST = 1_000_000_000  # largest size of that file, bytes; pixels that don't fit are read again from their picture


@dataclass(frozen=True)
class KeptPicture:
    """The surroundings of a picture's cells, which can be used as a Picture.

    Attributes:
        source, number, taken: as in the Frame.
        width, height: of the whole picture, in pixels.
        windows: the box of each part that was kept, and its place in the store.
        store: what holds the pixels.
    """

    source: str
    number: int
    taken: float
    width: int
    height: int
    windows: tuple[tuple[Box, int], ...]
    store: "PixelStore" = field(repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[..., "KeptPicture"], tuple[Any, ...]]:
        """For a process that sends it to another one: with the pixels, which then lie in memory."""
        parts = [(box, self.window(*box)) for box, _ in self.windows]
        return _with_pixels, (self.source, self.number, self.taken, self.width, self.height, parts)

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """See Picture. A part that was not kept is read again from the source.

        Raises:
            UserError: if the source can no longer be read.
        """
        left, top = max(0, left), max(0, top)
        right, bottom = min(self.width, max(0, right)), min(self.height, max(0, bottom))
        for (x0, y0, x1, y1), place in self.windows:
            if x0 <= left and y0 <= top and right <= x1 and bottom <= y1:
                return self.store.get(place, (y1 - y0, x1 - x0, 3))[top - y0 : bottom - y0, left - x0 : right - x0]
        frame = self.store.read_again(self.source, self.number)
        return frame.window(left, top, right, bottom)


class PixelStore:
    """Holds pixels and returns them by their place.

    The first go to memory, the others to a temporary file, which is deleted when the process ends.
    """

    def __init__(self, memory: int = MEMORY, most: int = _MOST) -> None:
        """memory: bytes kept in memory; most: bytes of the temporary file."""
        self._held: list[np.ndarray] = []
        self._memory, self._most, self._size = memory, most, 0
        self._file: IO[bytes] | None = None
        # The part that was last read from the file, and its place, in case the next request is for the same part.
        self._at, self._pixels = -1, np.zeros((0, 0, 3), np.uint8)
        self._latest: Frame | None = None

    def keep(self, picture: Picture, boxes: Sequence[Box]) -> KeptPicture:
        """Keeps these parts of a picture, or all of it if they cover more than half."""
        width, height = picture.width, picture.height
        area = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
        whole = 2 * area > width * height
        windows = []
        for box in [(0, 0, width, height)] if whole else boxes:
            place = self.put(picture.window(*box), whole)
            if place is not None:
                windows.append((box, place))
        return KeptPicture(picture.source, picture.number, picture.taken, width, height, tuple(windows), self)

    def put(self, pixels: np.ndarray, whole: bool) -> int | None:
        """Stores pixels and returns their place: below 0 in memory, otherwise the position in the file; None if full.

        whole: whether they are a whole picture. Parts are copied, so that the rest of their picture can be freed.
        """
        if pixels.nbytes <= self._memory:
            self._memory -= pixels.nbytes
            self._held.append(pixels if whole else pixels.copy())
            return -len(self._held)
        if self._size + pixels.nbytes > self._most:
            return None
        place = self._size
        try:
            if self._file is None:
                self._file = _temporary_file()
            self._file.seek(place)
            self._file.write(np.ascontiguousarray(pixels).data)
        except OSError:  # a full or read-only disk
            self._most = 0
            return None
        self._size += pixels.nbytes
        return place

    def get(self, place: int, shape: tuple[int, int, int]) -> np.ndarray:
        """The pixels at a place, uint8 [shape]."""
        if place < 0:
            return self._held[-place - 1]
        if place != self._at and self._file is not None:
            self._file.seek(place)
            content = self._file.read(shape[0] * shape[1] * shape[2])
            self._at, self._pixels = place, np.frombuffer(content, np.uint8).reshape(shape)
        return self._pixels

    def read_again(self, source: str, number: int = 0) -> Frame:
        """Reads a picture from its file again. The last one stays in memory. Raises UserError if it can't be read."""
        if self._latest is None or (self._latest.source, self._latest.number) != (source, number):
            frame = next((each for each in pages(source) if each.number == number), None)
            if not isinstance(frame, Frame):
                raise UserError(f"{source} {frame.error if frame else 'was changed during the run.'}")
            logger.debug("%s is read again: what is needed of it was not kept", source)
            self._latest = frame
        return self._latest


def _with_pixels(
    source: str, number: int, taken: float, width: int, height: int, parts: Sequence[tuple[Box, np.ndarray]]
) -> KeptPicture:
    store = PixelStore(sum(pixels.nbytes for _, pixels in parts))
    windows = tuple((box, place) for box, pixels in parts if (place := store.put(pixels, True)) is not None)
    return KeptPicture(source, number, taken, width, height, windows, store)


def _temporary_file() -> IO[bytes]:
    """A file in /var/tmp, which is on a disk; on Raspberry Pi OS Trixie, /tmp is in memory. Raises OSError.

    If the environment sets TMPDIR, the file is there.
    """
    import tempfile  # this import takes a few milliseconds, and most runs don't need it

    folder = "/var/tmp" if Path("/var/tmp").is_dir() and "TMPDIR" not in os.environ else None
    return tempfile.TemporaryFile(dir=folder)
