"""The measured size and shape of drawn nuclei whose form is known."""

import cv2
import numpy as np
import pytest

from train import shape


def drawn(axes: tuple[int, int], notch: int = 0) -> np.ndarray:
    crop = np.full((160, 160, 3), 240, np.uint8)
    cv2.circle(crop, (80, 80), 60, (200, 170, 210), -1)
    cv2.ellipse(crop, (80, 80), axes, 0, 0, 360, (90, 60, 140), -1)
    if notch:
        cv2.circle(crop, (80, 80 - axes[1]), notch, (200, 170, 210), -1)
    return crop


def test_numbers_of_known_forms() -> None:
    round_, long, folded = (
        dict(zip(shape.FEATURES, numbers, strict=True))
        for numbers in shape.measured(np.stack([drawn((40, 40)), drawn((50, 25)), drawn((40, 40), 20)]))
    )
    assert round_["diameter"] == pytest.approx(0.5, abs=0.01) and round_["solidity"] > 0.97
    assert round_["roundness"] > 0.85 and round_["elongation"] == pytest.approx(1, abs=0.03)
    assert round_["darkness"] == pytest.approx(60, abs=6)
    assert long["elongation"] == pytest.approx(2, abs=0.08)
    assert folded["solidity"] < 0.93 < round_["solidity"] and folded["cytoplasm"] > round_["cytoplasm"]


def test_an_empty_crop_has_numbers_too() -> None:
    assert np.isfinite(shape.measured(np.full((1, 80, 80, 3), 245, np.uint8))).all()
