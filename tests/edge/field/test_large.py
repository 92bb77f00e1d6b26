"""Large pictures and whole slides are read part by part, with the same pixels and the same cells."""

import sys
from pathlib import Path
from typing import Any

import cv2
import dicom_files
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms

from edge.cli import main
from edge.errors import UserError
from edge.field import large
from edge.field.large import LargePicture, open_large
from edge.frames import Frame, Unreadable, read
from edge.locate import Locator
from edge.reading import formats, tiles
from edge.simulator import drawing


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Four drawn fields; each limit is set so low that this is a large picture."""
    for module in (large, formats):
        monkeypatch.setattr(module, "MAX_PIXELS", 500_000)
    monkeypatch.setattr(tiles, "_HELD", 1_000_000)
    monkeypatch.setattr(large, "_BLOCK", 64)
    rng = np.random.default_rng(1)
    return np.vstack([np.hstack([drawing.field(rng, 2)[0] for _ in range(2)]) for _ in range(2)])


LAYOUTS: dict[str, dict[str, Any]] = {
    "tiles": {"tile": (256, 128), "compression": "deflate"},
    "strips": {"rowsperstrip": 50},
    "BigTIFF": {"tile": (64, 64), "bigtiff": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["RGB", "grey", "12 bits", "16 bits"])
def test_windows_show_the_pixels_of_the_file(layout: str, kind: str, image: np.ndarray, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs the extra `slides`")
    pixels = {
        "RGB": image,
        "grey": image[..., 1],
        "12 bits": image.astype(np.uint16) * 16,
        "16 bits": image.astype(np.uint16) * 257,
    }[kind]
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, pixels, photometric="minisblack" if kind == "grey" else "rgb", **LAYOUTS[layout])
    picture = open_large(path)
    assert isinstance(picture, LargePicture) and (picture.width, picture.height) == (1280, 960)
    expected = Frame(np.repeat(image[..., 1:2], 3, axis=2) if kind == "grey" else image, path, 0, 0.0)
    for box in ((0, 0, 300, 200), (100, 130, 700, 400), (-20, 900, 90, 2000), (1200, 900, 1280, 960), (5, 5, 5, 9)):
        assert np.array_equal(picture.window(*box), expected.window(*box)), box
    with pytest.raises(UserError, match="too large"):
        picture.window(0, 0, 1280, 960)


def test_a_large_picture_has_the_same_cells(image: np.ndarray, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs the extra `slides`")
    plain, pyramid = tmp_path / "plain.tif", tmp_path / "pyramid.ome.tif"
    tifffile.imwrite(plain, image, tile=(128, 128), photometric="rgb")
    with tifffile.TiffWriter(pyramid) as file:
        file.write(image, tile=(128, 128), photometric="rgb", subifds=1, metadata={"axes": "YXS"})
        file.write(image[::2, ::2], tile=(128, 128), photometric="rgb", subfiletype=1)
    locator = Locator()
    expected = locator.locate(Frame(image, "test", 0, 0.0))
    for path in (plain, pyramid):
        picture = open_large(str(path))
        assert isinstance(picture, LargePicture)
        found = locator.locate(picture)
        assert len(found.nuclei) == len(expected.nuclei) >= 7
        for one, other in zip(found.nuclei, expected.nuclei, strict=True):
            assert (one.x, one.y) == pytest.approx((other.x, other.y), abs=4)
    done = CliRunner().invoke(
        main, [str(plain), "--csv", str(tmp_path / "table.csv"), "--explain", str(tmp_path / "seen")]
    )
    assert done.exit_code == 0, done.output
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1 + len(expected.nuclei)
    assert (tmp_path / "seen" / "plain.explained.jpg").is_file()
    done = CliRunner().invoke(main, [str(plain), "--annotate", str(tmp_path / "drawn")])
    assert done.exit_code == 1 and "leave out --annotate" in done.stderr


def test_what_cannot_be_read_in_parts_is_said(
    image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(image).save(tmp_path / "a.tif")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    result = open_large(str(tmp_path / "a.tif"))
    assert isinstance(result, Unreadable) and "edge-classify[slides]" in result.error
    Image.fromarray(image).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "pyvips", None)
    result = open_large(str(tmp_path / "a.png"))
    assert isinstance(result, Unreadable) and "edge-classify[vips]" in result.error and "--tile" in result.error
    refused = read(str(tmp_path / "a.png"))
    assert isinstance(refused, Unreadable) and "million" in refused.error and "--tile" in refused.error
    dicom_files.write(tmp_path / "a.dcm", image, 1)
    monkeypatch.setitem(sys.modules, "openslide", None)
    result = open_large(str(tmp_path / "a.dcm"))
    assert isinstance(result, Unreadable) and "edge-classify[openslide]" in result.error
    Image.fromarray(image[:400]).save(tmp_path / "b.tif")
    assert isinstance(open_large(str(tmp_path / "b.tif")), Unreadable)  # 512,000 pixels are more than 500,000
    Image.fromarray(image[:300]).save(tmp_path / "c.tif")
    assert open_large(str(tmp_path / "c.tif")) is None
    (tmp_path / "d.svs").write_bytes(b"II*\0" + bytes(40))
    assert isinstance(open_large(str(tmp_path / "d.svs")), Unreadable)
    assert open_large(str(tmp_path / "absent.tif")) is None


def test_a_file_of_other_pixels_is_refused(image: np.ndarray, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs the extra `slides`")
    for name, pixels, layout in (
        ("float", image[..., 0].astype(np.float32), {"tile": (64, 64)}),
        ("stack", np.stack([image[..., 0]] * 3), {"tile": (64, 64), "photometric": "minisblack"}),
    ):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, **layout)
        result = open_large(str(path))
        assert isinstance(result, Unreadable) and result.error.startswith("cannot be read in parts: "), name


BOXES = (0, 0, 300, 200), (100, 130, 700, 400), (-20, 900, 90, 2000), (900, 900, 1280, 960), (5, 5, 5, 9)


@pytest.mark.parametrize("kind", ["grey.png", "12 bits.png", "transparent.png", "turned.jpg", "profile.jpg"])
def test_jpeg_and_png_have_the_pixels_that_they_have_when_read_at_once(
    kind: str, image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyvips", reason="needs the extra `vips`")
    path = str(tmp_path / kind)
    picture = Image.fromarray(image)
    if kind == "grey.png":
        picture.convert("L").save(path)
    elif kind == "12 bits.png":
        cv2.imwrite(path, image.astype(np.uint16) * 16)
    elif kind == "transparent.png":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
        picture.save(path)
    elif kind == "turned.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(path, quality=95, exif=exif)
    else:  # red and blue are exchanged
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        profile = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
        picture.save(path, quality=95, icc_profile=profile)
    got = open_large(path)
    assert isinstance(got, LargePicture)
    with monkeypatch.context() as free:
        free.setattr(formats, "MAX_PIXELS", 2_000_000)
        expected = read(path)
    assert isinstance(expected, Frame) and (got.width, got.height) == (expected.width, expected.height)
    for box in BOXES:
        one, other = got.window(*box).astype(int), expected.window(*box)
        assert one.shape == other.shape and np.abs(one - other).max(initial=0) <= (1 if "transparent" in kind else 0), (
            box
        )


def test_a_slide_in_dicom_is_read_once(image: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("openslide", reason="needs the extra `openslide`")
    dicom_files.write(tmp_path / "half.dcm", image[::2, ::2], 2)
    dicom_files.write(tmp_path / "whole.dcm", image, 1)
    dicom_files.write(tmp_path / "label.dcm", image[:200, :200], 3, tile=200, kind="LABEL")
    picture = open_large(str(tmp_path / "whole.dcm"))
    assert isinstance(picture, LargePicture) and (picture.width, picture.height) == (1280, 960)
    expected = Frame(image, "test", 0, 0.0)
    for box in BOXES:
        assert np.array_equal(picture.window(*box), expected.window(*box)), box
    done = CliRunner().invoke(main, [str(tmp_path), "--csv", str(tmp_path / "table.csv")])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("another file") == 2
    assert len(Locator().locate(picture).nuclei) == done.stdout.count("whole.dcm") >= 7


def test_a_damaged_part_is_an_error_of_its_picture(image: np.ndarray, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs the extra `slides`")
    pytest.importorskip("pyvips", reason="needs the extra `vips`")
    pytest.importorskip("openslide", reason="needs the extra `openslide`")
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(128, 128), photometric="rgb", compression="deflate")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[0].dataoffsets[30]
    with (tmp_path / "a.tif").open("r+b") as damaged:
        damaged.seek(place)
        damaged.write(bytes(1000))
    Image.fromarray(image).save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "whole.jpg").unlink()
    (tmp_path / "b.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "c.dcm").write_bytes(bytes(128) + b"DICM" + bytes(2000))
    done = CliRunner().invoke(main, [str(tmp_path)])
    assert done.exit_code == 1 and done.stderr.count("cannot be read in parts: ") == 3, done.stderr


def test_the_thumbnail_of_a_slide_is_not_taken_for_it(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "a.mrxs", "JPEG")
    done = CliRunner().invoke(main, [str(tmp_path / "a.mrxs"), "--whole-image"])
    assert done.exit_code == 1 and "is a whole slide" in done.stderr


def test_a_very_thin_large_picture_is_refused(image: np.ndarray, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="needs the extra `slides`")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40_000, 16, 3), np.uint8), rowsperstrip=100, photometric="rgb")
    found = open_large(str(tmp_path / "a.tif"))
    assert isinstance(found, Unreadable) and "no side may be 200 times as long" in found.error
