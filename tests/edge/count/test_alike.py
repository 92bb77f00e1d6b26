"""Which cells look alike, and how sharp their pictures are."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from edge.count.alike import BLURRED, SHARP, SOFT, alike, focus, look
from edge.count.seen import SIDE, square
from edge.frames import Frame
from edge.simulator import drawing

FIELD, TRUTH = drawing.field(np.random.default_rng(3), 8, shape=(720, 1280), look=drawing.Look(red_cell=60))
CELLS = [each for each in TRUTH if each.kind in drawing.WHITE]


def crop(x: float, y: float) -> Image.Image:
    half = SIDE * 60 / 2
    box = round(x - half), round(y - half), round(x + half), round(y + half)
    return Image.fromarray(square(Frame(FIELD, "drawn", 0, 0.0), box))


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def test_a_turned_and_mirrored_cell_is_the_likeliest_and_its_kind_comes_next() -> None:
    looks = [look(jpeg(crop(each.x, each.y))) for each in CELLS]
    for number, each in enumerate(CELLS):
        turned = crop(each.x, each.y).transpose(Image.Transpose.ROTATE_90).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        order = alike(look(jpeg(turned)), looks, len(looks))
        assert order[0] == number and sorted(order) == list(range(len(CELLS)))
    assert alike(looks[0], [], 6) == [] and len(alike(looks[0], looks, 3)) == 3


@pytest.mark.parametrize(("blur", "found"), [(0, SHARP), (2.4, SOFT), (6, BLURRED)])
def test_focus(blur: float, found: str) -> None:
    x, y = CELLS[0].x, CELLS[0].y
    assert focus(jpeg(crop(x, y).filter(ImageFilter.GaussianBlur(blur / 32 * 60)))) == found
