"""Where pictures come from: files, folders, glob patterns and lists of them -> Frame."""

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

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
# Pillow needs 4 bytes a pixel and our array 3 more: 448 MB at this limit, what a Pi with 1 GB can still hold.
MAX_PIXELS = 64_000_000
_ORIENTATION = 0x0112  # the EXIF tag
# Bytes that Pillow reads and hands over at once; with its own 64 kB a field of 640 x 480 takes half as long again.
ImageFile.MAXBLOCK = 1 << 20


class Picture(Protocol):
    """A picture whose pixels can be asked for: a Frame, or what was kept of one (edge.kept)."""

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
        """The pixels from (left, top) up to (right, bottom), RGB uint8, cut off at the picture's border."""


@dataclass(frozen=True)
class Frame:
    """One picture, whole.

    Attributes:
        image: RGB uint8 [height, width, 3].
        source: where it comes from: a path, or a camera's name.
        number: its place in that source, from 0.
        taken: when it was read or taken, seconds since the epoch.
        clock: the same on the monotonic clock, for a live frame's age; 0 for a picture file.
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
        error: why, as the rest of a sentence that begins with the path: "is empty (0 bytes)."
    """

    source: str
    error: str


def expand(paths: Iterable[str]) -> list[str]:
    """Files, folders (searched with all their subfolders) and glob patterns -> the files, in order, each once.

    A path that doesn't exist stays in the list, so that reading it reports it. A folder without pictures and a pattern
    without a match give nothing.
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
    """Reads one picture file. Never raises for what a file holds or lacks: that becomes an Unreadable."""
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
    """Reads one picture file that must be readable. Raises UserError where it isn't."""
    frame = read(str(path))
    if isinstance(frame, Unreadable):
        raise UserError(f"{frame.source} {frame.error}")
    return frame


def decode(path: str | Path) -> np.ndarray:
    """A picture file -> RGB uint8 [height, width, 3], turned upright by its EXIF tag.

    Grey becomes equal channels, 16 bits become 8, transparency is laid over white (the colour of an empty field).
    Raises OSError, ValueError or Pillow's own errors for what cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns on stderr of odd metadata; what matters raises
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(
                    f"{picture.width}x{picture.height} pixels are more than the {MAX_PIXELS // 1_000_000} million "
                    "that this tool reads; shrink it or cut out the cell"
                )
            turned = picture.getexif().get(_ORIENTATION, 1) != 1
            return np.asarray(_to_rgb(ImageOps.exif_transpose(picture) if turned else picture))


def _see_through(picture: Image.Image) -> bool:
    """Whether it has transparent pixels: Pillow's has_transparency_data, which 32-bit Bookworm's Pillow lacks."""
    palette = picture.palette.mode if picture.mode == "P" and picture.palette else ""
    return picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info or palette[-1:] == "A"


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("I;16", "I;16L", "I;16B", "I"):
        # convert() would clip at 255 instead of scaling; 16-bit greys are all that reach us in these modes.
        levels = np.asarray(picture).astype(np.uint32) // 257
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if _see_through(picture):
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # which would copy it


def _unidentified(path: str, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"holds more than the {MAX_PIXELS // 1_000_000} million pixels that this tool reads; shrink it."
    if os.path.getsize(path) == 0:
        return "is empty (0 bytes)."
    return "is not a picture in a format that this tool reads (JPEG, PNG, TIFF, BMP, WebP)."
