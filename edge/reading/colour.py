"""The colours of a picture: laid over white where it is transparent, and turned to sRGB by its ICC profile."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

# Levels: a profile that changes no colour by more than that is sRGB, whatever it calls itself. Its picture stays as it
# is.
_SAME = 3
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # a profile's space -> the mode of pictures that it describes


def to_rgb(picture: Image.Image, profile: bytes | None = None) -> Image.Image:
    """A picture with 8 bits a channel as sRGB, mode RGB.

    Transparent pixels are laid over white, the colour of an empty field. If every pixel is transparent, the picture's
    program meant something else, and its colours are taken as they are.

    Args:
        picture: any mode with 8 bits a channel.
        profile: the ICC profile of its colours; None for sRGB. A damaged one counts as None.
    """
    transform = _transform(profile, picture.mode) if profile else None
    if transform and picture.mode in ("L", "CMYK"):
        return transform.apply(picture)
    if _see_through(picture):
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() == (0, 0):
            picture = picture.convert("RGB")
        else:
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture).convert("RGB")
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")  # convert() would copy an RGB picture
    return transform.apply(picture) if transform else picture


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
