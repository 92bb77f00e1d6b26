"""The colours of a picture: laid over white where it is transparent, and turned to sRGB by its ICC profile."""

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

# Levels: a profile that changes no colour by more than that is sRGB, whatever it calls itself. Its picture stays as it
# is.
_SAME = 3
LARGE = 4_000_000  # pixels: a larger picture is turned in strips, so that there is never a second copy of it
_STRIP = 500_000  # pixels of a strip
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # a profile's space -> the mode of pictures that it describes


def to_rgb(picture: Image.Image, profile: bytes | None = None) -> Callable[[Image.Image], Image.Image]:
    """What turns a picture with 8 bits a channel, or any part of it, to sRGB, mode RGB.

    Transparent pixels are laid over white, the colour of an empty field. If every pixel is transparent, the picture's
    program meant something else, and its colours are taken as they are.

    Args:
        picture: the whole picture, in any mode with 8 bits a channel.
        profile: the ICC profile of its colours; None for sRGB. A damaged one counts as None.
    """
    transform = _transform(profile, picture.mode) if profile else None
    if transform and picture.mode in ("L", "CMYK"):
        return lambda part: transform.apply(part)
    see_through = _see_through(picture)
    shown = see_through and any(_alpha(part).getextrema() != (0, 0) for _, part in strips(picture))

    def turn(part: Image.Image) -> Image.Image:
        if see_through:
            part = part.convert("RGBA")
        if shown:
            part = Image.alpha_composite(Image.new("RGBA", part.size, "white"), part)
        part = part if part.mode == "RGB" else part.convert("RGB")  # convert() would copy an RGB picture
        return transform.apply(part) if transform else part

    return turn


def is_srgb(profile: bytes | None, mode: str) -> bool:
    """Whether the colours of a picture are sRGB as they are. mode: of the picture; for the profile see `to_rgb`."""
    return not profile or _transform(profile, mode) is None


def strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """A large picture in strips, each with the number of its first row; any other picture as it is."""
    if picture.width * picture.height <= LARGE:
        yield 0, picture
        return
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _alpha(picture: Image.Image) -> Image.Image:
    return picture.convert("RGBA").getchannel("A")


def _see_through(picture: Image.Image) -> bool:
    """Whether a picture has transparent pixels.

    Newer versions of Pillow have has_transparency_data for this; the one of 32-bit Raspberry Pi OS Bookworm doesn't.
    """
    palette = picture.palette.mode if picture.mode == "P" and picture.palette else ""
    return picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info or palette[-1:] == "A"


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> Any:
    """Turns pictures with this profile to sRGB; None if they are sRGB, or if the profile is of no use."""
    try:
        from PIL import ImageCms  # a few milliseconds, and hardly a picture needs it

        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = _MODES.get(described.profile.xcolor_space, "")
        if space != (mode if mode in ("L", "CMYK") else "RGB"):
            return None
        transform = ImageCms.buildTransform(
            described, ImageCms.createProfile("sRGB"), space, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        return None
    if space != "RGB":
        return transform
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    turned = np.asarray(transform.apply(Image.fromarray(colours)))
    return transform if np.abs(turned.astype(int) - colours).max() > _SAME else None
