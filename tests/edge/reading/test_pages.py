"""Files with several pages."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from edge import frames
from edge.frames import Frame, LeftOut, Unreadable
from edge.reading import colour
from edge.reading import pages as module
from edge.simulator import drawing

OME = '<OME><Image><Pixels ID="P" SizeC="{}" SizeZ="{}" SizeT="1">{}</Pixels></Image></OME>'


@pytest.fixture(scope="module")
def fields() -> list[Image.Image]:
    return [Image.fromarray(drawing.field(np.random.default_rng(i), 4)[0]) for i in range(3)]


def stack(path: Path, pages: list[Image.Image], description: str = "") -> list[Frame | Unreadable]:
    more = {"description": description} if description else {}
    pages[0].save(path, save_all=True, append_images=pages[1:], **more)
    return list(frames.pages(str(path)))


def same(found: Frame | Unreadable, picture: Image.Image) -> bool:
    return isinstance(found, Frame) and np.array_equal(found.image, np.asarray(picture))


def test_each_page_is_a_picture(fields: list[Image.Image], tmp_path: Path) -> None:
    found = stack(tmp_path / "a.tif", fields)
    assert [each.number for each in found] == [0, 1, 2] and all(map(same, found, fields))
    assert frames.count_pages(str(tmp_path / "a.tif")) == 3
    one = frames.read(str(tmp_path / "a.tif"))
    assert isinstance(one, Unreadable) and "several pictures" in one.error


def test_small_copies_and_empty_pages_are_left_out(fields: list[Image.Image], tmp_path: Path) -> None:
    small = fields[0].resize((160, 120))
    empty = Image.new("RGB", fields[0].size, (230, 230, 230))
    copy, first, blank, second = stack(tmp_path / "a.tif", [small, fields[0], empty, fields[1]])
    assert isinstance(copy, LeftOut) and copy.number == 0 and "small copy of frame 1" in copy.error
    assert isinstance(blank, LeftOut) and blank.number == 2 and "empty" in blank.error
    assert same(first, fields[0]) and same(second, fields[1])
    stack(tmp_path / "b.tif", [small, fields[0]])
    one = frames.read(str(tmp_path / "b.tif"))
    assert same(one, fields[0]) and one.number == 1  # type: ignore[union-attr]


def test_a_small_page_that_shows_something_else_is_a_picture(fields: list[Image.Image], tmp_path: Path) -> None:
    small = fields[2].resize((160, 120))
    assert same(stack(tmp_path / "a.tif", [small, fields[0]])[0], small)


def test_channels_in_pages_are_put_together(fields: list[Image.Image], tmp_path: Path) -> None:
    red, green, blue = fields[0].split()
    [found] = stack(tmp_path / "a.tif", [red, green, blue], OME.format(3, 1, ""))
    assert same(found, fields[0])
    names = "".join(f'<Channel Name="{name}"/>' for name in ("Blue", "Red", "Green"))
    [found] = stack(tmp_path / "b.tif", [blue, red, green], OME.format(3, 1, names))
    assert same(found, fields[0])
    [found] = stack(tmp_path / "c.tif", [red, green, blue], "ImageJ=1.54\nimages=3\nchannels=3\nmode=composite\n")
    assert same(found, fields[0])


def test_pages_that_give_no_one_picture_are_refused(fields: list[Image.Image], tmp_path: Path) -> None:
    grey = list(fields[0].split())
    for pages, description, words in (
        (grey[:2], OME.format(2, 1, ""), "2 colour channels"),
        (fields, OME.format(1, 3, ""), "focus stack of 3"),
        (grey, "", "three grey pages that show the same place"),
    ):
        [found] = stack(tmp_path / "a.tif", pages, description)
        assert isinstance(found, Unreadable) and words in found.error
    assert len(stack(tmp_path / "b.tif", [each.convert("L") for each in fields])) == 3


def test_a_damaged_page_is_reported_after_those_before_it(fields: list[Image.Image], tmp_path: Path) -> None:
    stack(tmp_path / "a.tif", fields)
    whole = (tmp_path / "a.tif").read_bytes()
    for cut in (100, 200_000, 1_000_000):  # into the last page, or the one before
        (tmp_path / "a.tif").write_bytes(whole[:-cut])
        found = list(frames.pages(str(tmp_path / "a.tif")))
        bad = [each for each in found if type(each) is Unreadable]
        assert len(bad) == (2 if cut == 1_000_000 else 1) and all(map(same, found[: -len(bad)], fields))
        assert [each.number for each in found] == [0, 1, 2]
        assert all(f"frame {each.number} " in each.error for each in bad)


def test_an_mpo_of_a_phone_is_its_first_picture(fields: list[Image.Image], tmp_path: Path) -> None:
    fields[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[fields[0].resize((320, 240))])
    with Image.open(tmp_path / "a.jpg") as written:
        assert written.format == "MPO" and written.n_frames == 2  # type: ignore[attr-defined]
        assert same(frames.read(str(tmp_path / "a.jpg")), written)


@pytest.mark.parametrize("orientation", range(1, 10))
def test_a_large_picture_is_turned_upright_in_strips(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (50, 70, 4), np.uint8)
    picture, exif = Image.fromarray(levels), Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    picture.quantize(9).save(tmp_path / "b.png", exif=exif, transparency=3)
    picture.convert("CMYK").save(tmp_path / "c.tif", tiffinfo=exif)
    for path in sorted(tmp_path.iterdir()):
        with path.open("rb") as file, Image.open(file) as opened:
            turned = ImageOps.exif_transpose(opened).convert("RGBA")
            expected = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned).convert("RGB")
        monkeypatch.setattr(colour, "_STRIP", 1000)
        for large in (4_000_000, 1000):
            monkeypatch.setattr(colour, "LARGE", large)
            monkeypatch.setattr(module, "LARGE", large)
            assert same(frames.read(str(path)), expected)
