"""The red-cell diameter by classical image analysis, on drawn fields."""

import numpy as np
import pytest

from edge.simulator import drawing
from train.locator.red_cell_diameter import red_cell_diameter


@pytest.mark.parametrize("diameter", [16, 24, 40, 70])
def test_drawn_red_cells(diameter: int) -> None:
    image, _ = drawing.field(np.random.default_rng(3), 0, 0, (240, 320), drawing.Look(red_cell=diameter))
    measured = red_cell_diameter(image, np.zeros((240, 320), np.uint8))
    assert measured is not None and measured == pytest.approx(diameter, rel=0.25)


def test_nothing_to_measure() -> None:
    empty = np.zeros((240, 320), np.uint8)
    assert red_cell_diameter(np.full((240, 320, 3), 200, np.uint8), empty) is None
    assert red_cell_diameter(np.zeros((8, 8, 3), np.uint8), empty[:8, :8]) is None
