"""The simulated microscope: the same seed gives the same frames, cells lie where its truth says, faults are seen."""

from dataclasses import replace

import numpy as np

from edge.camera.faults import Faults
from edge.frames import Frame
from edge.locate import Locator
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

SMALL = Scenario(seed=3, width=480, height=360, red_cell=36, faults=0, defocus=0)


def test_the_same_seed_gives_the_same_frames_in_any_order() -> None:
    one, two = SimulatedCamera(SMALL, paced=False), SimulatedCamera(SMALL, paced=False)
    late = one.frame(200)
    assert late.shape == (360, 480, 3) and late.dtype == np.uint8
    two.frame(0)
    assert np.array_equal(late, two.frame(200)) and not np.array_equal(late, two.frame(201))
    assert not np.array_equal(late, SimulatedCamera(replace(SMALL, seed=4), paced=False).frame(200))


def test_the_locator_finds_the_cells_that_the_truth_names() -> None:
    camera, locator = SimulatedCamera(SMALL, paced=False), Locator()
    asked = met = strange = 0
    for rest in range(12):
        number = int((rest * 2 + 0.7) * 30)
        x, _ = camera.stage(number)
        cells = locator.cells(Frame(camera.frame(number), "sim", number, 0.0))
        near = camera.truth(x - 60, x + 540)
        whole = [t for t in near if x + t.radius < t.x < x + 480 - t.radius]
        met += sum(any(np.hypot(c.centre[0] + x - t.x, c.centre[1] - t.y) < t.radius for c in cells) for t in whole)
        asked += len(whole)
        strange += sum(
            not any(np.hypot(c.centre[0] + x - t.x, c.centre[1] - t.y) < t.radius for t in near)
            for c in cells if not c.at_border
        )  # fmt: skip
    assert asked > 15 and met >= asked - 1 and strange <= 1


def test_faults_are_recognised_and_good_frames_are_not_taken_for_faulty() -> None:
    scenario = replace(SMALL, faults=60.0)
    camera, faults = SimulatedCamera(scenario, paced=False), Faults()
    kinds = {"black": "black", "saturated": "saturated", "frozen": "frozen", "torn": "torn", None: ""}
    seen: dict[str | None, list[bool]] = {}
    for _ in range(900):
        if not camera.grab():
            camera.open()
            continue
        fault = camera.fault(camera.number)
        kind = fault.kind if fault else None
        seen.setdefault(kind, []).append(faults.of(camera.retrieve()) == kinds[kind])
    assert {"black", "saturated", "frozen", "torn", None} <= set(seen)
    assert all(seen[None]) and all(seen["black"]) and all(seen["saturated"])
    assert np.mean(seen["frozen"]) > 0.9 and np.mean(seen["torn"]) > 0.9


def test_a_paced_camera_keeps_to_the_clock() -> None:
    camera = SimulatedCamera(replace(SMALL, fps=100.0))
    camera.open()
    numbers = [camera.number for _ in range(5) if camera.grab()]
    assert numbers == sorted(set(numbers))


def test_the_camera_ends_when_its_scenario_says_so() -> None:
    camera = SimulatedCamera(replace(SMALL, end=1.0), paced=False)
    count = 0
    while camera.grab():
        count += 1
    assert count == 30 and not camera.comes_back
