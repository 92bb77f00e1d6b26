"""Reading pictures: every format that a user may have, and many files that aren't pictures."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge import frames


@pytest.fixture
def picture() -> np.ndarray:
    """Bright on the left, dark on the right, with a red corner at the top left; uint8 [40, 60, 3]."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = 200
    image[:10, :10] = (255, 0, 0)
    return image


def read(path: Path) -> frames.Frame:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = frames.read(str(path))
    assert isinstance(frame, frames.Frame), frame
    assert frame.image.dtype == np.uint8 and frame.image.ndim == 3 and frame.image.shape[2] == 3
    return frame


def error(path: Path) -> str:
    result = frames.read(str(path))
    assert isinstance(result, frames.Unreadable)
    assert result.source == str(path) and result.error.endswith(".") and "\n" not in result.error
    return result.error


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_keep_their_pixels(picture: np.ndarray, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path, lossless=True)  # only WebP needs this option
    assert np.array_equal(read(path).image, picture)


def test_jpeg_is_rgb(picture: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    red, green, blue = read(tmp_path / "a.jpg").image[4, 4].astype(int)
    assert red > 240 and green < 15 and blue < 15


def test_grey_becomes_equal_channels(picture: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(picture[..., 1]).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png").image, np.repeat(picture[..., 1:2], 3, axis=2))


def test_16_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png").image[0, :, 0], np.arange(256))


def test_16_bit_rgb_is_scaled(tmp_path: Path) -> None:
    """Pillow can't write such a file, so the test builds one."""
    rows = b"".join(b"\0" + struct.pack(">3H", 65535, 32768, 0) * 5 for _ in range(5))

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 5, 5, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    assert read(tmp_path / "a.png").image[2, 2].tolist() == [255, 128, 0]


def test_transparency_lies_over_white(picture: np.ndarray, tmp_path: Path) -> None:
    alpha = np.full((40, 60, 1), 255, np.uint8)
    alpha[20:] = 0
    Image.fromarray(np.concatenate([picture, alpha], axis=2)).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png").image
    assert np.array_equal(image[:20], picture[:20]) and (image[20:] == 255).all()


def test_cmyk_and_palette_become_rgb(picture: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert read(tmp_path / "a.jpg").image[20, 15].min() > 180 and read(tmp_path / "a.jpg").image[20, 45].max() < 20
    Image.fromarray(picture).quantize(8).save(tmp_path / "a.png")
    assert np.abs(read(tmp_path / "a.png").image.astype(int) - picture).max() < 8


def test_exif_turns_it_upright(picture: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn by 90 degrees clockwise
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read(tmp_path / "a.png").image, np.rot90(picture, -1))


def test_a_picture_of_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").image.tolist() == [[[255, 0, 0]]]


def test_a_truncated_file_is_an_error(data: Path, tmp_path: Path) -> None:
    whole = next((data / "cells/raabin/val/monocyte").glob("*.jpg")).read_bytes()
    for share in (0.02, 0.5, 0.95):
        (tmp_path / "a.jpg").write_bytes(whole[: int(len(whole) * share)])
        assert "truncated" in error(tmp_path / "a.jpg").lower()


def test_a_cut_png_gives_an_error_or_all_its_pixels(picture: np.ndarray, tmp_path: Path) -> None:
    """It never gives only some pixels. A cut in the last bytes, which hold no pixels, does no harm."""
    Image.fromarray(picture).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    errors = 0
    for length in range(len(whole)):
        (tmp_path / "b.png").write_bytes(whole[:length])
        result = frames.read(str(tmp_path / "b.png"))
        if isinstance(result, frames.Frame):
            assert np.array_equal(result.image, picture), length
        errors += isinstance(result, frames.Unreadable)
    assert errors > len(whole) * 0.8


def test_an_empty_file_a_text_and_a_folder_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert "empty" in error(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("no picture at all")
    assert "not a picture" in error(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").mkdir()
    assert "directory" in error(tmp_path / "c.jpg").lower()
    assert error(tmp_path / "d.jpg") == "does not exist."


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    if os.geteuid() == 0:  # root may read any file; reading this file of the kernel is an error even for root
        (tmp_path / "b.png").symlink_to("/proc/self/mem")
        assert "nput/output error" in error(tmp_path / "b.png")
    else:
        assert "denied" in error(tmp_path / "a.png")


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    Image.new("L", (12_000, 9_000), 255).save(tmp_path / "a.png")
    assert "12000x9000" in error(tmp_path / "a.png")
    Image.new("L", (20_000, 20_000), 255).save(tmp_path / "b.png")
    assert "million pixels" in error(tmp_path / "b.png")


def test_expand(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.tif", ".hidden/d.png", "odd[1].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    here = str(tmp_path)
    assert [Path(p).name for p in frames.expand([here])] == ["a.JPG", "b.png", "odd[1].png", "c.tif"]
    assert frames.expand([f"{here}/*.png", f"{here}/b.png"]) == [f"{here}/b.png", f"{here}/odd[1].png"]
    assert frames.expand([f"{here}/**/*.tif"]) == [f"{here}/deep/c.tif"]
    assert frames.expand([f"{here}/odd[1].png"]) == [f"{here}/odd[1].png"]
    assert frames.expand([f"{here}/none*"]) == [f"{here}/none*"]  # the attempt to read it reports the error
    assert frames.expand([f"{here}/missing.png"]) == [f"{here}/missing.png"]
