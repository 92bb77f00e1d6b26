"""The simulated slide, and the options that describe it."""

import numpy as np
import pytest

from edge.errors import UserError
from edge.simulator.slide import Scenario, Slide, parse

SMALL = Scenario(seed=3, width=480, height=360, red_cell=36, faults=0, defocus=0)


def test_tiles_fit_together_at_their_seams() -> None:
    slide = Slide(SMALL)
    both = np.hstack([slide.tile(4), slide.tile(5)]).astype(int)
    steps = np.abs(np.diff(both, axis=1)).mean(axis=(0, 2))
    assert steps[479] < 3 * np.median(steps)


def test_options_are_parsed_and_wrong_ones_refused() -> None:
    assert parse("7").seed == 7 and parse("").seed == 0 and parse("seed=7,faults=20") == Scenario(seed=7, faults=20.0)
    assert parse("", (640, 480), 15).width == 640 and parse("", (640, 480), 15).fps == 15
    for bad in ("cells=3", "seed=x", "width=3", "fps=0", "step=2"):
        with pytest.raises(UserError):
            parse(bad)
