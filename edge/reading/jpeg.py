"""Decodes JPEG files by libjpeg-turbo's own interface, which takes a third of the time that Pillow takes.

The pixels are Pillow's: both are libjpeg-turbo, whose code for each processor gives the same bytes. What this decoder
refuses, or only warns of, Pillow reads instead: then a damaged file gets Pillow's answer, whatever that is.
"""

import numpy as np
from PIL import ImageFile

try:
    from simplejpeg import decode_jpeg
except ImportError:  # there is no wheel of it for 32-bit Raspberry Pi OS
    decode_jpeg = None


def decoded(picture: ImageFile.ImageFile) -> np.ndarray | None:
    """The first page of an opened file, RGB uint8 [height, width, 3]; None if Pillow has to decode it.

    CMYK isn't decoded, because each library turns it to RGB in its own way.
    """
    if decode_jpeg is None or picture.format not in ("JPEG", "MPO") or picture.mode not in ("RGB", "L"):
        return None
    file = picture.fp
    if file is None or picture.tell():
        return None
    file.seek(0)
    try:
        pixels: np.ndarray = decode_jpeg(file.read(), "RGB", strict=True)
    except ValueError:  # also for damage that could be passed over
        return None
    return pixels if pixels.shape == (picture.height, picture.width, 3) else None
