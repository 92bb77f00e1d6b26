import numpy as np
from PIL import Image

from edge.crop import crop
from edge.frames import Frame
from edge.locate import Cell, whole_image


def frame(image: np.ndarray) -> Frame:
    return Frame(image, "test", 0, 0.0)


def test_shape_and_type() -> None:
    for shape in ((1, 1, 3), (254, 256, 3), (30, 400, 3)):
        f = frame(np.full(shape, 77, np.uint8))
        out = crop(f, whole_image(f)[0], 96)
        assert out.shape == (96, 96, 3) and out.dtype == np.uint8 and (out == 77).all()


def test_takes_the_square_in_the_middle_of_the_box() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 90:130] = 255
    assert (crop(frame(image), Cell((60, 20, 100, 40), 0), 32) == 255).all()


def test_averages_what_it_shrinks() -> None:
    """A fine grid must become grey; a resize that only picks pixels would keep it, and differ with the place."""
    image = np.indices((96, 96)).sum(axis=0) % 2 * np.uint8(255)
    f = frame(np.repeat(image[..., None], 3, axis=2).astype(np.uint8))
    out = crop(f, whole_image(f)[0], 32)
    assert out[4:-4, 4:-4].min() > 110 and out[4:-4, 4:-4].max() < 145


def test_same_pixels_from_a_view_and_a_copy() -> None:
    rng = np.random.default_rng(0)
    big = rng.integers(0, 256, (300, 300, 3), np.uint8)
    view = big[10:210, 20:220]
    f, g = frame(view), frame(view.copy())
    assert np.array_equal(crop(f, whole_image(f)[0], 96), crop(g, whole_image(g)[0], 96))


def test_known_bytes() -> None:
    """The policy's version stands for these bytes; if they change, so must the version."""
    image = np.asarray(Image.linear_gradient("L").resize((120, 90)).convert("RGB"))
    f = frame(image)
    assert crop(f, whole_image(f)[0], 4)[:, 0, 0].tolist() == [38, 96, 160, 217]
