"""Each random change does what a microscope does, and no more."""

import numpy as np
import pytest
import tensorflow as tf

from edge.errors import UserError
from edge.simulator import drawing
from train.augment import MOVES, RECIPES, VIEWS, augment, recipe

PICTURE = drawing.picture("lymphocyte", np.random.default_rng(0), 96, drawing.Look(red_cell=21))


@pytest.mark.parametrize("name", [*MOVES, *VIEWS, "full", "geometry,stain"])
def test_it_keeps_the_cell_and_changes_the_picture(name: str) -> None:
    batch = tf.constant(np.stack([PICTURE] * 16))
    changes = recipe(name)
    out = augment(batch, tf.constant([1, 2]), changes).numpy()
    assert out.shape == (16, 96, 96, 3) and out.dtype == np.float32 and out.min() >= 0 and out.max() <= 255
    assert np.array_equal(out, augment(batch, tf.constant([1, 2]), changes).numpy())
    assert not np.array_equal(out, augment(batch, tf.constant([1, 3]), changes).numpy())
    assert len({o.tobytes() for o in out}) >= (2 if name in ("flip", "jpeg", "defocus", "grey") else 16)
    dark = out[..., 1] < 110  # the nucleus is still there, whole, near the middle
    ys, xs = np.nonzero(dark.sum(axis=0) > 8)
    assert abs(ys.mean() - 48) < 10 and abs(xs.mean() - 48) < 10
    assert (dark.sum(axis=(1, 2)) / (PICTURE[..., 1] < 110).sum() > 0.5).all()


def test_moves_keep_colours_and_the_other_changes_keep_places() -> None:
    batch = tf.constant(np.stack([PICTURE] * 8))
    for changes in (list(MOVES), list(VIEWS)):
        out = augment(batch, tf.constant([3, 4]), changes).numpy()
        middle = np.abs(out[:, 46:50, 46:50].mean(axis=(1, 2)) - PICTURE[46:50, 46:50].mean(axis=(0, 1)))
        share = (PICTURE[..., 1] < 110).mean()  # the darkest, of a pale slide too
        dark = [o < np.quantile(o, share) for o in out[..., 1]]
        ys, xs = (np.nonzero(PICTURE[..., 1] < 110)[i].mean() for i in (0, 1))
        off = [np.hypot(*(np.array(np.nonzero(d)).mean(axis=1) - (ys, xs))) for d in dark]
        if changes == list(MOVES):
            assert middle.max() < 40 and max(off) > 1
        else:
            assert max(off) < 5 and middle.max() > 2


def test_without_changes_a_picture_stays_the_same() -> None:
    batch = tf.constant(PICTURE[None])
    assert np.array_equal(augment(batch, tf.constant([1, 2]), []).numpy(), PICTURE[None].astype(np.float32))


def test_recipes_by_name() -> None:
    assert recipe("none") == [] and recipe("full") == [*MOVES, *VIEWS]
    assert recipe("geometry, jpeg") == [*MOVES, "jpeg"]
    assert recipe("full,-camera,-rotate") == [n for n in RECIPES["full"] if n not in (*RECIPES["camera"], "rotate")]
    with pytest.raises(UserError, match="'sepia'"):
        recipe("full,sepia")
