"""Focus and light are measured, and the user is told what to do about them."""

import cv2
import numpy as np
import pytest
from live_helpers import FIELD, noisy

from edge.live.focus_monitor import FocusMonitor
from edge.quality import image_quality, sharpness


def test_sharpness_falls_with_defocus_and_not_with_magnification() -> None:
    values = [sharpness(noisy(cv2.GaussianBlur(FIELD, (0, 0), s), 0), 36) for s in (0.5, 2, 4, 8)]
    assert values == sorted(values, reverse=True) and values[0] > 2 * values[3]
    assert sharpness(cv2.resize(FIELD, (1280, 960)), 72) == pytest.approx(sharpness(FIELD, 36), rel=0.25)
    assert sharpness(np.full_like(FIELD, 230), 36) == 0


def test_warnings_say_what_to_do() -> None:
    def warned(image: np.ndarray, monitor: FocusMonitor) -> str:
        quality = image_quality(np.clip(image, 0, 255).astype(np.uint8), 36)
        monitor.focus(quality, 0.0)
        return " ".join(monitor.warnings(quality))

    monitor = FocusMonitor()
    for _ in range(6):
        assert warned(FIELD, monitor) == ""
    plain = FIELD.astype(float)
    assert "turn down the lamp" in warned(plain * 1.5, monitor)
    assert "turn up the lamp" in warned(plain * 0.3, monitor)
    assert "centre the condenser" in warned(plain * np.linspace(0.5, 1, 640)[:, None], monitor)
    assert "white-balance" in warned(plain * (1, 1, 0.8), monitor)
    assert "fine focus" in warned(cv2.GaussianBlur(FIELD, (0, 0), 9), monitor)
