"""Lessons, and what the locator's network should answer for them."""

import numpy as np
import pytest

from edge.locate import ruler_mark, unpacked
from train.locator.mosaic import FIELD, Lesson

pytest.importorskip("tensorflow", reason="TensorFlow (extra train) is not installed")

HALF = FIELD // 2


def _lesson(shape: tuple[int, int]) -> Lesson:
    """A lesson with a nucleus near its upper left corner."""
    image, outline = np.full((FIELD, FIELD, 3), 128, np.uint8), np.zeros((HALF, HALF), np.uint8)
    image[: shape[0], : shape[1]] = 200
    image[10:30, 20:60], outline[5:15, 10:30] = (90, 20, 120), 1
    return Lesson(image, outline, 40.0, shape, outline * np.uint8(255), 42.0)


def test_turned_lessons_keep_their_padding_below_and_right() -> None:
    lesson = _lesson((200, FIELD))
    assert lesson.turned(0, False).shape == (200, FIELD)
    assert np.array_equal(lesson.turned(0, False).image, lesson.image)
    turned = lesson.turned(1, False)
    assert turned.shape == (FIELD, 200) and (turned.image[:, 200:] == 128).all()
    for quarters in range(4):
        for mirrored in (False, True):
            each = lesson.turned(quarters, mirrored)
            height, width = each.shape
            assert (each.image[:height, :width] != 128).all()
            assert each.outline.sum() == lesson.outline.sum()
            nucleus = each.image[::2, ::2, 1] == 20
            assert np.array_equal(nucleus, each.outline == 1) and np.array_equal(nucleus, each.taught == 255)


def test_the_marks_of_2_x_2_pixels_are_unpacked_as_the_loss_packs_them() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    answer = rng.integers(0, 256, (8, 10, 5), np.uint8)
    marks, codes = unpacked(answer[..., :4], answer[..., 4:])
    expected = tf.nn.depth_to_space(answer[None, ..., :4].astype(np.float32), 2)[0, ..., 0].numpy()
    assert np.array_equal(marks, expected) and np.array_equal(codes, answer[..., 4])
    larger = unpacked(marks[..., None], codes.repeat(2, 0).repeat(2, 1)[..., None])
    assert all(np.array_equal(a, b) for a, b in zip(larger, (marks, codes), strict=True))


def test_the_loss_is_least_for_the_right_answer_of_either_network() -> None:
    from train.locator.network import length, loss, target

    right = target(_lesson((200, FIELD)))[None]
    code = ruler_mark(40)
    large = np.stack([np.clip(right[..., 0], 0.01, 0.99), np.full(right.shape[:3], code)], -1).astype(np.float32)
    packed = large[0, ..., 0].reshape(HALF // 2, 2, HALF // 2, 2).swapaxes(1, 2).reshape(HALF // 2, HALF // 2, 4)
    small = np.concatenate([packed, np.full((HALF // 2, HALF // 2, 1), code)], -1)[None].astype(np.float32)
    assert float(length(right, small)) == pytest.approx(float(length(right, large)), abs=1e-3) == 0
    assert float(loss(right, small)) == pytest.approx(float(loss(right, large)), abs=0.01)
    alone = right.copy()
    alone[..., 2:] = -1
    for truth in (right, alone):
        for wrong in (small[:, :, ::-1], 1 - small, small * [1, 1, 1, 1, 0.5]):
            assert float(loss(truth, wrong.astype(np.float32))) > float(loss(truth, small)) + 0.05
