"""Transparency and ICC profiles."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from edge import frames


@pytest.fixture
def picture() -> np.ndarray:
    """Many colours, uint8 [40, 60, 3]."""
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_alpha_that_is_0_everywhere_is_ignored(picture: np.ndarray, tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        Image.fromarray(np.dstack([picture, np.zeros((40, 60), np.uint8)])).save(tmp_path / name)
        assert np.array_equal(frames.load(tmp_path / name).image, picture)


def test_a_picture_with_an_srgb_profile_stays_as_it_is(picture: np.ndarray, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(frames.load(tmp_path / "a.png").image, picture)


def test_another_profile_is_turned_to_srgb(picture: np.ndarray, tmp_path: Path) -> None:
    """A profile whose red and blue are exchanged shows clearly whether it is applied."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=bytes(profile))
    turned = frames.load(tmp_path / "a.png").image
    assert np.abs(turned.astype(int) - picture[..., ::-1]).max() <= 2


def test_a_damaged_profile_is_ignored(picture: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    assert np.array_equal(frames.load(tmp_path / "a.png").image, picture)
