"""Pictures with more than 8 bits a channel come out as the same picture with 8."""

import struct
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge import frames
from edge.reading.depth import to_8_bits
from edge.reading.formats import Refused


@pytest.fixture
def picture() -> np.ndarray:
    """Bright on the left, darker on the right, with a red corner at the top left; uint8 [40, 60, 3]."""
    image = np.full((40, 60, 3), 40, np.uint8)
    image[:, :30] = 200
    image[:10, :10] = (240, 10, 30)
    return image


def tiff(path: Path, levels: np.ndarray, more: dict[int, int] | None = None) -> Path:
    """Writes an uncompressed TIFF file with any number of bits, which Pillow can't do for colours."""
    channels = levels.shape[2] if levels.ndim == 3 else 1
    kind, bits = {"u": 1, "i": 2, "f": 3}[levels.dtype.kind], 8 * levels.itemsize
    height, width = levels.shape[:2]
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 2 if channels > 1 else 1, 273: 0, 277: channels}
    tags |= {278: height, 279: levels.nbytes, 284: 1, 339: kind} | (more or {})
    end = 8 + 2 + 12 * len(tags) + 4
    triples = b""
    entries = b""
    for tag, value in sorted(tags.items()):
        if channels == 3 and tag in (258, 339):  # one number a channel, after the directory
            entries += struct.pack("<HHII", tag, 3, 3, end + len(triples))
            triples += struct.pack("<3H", *[value] * 3)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, end + (12 if channels == 3 else 0) if tag == 273 else value)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + triples
    path.write_bytes(head + levels.tobytes())
    return path


def png(path: Path, levels: np.ndarray, chunks: bytes = b"") -> Path:
    """Writes a PNG file with 16 bits a channel, and after its header further chunks."""
    colour = {1: 0, 3: 2, 4: 6}[levels.shape[2]]
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    parts = chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def read(path: Path) -> np.ndarray:
    return frames.load(path).image


def refusal(path: Path) -> str:
    result = frames.read(str(path))
    assert isinstance(result, frames.Unreadable)
    return result.error


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_bits_of_a_camera_in_16(picture: np.ndarray, bits: int, tmp_path: Path) -> None:
    levels = picture.astype(np.uint16) << (bits - 8)
    assert np.array_equal(read(tiff(tmp_path / "a.tif", levels)), picture)
    assert np.array_equal(read(png(tmp_path / "a.png", levels)), picture)
    assert np.array_equal(read(tiff(tmp_path / "b.tif", levels[..., 1]))[..., 0], picture[..., 1])


def test_grey_of_32_bits_and_of_floating_point_numbers(picture: np.ndarray, tmp_path: Path) -> None:
    grey = picture[..., 1]
    for number, levels in enumerate(
        (grey.astype(np.uint32) << 24, grey / np.float32(255), grey.astype(np.float32), grey.astype(np.float32) * 16)
    ):
        image = read(tiff(tmp_path / f"{number}.tif", levels))
        assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2)), number


def test_the_file_may_say_how_large_levels_can_be(tmp_path: Path) -> None:
    """A dark picture of 12 bits. Without the tag it is taken for one of 10; the default of the tag says nothing."""
    levels = np.full((9, 9, 3), 800, np.uint16)
    assert read(tiff(tmp_path / "a.tif", levels)).max() == 200
    assert read(tiff(tmp_path / "b.tif", levels, {281: 65535})).max() == 200
    assert read(tiff(tmp_path / "c.tif", levels, {281: 4095})).max() == 50


def test_white_may_be_zero(picture: np.ndarray, tmp_path: Path) -> None:
    levels = (255 - picture[..., 1]).astype(np.uint16) << 8
    assert np.array_equal(read(tiff(tmp_path / "a.tif", levels, {262: 0}))[..., 1], picture[..., 1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_upright(picture: np.ndarray, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(tmp_path / "plain.png", exif=exif)
    upright = read(tmp_path / "plain.png")
    levels = picture.astype(np.uint16) << 8
    turned = chunk(b"eXIf", exif.tobytes()[6:])
    assert np.array_equal(read(png(tmp_path / "a.png", levels, turned)), upright)
    if orientation == 1 or find_spec("tifffile"):
        assert np.array_equal(read(tiff(tmp_path / "a.tif", levels, {274: orientation})), upright)
    assert np.array_equal(read(tiff(tmp_path / "b.tif", levels[..., 1], {274: orientation}))[..., 1], upright[..., 1])
    assert np.array_equal(read(tiff(tmp_path / "c.tif", picture[..., 1], {274: orientation}))[..., 1], upright[..., 1])


def test_transparency_of_16_bits(picture: np.ndarray, tmp_path: Path) -> None:
    """The colours may have fewer bits than the alpha channel."""
    alpha = np.full((40, 60, 1), 65535, np.uint16)
    alpha[20:] = 0
    image = read(png(tmp_path / "a.png", np.dstack([picture.astype(np.uint16) << 4, alpha])))
    assert np.array_equal(image[:20], picture[:20]) and (image[20:] == 255).all()


def test_what_has_no_known_range_is_refused(tmp_path: Path) -> None:
    for levels in (np.array([[-1.0, 5]]), np.array([[np.nan, 5]]), np.array([[np.inf, 5]]), np.array([[-5, 5]])):
        with pytest.raises(Refused, match="known range"):
            to_8_bits(levels)
    assert "known range" in refusal(tiff(tmp_path / "a.tif", np.full((9, 9), np.nan, np.float32)))
    assert "floating-point colours" in refusal(tiff(tmp_path / "b.tif", np.zeros((9, 9, 3), np.float32)))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
def test_colours_in_separate_planes(
    picture: np.ndarray, channels: int, compression: str | None, tmp_path: Path
) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs the extra `slides`")
    levels = np.dstack([picture.astype(np.uint16) << 4, np.full((40, 60), 65535, np.uint16)])[..., :channels]
    more = {"photometric": "rgb", "compression": compression, "extrasamples": ["unassalpha"][: channels - 3]}
    tifffile.imwrite(tmp_path / "a.tif", levels, planarconfig="contig", **more)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(np.zeros((40, 60, 3), np.uint8), photometric="rgb", metadata=None)
        file.write(np.moveaxis(levels, -1, 0), planarconfig="separate", metadata=None, **more)
    assert np.array_equal(read(tmp_path / "a.tif"), picture)
    empty, page = frames.pages(str(tmp_path / "b.tif"))
    assert isinstance(empty, frames.LeftOut)
    assert isinstance(page, frames.Frame) and np.array_equal(page.image, picture)


def test_without_tifffile_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    levels = np.full((9, 9, 3), 5, np.uint16)
    assert "edge-classify[slides]" in refusal(tiff(tmp_path / "a.tif", levels, {284: 2}))
    assert "edge-classify[slides]" in refusal(tiff(tmp_path / "b.tif", levels, {274: 3}))
