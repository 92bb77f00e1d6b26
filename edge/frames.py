"""Reads pictures: files, folders, glob patterns and lists of them -> Frame."""

import glob
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from edge.errors import UserError, reason

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".svs", ".ndpi", ".scn", ".btf"})
# Pillow needs 4 bytes per pixel and our array 3 more. At this limit that is 448 MB, which a Pi with 1 GB can hold.
MAX_PIXELS = 64_000_000
_STRIP = 4_000_000  # pixels that are copied at once
_ORIENTATION = 0x0112  # the EXIF tag
# Bytes that Pillow reads at once. With its default of 64 kB, reading a field of 640 x 480 takes 1.5 times as long.
ImageFile.MAXBLOCK = 1 << 20


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
        taken: when it was read or taken, seconds since the epoch.
        clock: the same moment in seconds of the monotonic clock, which gives the age of a live frame; 0 for a picture
            file.
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
    """

    source: str
    error: str


def expand(paths: Iterable[str]) -> list[str]:
    """Turns files, folders (with all subfolders) and glob patterns into a list of files, in order, without duplicates.

    A path that doesn't exist stays in the list, so that the attempt to read it reports the error. A folder without
    pictures, or a pattern without a match, adds nothing.
    """
    found: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            found.update(dict.fromkeys(_pictures_below(path)))
        elif not os.path.exists(path) and glob.has_magic(path):
            matches = sorted(glob.glob(path, recursive=True))
            found.update(dict.fromkeys(match for match in matches if not os.path.isdir(match)))
        else:
            found[path] = None
    return list(found)


def _pictures_below(folder: str) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield os.path.join(here, name)


def read(path: str) -> Frame | Unreadable:
    """Reads one picture file. It never raises an error: a file that can't be read becomes an Unreadable."""
    try:
        return Frame(decode(path), path, 0, time.time())
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        return Unreadable(path, _unidentified(path, error))
    except OSError as error:
        # Pillow reports a truncated file as an OSError without an errno.
        return Unreadable(path, f"cannot be read: {reason(error)}.")
    except MemoryError:
        return Unreadable(path, "is too large for this machine's memory; shrink it or cut out the cell.")
    except Exception as error:  # broken files make Pillow's decoders raise almost anything (SyntaxError, struct.error)
        return Unreadable(path, f"is damaged: {reason(error)}.")


def load(path: str | Path) -> Frame:
    """Reads one picture file that must be readable. Raises UserError if it isn't."""
    frame = read(str(path))
    if isinstance(frame, Unreadable):
        raise UserError(f"{frame.source} {frame.error}")
    return frame


def decode(path: str | Path) -> np.ndarray:
    """A picture file -> RGB uint8 [height, width, 3], turned upright by its EXIF tag.

    A grey picture gets three equal channels, 16 bits become 8, and transparent pixels are laid over white (the colour
    of an empty field). Raises OSError, ValueError or one of Pillow's own errors if the file can't be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata on stderr; anything serious is an error
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(
                    f"{picture.width}x{picture.height} pixels are more than the {MAX_PIXELS // 1_000_000} million "
                    "that this tool reads; shrink it or cut out the cell"
                )
            turned = picture.getexif().get(_ORIENTATION, 1) != 1
            return _pixels(_to_rgb(ImageOps.exif_transpose(picture) if turned else picture))


def _pixels(picture: Image.Image) -> np.ndarray:
    """The pixels of a picture in the mode RGB. They are copied in strips: at once, NumPy would hold them twice."""
    result = np.empty((picture.height, picture.width, 3), np.uint8)
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        result[top:bottom] = np.asarray(picture.crop((0, top, picture.width, bottom)))
    return result


def _see_through(picture: Image.Image) -> bool:
    """Whether a picture has transparent pixels.

    Newer versions of Pillow have has_transparency_data for this; the one of 32-bit Raspberry Pi OS Bookworm doesn't.
    """
    palette = picture.palette.mode if picture.mode == "P" and picture.palette else ""
    return picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info or palette[-1:] == "A"


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("I;16", "I;16L", "I;16B", "I"):
        # convert() would clip at 255 instead of scaling. Files in these modes are all 16-bit grey pictures.
        levels = np.asarray(picture).astype(np.uint32) // 257
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if _see_through(picture):
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # convert() would copy an RGB picture


def _unidentified(path: str, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"holds more than the {MAX_PIXELS // 1_000_000} million pixels that this tool reads; shrink it."
    if os.path.getsize(path) == 0:
        return "is empty (0 bytes)."
    return "is not a picture in a format that this tool reads (JPEG, PNG, TIFF, BMP, WebP)."
