"""The simulated microscope: one seed, one slide; its cells are where its truth says; its faults are faults."""

import numpy as np
import pytest

from edge.camera.faults import Faults
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Locator
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario, parse

SMALL = Scenario(seed=3, width=480, height=360, red_cell=36, faults=0, defocus=0)


def test_one_seed_one_picture_in_whatever_order() -> None:
    one, two = SimulatedCamera(SMALL, paced=False), SimulatedCamera(SMALL, paced=False)
    late = one.frame(200)
    assert late.shape == (360, 480, 3) and late.dtype == np.uint8
    two.frame(0)
    assert np.array_equal(late, two.frame(200)) and not np.array_equal(late, two.frame(201))
    assert not np.array_equal(late, SimulatedCamera(Scenario(**{**vars(SMALL), "seed": 4}), paced=False).frame(200))


def test_tiles_fit_at_their_seams() -> None:
    scope = SimulatedCamera(Scenario(**{**vars(SMALL), "noise": 0.0}), paced=False)
    both = np.hstack([scope._strip.tile(4), scope._strip.tile(5)]).astype(int)
    steps = np.abs(np.diff(both, axis=1)).mean(axis=(0, 2))
    assert steps[479] < 3 * np.median(steps)


def test_the_locator_finds_the_cells_that_the_truth_names() -> None:
    scope, locator = SimulatedCamera(SMALL, paced=False), Locator()
    asked = met = strange = 0
    for rest in range(12):
        number = int((rest * 2 + 0.7) * 30)
        x, _ = scope.stage(number)
        cells = locator.cells(Frame(scope.frame(number), "sim", number, 0.0))
        near = scope.truth(x - 60, x + 540)
        whole = [t for t in near if x + t.radius < t.x < x + 480 - t.radius]
        met += sum(any(np.hypot(c.centre[0] + x - t.x, c.centre[1] - t.y) < t.radius for c in cells) for t in whole)
        asked += len(whole)
        strange += sum(
            not any(np.hypot(c.centre[0] + x - t.x, c.centre[1] - t.y) < t.radius for t in near)
            for c in cells if not c.at_border
        )  # fmt: skip
    assert asked > 15 and met >= asked - 1 and strange <= 1


def test_faults_are_seen_and_good_frames_are_not_taken_for_faults() -> None:
    slide = Scenario(**{**vars(SMALL), "faults": 60.0})
    scope, faults = SimulatedCamera(slide, paced=False), Faults()
    kinds = {"black": "black", "saturated": "saturated", "frozen": "frozen", "torn": "torn", None: ""}
    seen: dict[str | None, list[bool]] = {}
    for _ in range(900):
        if not scope.grab():
            scope.plug()
            continue
        fault = scope.fault(scope.number)
        kind = fault.kind if fault else None
        seen.setdefault(kind, []).append(faults.of(scope.retrieve()) == kinds[kind])
    assert {"black", "saturated", "frozen", "torn", None} <= set(seen)
    assert all(seen[None]) and all(seen["black"]) and all(seen["saturated"])
    assert np.mean(seen["frozen"]) > 0.9 and np.mean(seen["torn"]) > 0.9


def test_a_paced_microscope_goes_with_the_clock() -> None:
    scope = SimulatedCamera(Scenario(**{**vars(SMALL), "fps": 100.0}))
    scope.plug()
    numbers = [scope.number for _ in range(5) if scope.grab()]
    assert numbers == sorted(set(numbers))


def test_end() -> None:
    scope = SimulatedCamera(Scenario(**{**vars(SMALL), "end": 1.0}), paced=False)
    count = 0
    while scope.grab():
        count += 1
    assert count == 30 and not scope.returns


def test_parse() -> None:
    assert parse("7").seed == 7 and parse("").seed == 0 and parse("seed=7,faults=20") == Scenario(seed=7, faults=20.0)
    assert parse("", (640, 480), 15).width == 640 and parse("", (640, 480), 15).fps == 15
    for bad in ("cells=3", "seed=x", "width=3", "fps=0", "step=2"):
        with pytest.raises(UserError):
            parse(bad)
