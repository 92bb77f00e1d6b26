"""Which pages of a file are pictures of their own, and the pixels of each.

A page may be a small copy of another, or empty, or one colour channel of a picture whose other channels follow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edge.reading.colour import to_rgb
from edge.reading.depth import is_deep, read_deep
from edge.reading.formats import Refused, check_size

_ORIENTATION = 0x0112  # the EXIF tag
_KIND, _DESCRIPTION = 254, 270  # TIFF tags: NewSubfileType, ImageDescription
_REDUCED = 1  # bit of NewSubfileType
_GREY = ("1", "L", "I;16", "I;16L", "I;16B", "I", "F")
_SMALL = 32  # pixels: side of the copies by which pages are compared
_ALIKE = 12.0  # levels: mean difference of two such copies, below which they show the same
_SAME_PLACE = 0.9  # correlation of two such copies, above which two channels show the same place
_NOISE = 4  # levels: a page whose levels differ by no more is empty; fields of nothing but glass differ by more


@dataclass(frozen=True)
class Page:
    """One page of a file.

    Attributes:
        number: from 0.
        image: RGB uint8 [height, width, 3]; None if the page isn't a picture of its own.
        why: why it isn't, such as "a small copy of frame 1"; otherwise "".
    """

    number: int
    image: np.ndarray | None
    why: str = ""


def count(picture: Image.Image) -> int:
    """How many pages an opened file has. An MPO file counts as one: what follows are previews and maps of depth."""
    return 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)


def pages(picture: Image.Image, path: str | Path) -> Iterator[Page]:
    """The pages of an opened file in order, each turned upright by its EXIF tag.

    Raises:
        Refused: if the file, or this page, can't be read rightly.
        OSError, ValueError: or others of Pillow's errors if it is damaged.
    """
    number = count(picture)
    if number == 1:
        yield Page(0, decode(picture, path))
        return
    channels = _channels(picture, path, number)
    if channels:
        grey = [_page(picture, path, each)[..., 0] for each in channels]
        yield Page(0, np.dstack(grey))
        return
    copies = _small_copies(picture, path, number)
    for each in range(number):
        if each in copies:
            yield Page(each, None, f"a small copy of frame {copies[each]}")
            continue
        image = _page(picture, path, each)
        empty = int(np.ptp(image.reshape(-1, 3), axis=0).max()) <= _NOISE
        yield Page(each, None, "an empty page") if empty else Page(each, image)


def decode(picture: Image.Image, path: str | Path) -> np.ndarray:
    """The current page as RGB uint8 [height, width, 3], turned upright by its EXIF tag."""
    check_size(picture)
    profile, deep = picture.info.get("icc_profile"), is_deep(picture)
    exif = picture.getexif()
    turned = exif.get(_ORIENTATION, 1) != 1
    if deep:
        turned = turned and picture.format != "TIFF"  # Pillow and OpenCV turn these themselves
        picture = read_deep(picture, path)
        picture.info["exif"] = exif.tobytes()
    return np.asarray(to_rgb(ImageOps.exif_transpose(picture) if turned else picture, profile))


def _page(picture: Image.Image, path: str | Path, number: int) -> np.ndarray:
    picture.seek(number)
    return decode(picture, path)


def _small(picture: Image.Image, path: str | Path, number: int) -> np.ndarray:
    """A page shrunk to one size, so that pages can be compared: float64 [32, 32, 3]."""
    image = Image.fromarray(_page(picture, path, number))
    return np.asarray(image.resize((_SMALL, _SMALL), Image.Resampling.BOX), np.float64)


def _small_copies(picture: Image.Image, path: str | Path, number: int) -> dict[int, int]:
    """The pages that are small copies of others (thumbnails, the steps of a pyramid), and of which."""
    sizes, reduced = [], []
    for each in range(number):
        picture.seek(each)
        sizes.append(picture.size)
        tags = getattr(picture, "tag_v2", {})
        reduced.append(bool(int(tags.get(_KIND, 0)) & _REDUCED))
    result: dict[int, int] = {}
    for one, (width, height) in enumerate(sizes):
        larger = [other for other, (w, h) in enumerate(sizes) if w >= 2 * width and abs(w * height - h * width) <= w]
        for other in sorted(larger, key=lambda each: -sizes[each][0]):
            alike = reduced[one] or _difference(picture, path, one, other) < _ALIKE
            if alike:
                result[one] = other
                break
    return result


def _difference(picture: Image.Image, path: str | Path, one: int, other: int) -> float:
    return float(np.abs(_small(picture, path, one) - _small(picture, path, other)).mean())


def _channels(picture: Image.Image, path: str | Path, number: int) -> tuple[int, ...]:
    """The pages that are a picture's red, green and blue; () if each page is a picture.

    Raises:
        Refused: if the pages belong together in a way that doesn't give one picture.
    """
    text = str(getattr(picture, "tag_v2", {}).get(_DESCRIPTION, ""))
    grey = True
    for each in range(number):
        picture.seek(each)
        grey = grey and picture.mode in _GREY
    planes = _number(r'<Pixels\b[^>]*\bSizeZ="(\d+)"', text)
    channels = max(_number(r'<Pixels\b[^>]*\bSizeC="(\d+)"', text), _number(r"^channels=(\d+)", text)) if grey else 1
    if planes > 1:
        raise Refused(f"is a focus stack of {planes} planes, which show the same cells; save the sharpest one alone.")
    if channels == number == 3:
        names = [name[:1].lower() for name in re.findall(r'<Channel\b[^>]*\bName="([^"]*)"', text)]
        return tuple(names.index(each) for each in "rgb") if sorted(names) == ["b", "g", "r"] else (0, 1, 2)
    if channels > 1:
        raise Refused(f"keeps {channels} colour channels as pages; save it as one RGB picture.")
    if grey and number == 3 and _one_place(picture, path):
        raise Refused("has three grey pages that show the same place; if they are its colours, save it as RGB.")
    return ()


def _one_place(picture: Image.Image, path: str | Path) -> bool:
    """Whether the first three pages show the same place, as the channels of one picture do."""
    first, *others = (_small(picture, path, each)[..., 0].ravel() for each in range(3))
    if not all(each.std() for each in (first, *others)):
        return False
    return all(float(np.corrcoef(first, other)[0, 1]) > _SAME_PLACE for other in others)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else 1
