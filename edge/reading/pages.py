"""Which pages of a file are pictures of their own, and the pixels of each.

A page may be a small copy of another, or empty, or one colour channel of a picture whose other channels follow.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from edge.reading.colour import LARGE, is_srgb, strips, to_rgb
from edge.reading.depth import has_deep_colours, is_deep, read_deep
from edge.reading.formats import Refused, check_size, tags
from edge.reading.jpeg import decoded

logger = logging.getLogger(__name__)

Turn = Callable[[np.ndarray], np.ndarray]

_ORIENTATION = 0x0112  # the EXIF tag


def _as_it_is(pixels: np.ndarray) -> np.ndarray:
    return pixels


def _over(pixels: np.ndarray) -> np.ndarray:
    return pixels.swapaxes(0, 1)


# For each value of that tag, what turns pixels [height, width, 3] upright, and what undoes it. They are views.
_UPRIGHT: dict[int, tuple[Turn, Turn]] = {
    2: (np.fliplr, np.fliplr),
    3: (partial(np.rot90, k=2), partial(np.rot90, k=2)),
    4: (np.flipud, np.flipud),
    5: (_over, _over),
    6: (partial(np.rot90, k=-1), np.rot90),
    7: (lambda pixels: np.rot90(_over(pixels), 2),) * 2,
    8: (np.rot90, partial(np.rot90, k=-1)),
}
_SIDEWAYS = (5, 6, 7, 8)  # its values that exchange width and height
_KIND, _DESCRIPTION = 254, 270  # TIFF tags: NewSubfileType, ImageDescription
_REDUCED = 1  # bit of NewSubfileType
_GREY = ("1", "L", "I;16", "I;16L", "I;16B", "I", "F")
_SMALL = 32  # pixels: side of the copies by which pages are compared
_ALIKE = 12.0  # levels: mean difference of two such copies, below which they show the same
_SAME_PLACE = 0.9  # correlation of two such copies, above which two channels show the same place
_NOISE = 4  # levels: a page whose levels differ by no more is empty; fields of nothing but glass differ by more


@dataclass(frozen=True)
class Part:
    """What one or more pages of a file are.

    Attributes:
        numbers: of the pages, from 0: one page, or those of a picture's red, green and blue.
        left_out: why it is no picture of its own, such as "a small copy of frame 1"; otherwise "".
    """

    numbers: tuple[int, ...]
    left_out: str = ""


def count(picture: ImageFile.ImageFile) -> int:
    """How many pages an opened file has.

    An MPO file counts as one: what follows its picture are previews and maps of depth. A page that can't be found
    counts, so that the attempt to read it reports the error.
    """
    if picture.format != "TIFF":
        return 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    number = 1
    try:
        while True:
            picture.seek(number)
            number += 1
    except EOFError:
        return number
    except Exception:  # a damaged directory makes Pillow raise almost anything
        return number + 1
    finally:
        picture.seek(0)


def parts(picture: ImageFile.ImageFile, path: str | Path) -> list[Part]:
    """What an opened file holds, in order.

    Raises:
        Refused: if its pages belong together in a way that doesn't give one picture.
    """
    number = count(picture)
    if number == 1:
        return [Part((0,))]
    copies: dict[int, int] = {}
    try:
        if channels := _channels(picture, path, number):
            return [Part(channels)]
        copies = _small_copies(picture, path, number)
    except Refused:
        raise
    except Exception:  # a page is damaged, which the attempt to read it reports
        logger.debug("%s has a damaged page", path, exc_info=True)
    return [Part((i,), f"a small copy of frame {copies[i]}" if i in copies else "") for i in range(number)]


def pixels(picture: ImageFile.ImageFile, path: str | Path, part: Part) -> np.ndarray:
    """A part of an opened file, RGB uint8 [height, width, 3], turned upright by its EXIF tag.

    Raises:
        Refused: if it can't be read rightly.
        OSError, ValueError: or others of Pillow's errors if it is damaged.
    """
    if len(part.numbers) == 1:
        return _page(picture, path, part.numbers[0])
    return np.dstack([_page(picture, path, each)[..., 0] for each in part.numbers])


def is_empty(image: np.ndarray) -> bool:
    """Whether a page shows nothing, not even noise. image: RGB uint8 [height, width, 3]."""
    return int(np.ptp(image.reshape(-1, 3), axis=0).max()) <= _NOISE


def decode(picture: ImageFile.ImageFile, path: str | Path) -> np.ndarray:
    """The current page as RGB uint8 [height, width, 3], turned upright by its EXIF tag."""
    deep = is_deep(picture)
    check_size(picture, deep)
    profile = picture.info.get("icc_profile")
    fast = decoded(picture) if is_srgb(profile, picture.mode) else None
    image: Image.Image = picture
    if deep:
        image = read_deep(picture, path)
    elif fast is None:
        picture.load()
    # Pillow has turned a TIFF, unless its colours are deep; and an older Pillow leaves the tag as it was.
    is_turned = picture.format == "TIFF" and not (deep and has_deep_colours(picture))
    orientation = 1 if is_turned else picture.getexif().get(_ORIENTATION, 1)
    upright, back = _UPRIGHT.get(orientation, (_as_it_is, _as_it_is))
    if fast is not None:
        return np.ascontiguousarray(upright(fast))
    turn = to_rgb(image, profile)
    if image.width * image.height <= LARGE:
        return np.ascontiguousarray(upright(np.asarray(turn(image))))
    sides = (image.width, image.height) if orientation in _SIDEWAYS else (image.height, image.width)
    result = np.empty((*sides, 3), np.uint8)
    for top, part in strips(image):
        back(result)[top : top + part.height] = np.asarray(turn(part))
    return result


def _page(picture: ImageFile.ImageFile, path: str | Path, number: int) -> np.ndarray:
    if number != picture.tell():
        picture.seek(number)
    return decode(picture, path)


def _small(picture: ImageFile.ImageFile, path: str | Path, number: int) -> np.ndarray:
    """A page shrunk to one size, so that pages can be compared: float64 [32, 32, 3]."""
    image = Image.fromarray(_page(picture, path, number))
    return np.asarray(image.resize((_SMALL, _SMALL), Image.Resampling.BOX), np.float64)


def _small_copies(picture: ImageFile.ImageFile, path: str | Path, number: int) -> dict[int, int]:
    """The pages that are small copies of others (thumbnails, the steps of a pyramid), and of which."""
    sizes, reduced = [], []
    for each in range(number):
        picture.seek(each)
        sizes.append(picture.size)
        reduced.append(bool(tags(picture).get(_KIND, 0) & _REDUCED))
    result: dict[int, int] = {}
    for one, (width, height) in enumerate(sizes):
        larger = [other for other, (w, h) in enumerate(sizes) if w >= 2 * width and abs(w * height - h * width) <= w]
        for other in sorted(larger, key=lambda each: -sizes[each][0]):
            if reduced[one] or _difference(picture, path, one, other) < _ALIKE:
                result[one] = other
                break
    return result


def _difference(picture: ImageFile.ImageFile, path: str | Path, one: int, other: int) -> float:
    return float(np.abs(_small(picture, path, one) - _small(picture, path, other)).mean())


def _channels(picture: ImageFile.ImageFile, path: str | Path, number: int) -> tuple[int, ...]:
    """The pages that are a picture's red, green and blue; () if each page is a picture.

    Raises:
        Refused: if the pages belong together in a way that doesn't give one picture.
    """
    text = str(tags(picture).get(_DESCRIPTION, ""))
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


def _one_place(picture: ImageFile.ImageFile, path: str | Path) -> bool:
    """Whether the first three pages show the same place, as the channels of one picture do."""
    first, *others = (_small(picture, path, each)[..., 0].ravel() for each in range(3))
    if not all(each.std() for each in (first, *others)):
        return False
    return all(float(np.corrcoef(first, other)[0, 1]) > _SAME_PLACE for other in others)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else 1
