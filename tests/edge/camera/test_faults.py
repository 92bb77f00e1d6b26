"""Faulty frames are recognised, and good frames are not taken for faulty ones."""

from pathlib import Path

import numpy as np
import pytest

from edge import frames
from edge.camera.faults import Faults
from edge.simulator import drawing


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    return drawing.field(np.random.default_rng(1), 3)[0]


def test_a_repeated_frame_is_frozen_and_a_new_one_is_good(field: np.ndarray) -> None:
    faults = Faults()
    assert faults.of(field) == ""
    assert faults.of(field.copy()) == "frozen" and faults.of(field.copy()) == "frozen"
    other = field.copy()
    other[3, 5, 1] ^= 1
    assert faults.of(other) == ""


def test_black_saturated_and_one_colour(field: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 6, field.shape).astype(np.uint8)
    assert Faults().of(noise) == "black"
    assert Faults().of(255 - noise // 2) == "saturated"
    assert Faults().of(np.full_like(field, (0, 0, 255))) == "one colour"


@pytest.mark.parametrize("line", [60, 240, 440])
def test_torn(field: np.ndarray, line: int) -> None:
    other = drawing.field(np.random.default_rng(2), 3)[0]
    tears = {"the next frame": other, "grey": np.full_like(field, 128), "a line again": field[line - 1 : line]}
    for name, lower in tears.items():
        torn = field.copy()
        torn[line:] = lower if len(lower) == 1 else lower[line:]
        assert Faults().of(torn) == "torn", name


def test_a_bar_that_is_always_there_belongs_to_the_picture(field: np.ndarray) -> None:
    rng, faults = np.random.default_rng(3), Faults()
    seen = []
    for _ in range(20):
        image = np.clip(field.astype(int) + rng.normal(0, 2, field.shape), 0, 255).astype(np.uint8)
        image[400:] = 0
        seen.append(faults.of(image))
    assert seen[0] == "torn" and set(seen[10:]) == {""}


def test_real_fields_are_not_faulty(data: Path) -> None:
    files = [*sorted((data / "fields/bccd").glob("*.jpg"))[:60], *sorted((data / "fields/chula_rpi").glob("*.*"))[:30]]
    assert len(files) > 60
    bad = [f.name for f in files if Faults().of(frames.load(f).image)]
    assert not bad


def test_an_overexposed_field_is_not_torn(field: np.ndarray) -> None:
    assert Faults().of(np.minimum(field.astype(int) * 13 // 10, 255).astype(np.uint8)) == ""
