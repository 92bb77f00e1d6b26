"""Reads pictures: files, folders, glob patterns and lists of them -> Frame."""

import glob
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL.ImageFile import ImageFile

from edge.errors import UserError, reason
from edge.reading.finding import find
from edge.reading.formats import Refused, RefusedAsTooLarge, opened
from edge.reading.pages import Part, count, is_empty, parts, pixels
from edge.system.quiet import silence_libtiff

silence_libtiff()


class Picture(Protocol):
    """A picture whose pixels can be read: a Frame, or the parts of one that were kept (edge.kept)."""

    @property
    def source(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def taken(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """The pixels from (left, top) up to (right, bottom), RGB uint8, clipped to the picture."""


@dataclass(frozen=True)
class Frame:
    """One picture with all its pixels.

    Attributes:
        image: RGB uint8 [height, width, 3].
        source: where it comes from: a path, or a camera's name.
        number: its position in that source, from 0.
        taken: when it was read or taken by the machine's clock, seconds since the epoch. It may jump when that clock is
            set.
        clock: the same moment in seconds since the run's start, which never jumps; 0 for a picture file.
    """

    image: np.ndarray
    source: str
    number: int
    taken: float
    clock: float = 0.0

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """See Picture."""
        return self.image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read.

    Attributes:
        source: its path.
        error: why; it completes a sentence that begins with the path, such as "is empty (0 bytes)."
        number: of the page, from 0.
    """

    source: str
    error: str
    number: int = 0


class TooLarge(Unreadable):
    """A file with more pixels than are read at once; edge.field.large may read it part by part."""


class LeftOut(Unreadable):
    """A page that holds no picture of its own, which is no error. `error` says why, such as "an empty page"."""


def expand(paths: Iterable[str]) -> list[str]:
    """Turns files, folders (with all subfolders) and glob patterns into a list of files, in order, without duplicates.

    See edge.reading.finding, which also says what was left out. A path that can't be read stays in the list, so that
    the attempt to read it reports the error.
    """
    return find(paths).files


def pages(path: str) -> Iterator[Frame | Unreadable]:
    """Reads the pictures in a file: one, or one for each of its pages.

    It never raises an error: what can't be read becomes an Unreadable, and a page that is no picture of its own a
    LeftOut. There is always at least one of the three.
    """
    found, first = _first(path)
    yield first
    del first  # so that it isn't held while the next page is read
    for part in found[1:]:  # each is opened anew, so that a decoded page isn't held while it is answered
        yield _page(path, part)


def _first(path: str) -> tuple[list[Part], Frame | Unreadable]:
    """What a file holds, and its first page."""
    found: list[Part] = []
    try:
        with opened(path) as picture:
            found = parts(picture, path)
            return found, _part(picture, path, found[0], len(found) > 1)
    except RefusedAsTooLarge as error:
        return found, TooLarge(path, str(error))
    except Exception as error:  # broken files make Pillow's decoders raise almost anything (SyntaxError, struct.error)
        return found, Unreadable(path, _why(path, error))


def _page(path: str, part: Part) -> Frame | Unreadable:
    """A further page of a file."""
    try:
        with opened(path) as picture:
            return _part(picture, path, part, True)
    except Exception as error:
        number = part.numbers[0]
        return Unreadable(path, f"frame {number} {_why(path, error)}", number)


def _part(picture: ImageFile, path: str, part: Part, of_several: bool) -> Frame | Unreadable:
    number = min(part.numbers)
    if part.left_out:
        return LeftOut(path, part.left_out, number)
    image = pixels(picture, path, part)
    if of_several and is_empty(image):
        return LeftOut(path, "an empty page", number)
    return Frame(image, path, number, time.time())


def count_pages(path: str) -> int:
    """How many pages a file has by its header; 1 for a file that can't be read."""
    try:
        with opened(path) as picture:
            return count(picture)
    except Exception:  # as in `pages`, which reports it
        return 1


def read(path: str) -> Frame | Unreadable:
    """Reads a file that holds one picture. It never raises an error; see `pages`."""
    found = list(islice((each for each in pages(path) if not isinstance(each, LeftOut)), 2))
    if len(found) > 1:
        return Unreadable(path, "holds several pictures, where one is needed; save each in a file of its own.")
    return found[0] if found else Unreadable(path, "holds no picture: all its pages are empty.")


def load(path: str | Path) -> Frame:
    """Reads a file that must hold one readable picture. Raises UserError if it doesn't."""
    frame = read(str(path))
    if isinstance(frame, Unreadable):
        raise UserError(f"{frame.source} {frame.error}")
    return frame


def _why(path: str, error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "does not exist" + (", and as a pattern it matches no file." if glob.has_magic(path) else ".")
    if isinstance(error, OSError):
        # Pillow reports a truncated file as an OSError without an errno.
        return f"cannot be read: {reason(error)}."
    if isinstance(error, MemoryError):
        return "is too large for this machine's memory; shrink it or cut out the cell."
    return f"is damaged: {reason(error)}."
