from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import edge.crop
from edge.cell import SIDE, Cell, whole_image
from edge.crop import LIGHT, Square, crop, light
from edge.field.outline import Outline
from edge.frames import Frame


def frame(image: np.ndarray) -> Frame:
    return Frame(image, "test", 0, 0.0)


def cell(x: float, y: float, red_cell: float) -> Cell:
    return Cell((0, 0, 1, 1), 0, (x, y), red_cell, 1.5 * red_cell, red_cell, False, 1.0)


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """A dark disc on a bright field."""
    ys, xs = np.mgrid[:height, :width]
    inside = np.hypot(xs + 0.5 - x, ys + 0.5 - y) <= radius
    return np.where(inside[..., None], np.array([90, 40, 110]), np.array([230, 210, 200])).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 3), (254, 256, 3), (30, 400, 3)])
def test_whole_image_shape_and_type(shape: tuple[int, int, int]) -> None:
    f = frame(np.full(shape, 77, np.uint8))
    out = crop(f, whole_image(f)[0], 96, "whole-image")
    assert out.shape == (96, 96, 3) and out.dtype == np.uint8 and (out == 77).all()


def test_whole_image_takes_the_square_in_the_middle() -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 30:70] = 255
    f = frame(image)
    assert (crop(f, whole_image(f)[0], 32, "whole-image") == 255).all()


def test_shrinking_averages_pixels() -> None:
    """A fine grid must become grey. A resize that only picks pixels would keep the grid, and depend on its place."""
    image = np.indices((96, 96)).sum(axis=0) % 2 * np.uint8(255)
    f = frame(np.repeat(image[..., None], 3, axis=2).astype(np.uint8))
    out = crop(f, whole_image(f)[0], 32, "whole-image")
    assert out[4:-4, 4:-4].min() > 110 and out[4:-4, 4:-4].max() < 145


def test_a_cell_looks_the_same_at_every_magnification() -> None:
    small = crop(frame(disc(200, 240, 100, 90, 20)), cell(100, 90, 40), 64)
    large = crop(frame(disc(600, 720, 300, 270, 60)), cell(300, 270, 120), 64)
    assert np.abs(small.astype(int) - large).mean() < 3
    dark = (large[..., 1] < 120).sum()
    assert dark == pytest.approx(np.pi / 4 * (64 / SIDE) ** 2, rel=0.05)


def test_a_small_cell_stays_small() -> None:
    """Crops are scaled by red cells, not by the nucleus. So a lymphocyte's nucleus is small, and a monocyte's large."""
    dark = [(crop(frame(disc(300, 300, 150, 150, r)), cell(150, 150, 60), 64)[..., 1] < 120).sum() for r in (30, 60)]
    assert dark[1] == pytest.approx(4 * dark[0], rel=0.1)


def test_the_light_becomes_white_whatever_its_colour() -> None:
    image = disc(200, 200, 100, 100, 20)
    pink = (image * np.array([1.0, 0.7, 0.8])).astype(np.uint8)
    a, b = (crop(frame(i), cell(100, 100, 40), 64).astype(int) for i in (image, pink))
    assert (np.abs(a[0, 0] - LIGHT) <= 2).all() and np.abs(a - b).max() <= 4


def test_pixels_beyond_the_border_have_the_colour_of_the_light() -> None:
    f = frame(disc(200, 200, 3, 197, 20))
    out = crop(f, cell(3, 197, 40), 64)
    assert out.shape == (64, 64, 3) and (np.abs(out[50:, :8].astype(int) - LIGHT) <= 3).all()
    assert crop(f, cell(-500, 900, 40), 64).shape == (64, 64, 3)


def test_a_dark_picture_stays_dark() -> None:
    f = frame(np.full((100, 100, 3), 3, np.uint8))
    assert light(f, (0, 0, 100)).tolist() == [40, 40, 40]
    assert crop(f, cell(50, 50, 20), 32).max() < 25


def test_a_numpy_view_and_a_copy_give_the_same_pixels() -> None:
    big = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    view = big[10:210, 20:220]
    for policy in ("whole-image", "cell"):
        a, b = (crop(frame(image), cell(90.3, 80.7, 33.3), 96, policy) for image in (view, view.copy()))
        assert np.array_equal(a, b)


def test_a_policy_gives_the_bytes_of_its_version() -> None:
    """If these bytes change, the version of the policy must change, too."""
    image = np.asarray(Image.linear_gradient("L").resize((120, 90)).convert("RGB"))
    f = frame(image)
    assert crop(f, whole_image(f)[0], 4, "whole-image")[:, 0, 0].tolist() == [44, 100, 157, 214]
    assert crop(f, cell(60.5, 40.2, 20.7), 4, "cell")[:, 0, 0].tolist() == [49, 98, 147, 196]


@pytest.mark.parametrize("size", [16, 80, 96])
def test_a_square_of_whole_pixels_is_near_the_one_asked_for(size: int) -> None:
    for side in (0.2, 1.0, 15.6, 80.49, 159.9, 160, 333.3, 4097.7):
        square = Square.around((50.3, 1000.8), side, size)
        assert square.side % square.step == 0 and square.side // square.step <= 2 * size
        assert square.side == 1 or side * (1 - 1 / size) - 0.5 <= square.side <= side + 0.5
        left, top, right, bottom = square.box
        assert right - left == bottom - top == square.side
        assert abs((left + right) / 2 - 50.3) <= 0.5 and abs((top + bottom) / 2 - 1000.8) <= 0.5


def test_an_unknown_policy_is_an_error() -> None:
    f = frame(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(KeyError):
        crop(f, whole_image(f)[0], 4, "guess")


@pytest.mark.parametrize("policy", ["whole-image", "cell", "normalised"])
@pytest.mark.parametrize("red_cell", [40, 333.3])
def test_a_large_square_that_is_shrunk_in_pieces_gives_the_same_bytes(
    policy: str, red_cell: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = frame(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8))
    lit = Outline(((30.5, 20), (380, 0), (390, 299), (10, 280)))
    cells = [
        replace(cell(x, y, red_cell), lit=lit if x > 90 else None) for x, y in ((5, 250.3), (200.7, 100), (390, 9))
    ]
    cells += whole_image(f)
    whole = [crop(f, each, 96, policy) for each in cells]
    monkeypatch.setattr(edge.crop, "_PIECE", 10_000)
    assert all(map(np.array_equal, whole, [crop(f, each, 96, policy) for each in cells]))
