"""Uneven light is evened out with a picture of an empty spot."""

import numpy as np
import pytest
from live_helpers import FIELD, noisy

from edge.errors import UserError
from edge.live.flat_field import FlatField
from edge.quality import image_quality


def test_flat_evens_the_light() -> None:
    shade = 1 - 0.4 * np.linspace(-1, 1, 640)[None, :, None] ** 2
    blank = noisy(240 * shade * np.ones_like(FIELD), 1)
    evened = FlatField(blank).apply((FIELD * shade).astype(np.uint8))
    assert np.abs(evened.astype(int) - FIELD).mean() < 4 < np.abs((FIELD * shade) - FIELD).mean()
    assert image_quality(evened, 36).unevenness < 1.2 < image_quality((FIELD * shade).astype(np.uint8), 36).unevenness
    with pytest.raises(UserError, match="isn't empty"):
        FlatField(FIELD)
    with pytest.raises(UserError, match="640x480 pixels, the camera 320x240"):
        FlatField(blank).apply(FIELD[::2, ::2])


def test_a_dark_spot_becomes_lighter_and_not_black() -> None:
    """A gain above 4 once overflowed to 0."""
    blank = np.full((240, 320, 3), 240, np.uint8)
    blank[:] = np.linspace(40, 240, 320)[None, :, None]
    evened = FlatField(blank).apply(blank)
    assert (evened >= blank).all()
