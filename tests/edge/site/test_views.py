"""Fields for a ruler from a camera: each place of the slide once, at rest and in focus."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import invoke

from edge.frames import Frame
from edge.simulator import drawing
from edge.site import profile as profiles
from edge.site.views import Views

FIELDS = [
    drawing.field(np.random.default_rng(i), 4, shape=(360, 480), look=drawing.Look(red_cell=30))[0] for i in range(2)
]


def frames(*images: np.ndarray) -> list[Frame]:
    """The images as a camera gives them: a little noise in each, 15 a second."""
    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8) for image in images]
    return [Frame(image, "test", i, i / 15, i / 15) for i, image in enumerate(noisy)]


def test_each_place_counts_once_and_only_in_focus() -> None:
    first, second = FIELDS
    blurred = cv2.GaussianBlur(second, (0, 0), 8)
    views = Views(False)
    shown = [views.new(each) for each in frames(*[first] * 8, *[blurred] * 8, *[second] * 8, *[first] * 8)]
    assert sum(shown[:8]) == 1 and not any(shown[8:16]) and sum(shown[16:24]) == 1 and not any(shown[24:])


def test_unrelated_pictures_are_all_new() -> None:
    views = Views(True)
    assert all(views.new(each) for each in frames(FIELDS[0], FIELDS[0]))


@pytest.mark.parametrize("seconds", [0.01, 60])
def test_the_command_measures_what_a_camera_shows(tmp_path: Path, seconds: float) -> None:
    """Until there are enough fields, or time is over."""
    for i in range(20):
        drawn, _ = drawing.field(np.random.default_rng(i % 10), 4, shape=(360, 480), look=drawing.Look(red_cell=30))
        cv2.imwrite(str(tmp_path / f"{i:02}.png"), drawn[..., ::-1])
    out = tmp_path / "out" / "site.json"
    out.parent.mkdir()
    done = invoke("edge.site", "ruler", "--camera", tmp_path, "--out", out, "--seconds", seconds)
    if seconds < 1:
        assert done.returncode == 2 and not out.exists()
        assert "too few" in done.stderr or "no field" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        ruler = profiles.read(out).ruler
        assert ruler and ruler.red_cell == pytest.approx(0.92 * 30, rel=0.05) and ruler.pictures == 20
