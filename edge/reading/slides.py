"""Reads whole slides by OpenSlide: MIRAX, Ventana, Zeiss, Sakura and DICOM."""

import re
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from edge.reading.colour import to_rgb
from edge.reading.formats import DICOM

if TYPE_CHECKING:
    from openslide import OpenSlide

_HEAD = 1024  # bytes of a DICOM file that hold its number
_NUMBER = rb"\x02\0\x03\0UI..([0-9.]+)"  # the element MediaStorageSOPInstanceUID


def levels(path: str) -> list["_Level"]:
    """The sizes in which a slide holds its picture, largest first.

    A slide in DICOM has a file for each size, and others for its label and overview. Each of them opens the slide. So
    that it is counted once, only the file of the largest size has levels; there are none for the others.

    Raises:
        ImportError: without OpenSlide. Or OpenSlide's own errors.
    """
    from openslide import OpenSlide

    slide = OpenSlide(path)
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    number = re.search(_NUMBER, head, re.DOTALL) if head[128:132] == DICOM else None
    if number and number[1].decode() != slide.properties.get("dicom.SOPInstanceUID"):
        return []
    return [_Level(slide, each) for each in range(slide.level_count)]


class _Level:
    """One of the sizes in which a slide holds its picture."""

    def __init__(self, slide: "OpenSlide", number: int) -> None:
        self.width, self.height = slide.level_dimensions[number]
        self._slide, self._number, self._times = slide, number, slide.level_downsamples[number]
        self._profile = slide.color_profile.tobytes() if slide.color_profile else None

    def window(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """The pixels of a box inside it, RGB uint8. What the scanner left out is white."""
        corner = round(left * self._times), round(top * self._times)
        pixels = self._slide.read_region(corner, self._number, (right - left, bottom - top))
        result = Image.new("RGB", pixels.size, "white")
        result.paste(pixels, mask=pixels)
        return np.asarray(to_rgb(result, self._profile)(result))
