"""What normalisation removes from a picture, and what it leaves."""

import numpy as np
import pytest

from edge.normalise import DENSITY, LEVEL, WHITE, alone, distance, normalise, plane
from edge.simulator import drawing


def cell(size: int = 96) -> np.ndarray:
    return drawing.picture("lymphocyte", np.random.default_rng(0), size, drawing.Look(red_cell=size / 3.2, noise=0))


def seen_through(picture: np.ndarray, factor: np.ndarray | float, extra: np.ndarray | float = 0.0) -> np.ndarray:
    """The same slide under another stain (factor of optical density) and another light (density to add)."""
    density = -np.log((picture.astype(float) + 1) / 256)
    return (256 * np.exp(-(density * factor + extra)) - 1).clip(0, 255).round().astype(np.uint8)


def test_level_inverts_density() -> None:
    assert np.array_equal(LEVEL[DENSITY], np.arange(256))


@pytest.mark.parametrize("size", [16, 61, 64, 96])
def test_shape_and_type(size: int) -> None:
    out = normalise(cell(size))
    assert out.shape == (size, size, 3) and out.dtype == np.uint8


@pytest.mark.parametrize(
    "factor, extra",
    [
        (0.6, 0.0),  # a weak stain
        (1.3, 0.0),  # a strong one
        (np.array([0.8, 1.0, 1.3]), 0.0),  # another dye
        (1.0, np.array([0.1, 0.3, 0.2])),  # another lamp
        (1.0, np.linspace(0, 0.4, 96)[:, None, None]),  # a lamp off centre
    ],
)
def test_differences_of_stain_and_light_are_removed(factor: np.ndarray | float, extra: np.ndarray | float) -> None:
    picture = cell()
    other = seen_through(picture, factor, extra)
    before = np.abs(picture.astype(int) - other).mean()
    after = np.abs(normalise(picture).astype(int) - normalise(other)).mean()
    assert after < 0.35 * before


def test_the_light_is_white_and_the_nucleus_dark() -> None:
    out = normalise(seen_through(cell(), 0.7, np.linspace(0, 0.5, 96)[None, :, None]))
    assert (np.abs(np.percentile(out, 90, axis=(0, 1)) - WHITE) < 12).all()
    middle = np.median(out[44:52, 44:52].reshape(-1, 3), axis=0)
    assert middle[1] < middle[0] < 120 and middle[1] < middle[2]


def test_a_plane_is_found_under_cells() -> None:
    slope = np.linspace(0, 500, 96).astype(np.int32)[:, None, None] * np.ones((1, 96, 3), np.int32)
    covered = slope.copy()
    covered[20:44, 60:84] += 900  # a red cell
    assert np.abs(plane(covered) - slope).max() < 60


def test_pixels_beyond_the_picture_become_white_and_do_not_count_as_light() -> None:
    picture = cell()
    beyond = np.zeros((96, 96), bool)
    beyond[:20] = True
    dark = picture.copy()
    dark[beyond] = 0
    out = normalise(dark, beyond)
    assert (out[beyond] == WHITE).all()
    assert np.abs(out[~beyond].astype(int) - normalise(picture)[~beyond]).mean() < 4


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_colour_is_no_error(level: int) -> None:
    picture = np.full((64, 64, 3), level, np.uint8)
    assert normalise(picture).shape == picture.shape
    assert normalise(picture, np.full((64, 64), True)).min() == WHITE


def test_everything_around_the_cell_becomes_white() -> None:
    apart = distance(96, 0.3)
    assert apart.dtype == np.uint8 and apart[48, 48] < 3 and apart[0, 0] == min(255, int(64 * 47.5 * 2**0.5 / 28.8))
    out = alone(np.zeros((96, 96, 3), np.uint8), apart)
    assert (out[48, 48] == 0).all() and (out[0, 0] == WHITE).all()
    assert (out[..., 0] < 128).sum() == pytest.approx(np.pi * (70 / 64 * 28.8) ** 2, rel=0.05)
