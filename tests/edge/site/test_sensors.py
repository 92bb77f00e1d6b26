"""Is the width of a pixel computed from the optics, and refused where it can't be?"""

from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke
from PIL import Image

from edge.errors import UserError
from edge.simulator import drawing
from edge.site import profile as profiles
from edge.site.sensors import SENSORS, binning, micrometres_per_pixel


def test_the_width_of_a_pixel() -> None:
    assert micrometres_per_pixel("imx219", 1, 10) == pytest.approx(0.112)
    assert micrometres_per_pixel("imx477", 2, 40, 0.5) == pytest.approx(0.155)
    assert binning("imx477", (2028, 1520)) == 2 and binning("imx477", (1520, 2028)) == 2  # also turned
    assert binning("imx219", (640, 480)) == 5.125
    with pytest.raises(UserError, match="has only 2592"):
        binning("ov5647", (3280, 2464))
    assert all(1 < pixel < 10 and 1000 < across < 10_000 for pixel, across in SENSORS.values())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields")
    drawn, _ = drawing.field(np.random.default_rng(0), 3, shape=(480, 640), look=drawing.Look(red_cell=40))
    Image.fromarray(drawn).save(folder / "a.png")
    return folder


def test_the_ruler_by_objective_and_sensor(pictures: Path, tmp_path: Path) -> None:
    """With the whole sensor shown, 6.34 of its pixels make one of the picture; a person may say otherwise."""
    out = tmp_path / "a.json"
    optics = ("--objective", 100, "--camera-sensor", "imx477", "--adapter", 0.5)
    done = invoke("edge.site", "ruler", pictures, *optics, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "whole width of the sensor" in done.stdout and "0.1965 micrometres" in done.stdout
    found = profiles.read(out).ruler
    assert found and found.red_cell == pytest.approx(0.92 * 7.5 / 0.19647, abs=0.02) and found.pictures == 0
    done = invoke("edge.site", "ruler", pictures, *optics, "--binning", 4, "--out", tmp_path / "b.json")
    found = profiles.read(tmp_path / "b.json").ruler
    assert found and found.red_cell == pytest.approx(0.92 * 7.5 / 0.124, abs=0.02)
    assert "whole width" not in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--objective", 40), "go together"),
        (("--camera-sensor", "imx219"), "go together"),
        (("--objective", 40, "--camera-sensor", "imx219", "--micrometres-per-pixel", 0.2), "leave one out"),
        (("--binning", 2), "--objective"),
        (("--micrometres-per-pixel", 0.2, "--adapter", 0.5), "--objective"),
        (("--objective", 1000, "--camera-sensor", "imx219", "--binning", 0.1), "check the number"),
    ],
)
def test_refusals(pictures: Path, tmp_path: Path, options: tuple[object, ...], words: str) -> None:
    done = invoke("edge.site", "ruler", pictures, *options, "--out", tmp_path / "a.json")
    assert_refused(done, words)
    assert not (tmp_path / "a.json").exists()
