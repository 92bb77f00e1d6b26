"""The simulated slide, and the options that describe it."""

import math
from dataclasses import fields

import numpy as np
import pytest

from edge.errors import UserError
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import _RANGES, Scenario, Slide, parse

SMALL = Scenario(seed=3, width=480, height=360, red_cell=36, faults=0, defocus=0)


def test_tiles_fit_together_at_their_seams() -> None:
    slide = Slide(SMALL)
    both = np.hstack([slide.tile(4), slide.tile(5)]).astype(int)
    steps = np.abs(np.diff(both, axis=1)).mean(axis=(0, 2))
    assert steps[479] < 3 * np.median(steps)


def test_options_are_parsed_and_wrong_ones_refused() -> None:
    assert parse("7").seed == 7 and parse("").seed == 0 and parse("seed=7,faults=20") == Scenario(seed=7, faults=20.0)
    assert parse("", (640, 480), 15).width == 640 and parse("", (640, 480), 15).fps == 15
    for bad in ("cells=3", "seed=x", f"seed={'9' * 5000}", "height=nan", "1,x"):
        with pytest.raises(UserError, match="is not an option with a number"):
            parse(bad)
    with pytest.raises(UserError, match="sim: width must be 40 to 4096, not 1"):
        parse("", (1, 1))
    with pytest.raises(UserError, match="sim:width=100: width and height must be at least 5 times red_cell"):
        parse("width=100")


@pytest.mark.parametrize("name", [field.name for field in fields(Scenario)])
def test_each_option_has_a_range_whose_ends_work(name: str) -> None:
    least, most = _RANGES[name]
    is_whole = isinstance(getattr(Scenario(), name), int)
    beyond = [least - 1, most + 1] if is_whole else [least - 1, 2 * most, math.nan, math.inf, -math.inf, 1e300]
    for value in beyond:
        with pytest.raises(UserError, match=f"{name} must be {least} to {most:.10g}, not"):
            parse(f"{name}={value}")
    small = {"width": "128", "height": "96", "red_cell": "8", "fps": "2", "faults": "60"}
    if name in ("width", "height"):
        least, most = 40, 1024  # a larger slide takes seconds to draw
    if name == "red_cell":
        most = 19
    for value in (least, most):
        scenario = parse(",".join(f"{key}={each}" for key, each in {**small, name: str(value)}.items()))
        camera = SimulatedCamera(scenario, paced=False)
        for number in (0, 1, 7):
            assert camera.frame(number).shape == (scenario.height, scenario.width, 3)
