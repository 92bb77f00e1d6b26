"""Pictures with more than 8 bits a channel -> 8 bits."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from edge.reading.formats import Refused, tags

# How many bits a camera's levels may have, however many the file has room for. Cameras have an even number.
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANAR = 258, 262, 274, 284  # TIFF tags
_LARGEST = (281, 341)  # TIFF tags: MaxSampleValue, SMaxSampleValue
_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I;12", "I", "F")  # Pillow's modes that keep all bits
_COLOURS = ("RGB", "RGBA", "RGBX", "LA")  # modes in which Pillow keeps the high byte only
_ROWS = 256  # of a picture that are scaled at once, to save memory
_WHITE_IS_ZERO, _SEPARATE = 0, 2  # values of PhotometricInterpretation, PlanarConfiguration


def has_deep_colours(picture: ImageFile.ImageFile) -> bool:
    """Whether the current page has colours of more than 8 bits a channel, which Pillow can't keep."""
    return picture.mode in _COLOURS and _file_bits(picture) > 8


def is_deep(picture: ImageFile.ImageFile) -> bool:
    """Whether the current page has more than 8 bits a channel, all of which are wanted."""
    return picture.mode in _GREY or has_deep_colours(picture)


def read_deep(picture: ImageFile.ImageFile, path: str | Path) -> Image.Image:
    """The current page of an opened picture, for which `is_deep` is true, with 8 bits a channel: L, RGB or RGBA.

    Colours aren't turned upright; grey pages of TIFF files are, because Pillow does it.

    Raises:
        Refused: if the levels have no known range, or if a package is missing.
    """
    largest = _declared(picture)
    if picture.mode not in _COLOURS:
        levels = np.asarray(picture)
        if picture.mode == "I" and _file_bits(picture) == 32 and picture.format == "TIFF":
            levels = levels.view(np.uint32)  # Pillow takes them for signed numbers
        grey = to_8_bits(levels, largest)
        return Image.fromarray(255 - grey if tags(picture).get(_PHOTOMETRIC) == _WHITE_IS_ZERO else grey)
    levels = _by_tifffile(picture, path) if _not_for_opencv(picture) else _by_opencv(picture, path)
    scaled = to_8_bits(levels[..., 2::-1], largest)
    if picture.mode in ("RGBA", "LA"):
        scaled = np.dstack([scaled, to_8_bits(levels[..., 3], 0)])
    del levels  # it may be large
    return Image.fromarray(scaled)


def to_8_bits(levels: np.ndarray, largest: int = 0) -> np.ndarray:
    """Scales levels to 0..255, uint8 of the same shape.

    A scientific camera writes its 10, 12 or 14 bits into 16, and hardly a file says how many they are. So the picture
    itself decides: it has the smallest of _DEPTHS that holds its largest level. That is right if at least one pixel
    has a quarter of the camera's largest level. The glass of a bright field has more, and so has a hot pixel. A darker
    picture is taken for one of a camera with two bits less: it comes out four times brighter, and never darker than it
    is. Each picture is decided on its own, because a folder may hold pictures of several cameras, and the light of a
    crop is evened anyway.

    Args:
        levels: integers, or floating-point numbers, which may also lie between 0 and 1; any shape.
        largest: the largest level that the camera can give, if the file says so; otherwise 0.

    Raises:
        Refused: if levels are negative, not finite, or too large.
    """
    low, high = levels.min(), levels.max()
    if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high < 2.0 ** _DEPTHS[-1]):
        raise Refused("has levels without a known range (negative, infinite or too large); save it with 8 or 16 bits.")
    times = 255 if levels.dtype.kind == "f" and high <= 1 else 1
    bits = camera_bits(max(int(high) * times, largest))
    result = np.empty(levels.shape, np.uint8)
    for row in range(0, len(levels), _ROWS):
        some = levels[row : row + _ROWS]
        if some.dtype.kind == "f":
            some = np.rint(some * times).astype(np.uint32)
        result[row : row + _ROWS] = some >> (bits - 8)
    return result


def camera_bits(largest: int) -> int:
    """How many bits a camera is taken to have whose largest level is this; see `to_8_bits`."""
    return next(bits for bits in _DEPTHS if largest < 1 << bits)


def _file_bits(picture: ImageFile.ImageFile) -> int:
    """How many bits a channel has in the file."""
    if picture.format == "TIFF":
        bits = tags(picture).get(_BITS, 1)
        return max(bits) if isinstance(bits, tuple) else int(bits)
    if picture.format != "PNG" or picture.fp is None:
        return 8
    place = picture.fp.tell()
    picture.fp.seek(24)  # the header's depth
    depth = picture.fp.read(1)
    picture.fp.seek(place)
    return depth[0]


def _declared(picture: ImageFile.ImageFile) -> int:
    """The largest level that the camera can give, as the file says; 0 if it doesn't.

    The largest number that fits into the file's bits says nothing about the camera: it is TIFF's default.
    """
    if picture.format != "TIFF":
        return 0
    bits = _file_bits(picture)
    room = (1 << bits) - 1
    if bits in _DEPTHS[1:4]:
        return room  # packed
    known = [tags(picture).get(tag) for tag in _LARGEST]
    levels = [max(each) if isinstance(each, tuple) else each for each in known if each]
    return next((int(each) for each in levels if 255 < each < room), 0)


def _by_opencv(picture: ImageFile.ImageFile, path: str | Path) -> np.ndarray:
    """The current page with all its bits, BGR or BGRA, [height, width, 3 or 4]. Pillow can't keep them."""
    import cv2  # only pictures with more than 8 bits need it

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    name = os.fspath(path)
    if getattr(picture, "n_frames", 1) > 1:
        pages = cv2.imreadmulti(name, picture.tell(), 1, flags=cv2.IMREAD_UNCHANGED)[1]
        levels = pages[0] if pages else None
    elif name.isprintable():
        levels = cv2.imread(name, cv2.IMREAD_UNCHANGED)
    else:  # OpenCV takes no name that isn't text
        levels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.ndim != 3 or levels.shape[:2] != (picture.height, picture.width):
        raise Refused("has colours of 16 bits that can't be read; save it uncompressed, or with 8 bits.")
    return levels


def _not_for_opencv(picture: ImageFile.ImageFile) -> bool:
    """Whether colours lie in separate planes, which OpenCV can't read, or are to be turned, which it does sometimes."""
    return tags(picture).get(_PLANAR) == _SEPARATE or (
        picture.format == "TIFF" and tags(picture).get(_ORIENTATION, 1) != 1
    )


def _by_tifffile(picture: ImageFile.ImageFile, path: str | Path) -> np.ndarray:
    """The current page of a TIFF file, as `_by_opencv` gives it."""
    try:
        from tifffile import TiffFile
    except ImportError:
        raise Refused(
            "has 16-bit colours in separate planes, or to be turned; `pip install edge-classify[slides]` installs what "
            "reads them, or save it upright with the colours together (chunky)."
        ) from None
    with TiffFile(path) as file:
        page = file.pages[picture.tell()]
        levels = page.asarray()
    levels = np.moveaxis(levels, 0, -1) if page.planarconfig == _SEPARATE else levels
    return levels[..., [0, 0, 0, 1] if levels.shape[-1] == 2 else [2, 1, 0, 3][: levels.shape[-1]]]
