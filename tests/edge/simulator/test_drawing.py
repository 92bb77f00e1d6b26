"""Drawn cells: the same seed draws the same picture, and each kind has its shape."""

import numpy as np
import pytest

from edge.simulator import drawing


@pytest.mark.parametrize("kind", drawing.KINDS)
def test_the_same_seed_draws_the_same_picture(kind: str) -> None:
    first, second = (drawing.picture(kind, np.random.default_rng(5)) for _ in range(2))
    other = drawing.picture(kind, np.random.default_rng(6))
    assert first.shape == (256, 256, 3) and first.dtype == np.uint8
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_each_kind_has_its_shape() -> None:
    """Seen in the pixels: a monocyte's dark nucleus fills less of the cell's own area than a lymphocyte's."""
    shares = {}
    for kind in drawing.KINDS:
        density = np.zeros((200, 200, 3), np.float32)
        drawing.white_cell(density, kind, 100, 100, 56, np.random.default_rng(1))
        shares[kind] = (density[..., 1] > 1.0).sum() / (density[..., 1] > 0.2).sum()
    assert shares["lymphocyte"] > 0.6 > shares["monocyte"] > 0.2


def test_the_part_of_a_cell_outside_the_slide_is_cut_off() -> None:
    density = np.zeros((50, 50, 3), np.float32)
    drawing.white_cell(density, "monocyte", 0, 0, 56, np.random.default_rng(1))
    assert density[:10, :10].min() > 0
    drawing.white_cell(density, "monocyte", -500, -500, 56, np.random.default_rng(1))


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="unicorn"):
        drawing.picture("unicorn", np.random.default_rng(0))
