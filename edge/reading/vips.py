"""Reads JPEG, PNG and WebP files that are too large for the memory, by libvips, which decodes them into a file."""

import os

import numpy as np
from PIL import Image

from edge.reading.colour import to_rgb
from edge.reading.depth import to_8_bits

_PROFILE = "icc-profile-data"  # libvips' name for it
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by the number of channels, without transparency


def levels(path: str) -> list["_Level"]:
    """The picture in a file. Raises ImportError without pyvips, and ValueError for a damaged file."""
    import pyvips

    try:
        return [_Level(path)]
    except pyvips.Error as error:  # its first line names a function of libvips only
        raise ValueError(str(error).strip().splitlines()[-1].strip()) from error


class _Level:
    """A picture, turned upright by its EXIF tag and laid over white where it is transparent."""

    def __init__(self, path: str) -> None:
        import pyvips

        if os.path.isdir("/var/tmp"):
            os.environ.setdefault("TMPDIR", "/var/tmp")  # on Raspberry Pi OS Trixie, /tmp is in memory
        pyvips.cache_set_max(0)  # it would only hold what is never asked for again
        image = pyvips.Image.new_from_file(path, fail_on="error")
        self._profile = image.get(_PROFILE) if _PROFILE in image.get_fields() else None
        self._largest = int(image.max()) if image.format == "ushort" else 0
        if image.hasalpha():
            seen = image[image.bands - 1].max()  # if every pixel is transparent, transparency is ignored
            image = image.flatten(background=2**16 - 1 if self._largest else 255) if seen else image[:-1]
        self._image = image.autorot()
        self.width, self.height = self._image.width, self._image.height
        self.window(0, 0, 1, 1)  # decodes it, so that a damaged file is known at once

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """The pixels of a box inside it, RGB uint8."""
        part = self._image.crop(left, top, right - left, bottom - top)
        pixels = part.numpy()
        if self._largest:
            pixels = to_8_bits(pixels, self._largest)
        picture = Image.frombytes(_MODES[part.bands], (part.width, part.height), pixels.tobytes())
        return np.asarray(to_rgb(picture, self._profile)(picture))
