"""A live session: each cell is counted once, and no cell is decided while it can't be seen well."""

import logging
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from live_helpers import FIELD, noisy

from edge.classify import Answer
from edge.errors import UserError
from edge.frames import Frame
from edge.live import session as live_session
from edge.live.session import Session, SessionSettings
from edge.locate import Locator
from edge.model import Model
from edge.red_cells import KnownRuler
from edge.simulator import drawing
from edge.simulator.drawing import Truth
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

SCENARIO = Scenario(seed=3, width=480, height=360, red_cell=30, fps=15, faults=0, defocus=0)


@pytest.fixture(scope="module")
def parts() -> tuple[Model, Locator]:
    return Model(), Locator()


def run(session: Session, images: list[np.ndarray], start: int = 0, fps: float = 15) -> list:
    answers = []
    for i, image in enumerate(images, start):
        answers += session.step(Frame(image, "test", i, i / fps, i / fps))
    return answers


def test_a_cell_is_counted_once_whatever_the_camera_does(parts: tuple[Model, Locator]) -> None:
    """Shaking, every fault, frames of another size: cells are counted in the first second and never again."""
    session = Session(*parts)
    rng = np.random.default_rng(0)
    images = [noisy(np.roll(FIELD, tuple(rng.integers(-2, 3, 2)), (0, 1)), i) for i in range(60)]
    first = run(session, images[:20])
    numbers = [a.cells[0][0].number for a in first]
    assert len(first) >= 3 and numbers == list(range(len(first)))
    assert all(a.cells[0][1].frames >= 3 for a in first)
    bad = [np.zeros_like(FIELD), np.full_like(FIELD, 255), np.full_like(FIELD, 99), images[19], images[19].copy()]
    torn = images[21].copy()
    torn[200:] = 128
    large = [cv2.resize(image, (1280, 960)) for image in images[40:50]]
    again = run(session, [*bad, torn, *images[20:40], *large, *images[50:60]], 20)
    assert not again and not session.finish()
    assert session.stage.jumps == 0 and set(session.status.faults) == {
        "black", "saturated", "one colour", "frozen", "torn"
    }  # fmt: skip
    assert session.status.faults["frozen"] == 1  # the same picture again after other pictures isn't frozen


@pytest.mark.parametrize(("diameter", "size", "complaint"), [
    (27.6, (480, 360), ""), (41.0, (480, 360), "doesn't fit"),
    (41.0, (640, 480), ""), (27.6, (500, 300), "can't be used"),
])  # fmt: skip
def test_the_site_s_ruler_is_used_and_compared(
    parts: tuple[Model, Locator],
    diameter: float,
    size: tuple[int, int],
    complaint: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    fields = [
        drawing.field(np.random.default_rng(i), 4, shape=(360, 480), look=drawing.Look(red_cell=30))[0]
        for i in range(6)
    ]
    settings = SessionSettings(red_cell=KnownRuler(diameter, 0.0, size), unrelated_frames=True)
    answers = run(Session(*parts, settings), fields)
    said = [record.message for record in caplog.records if "ruler" in record.message]
    assert len(said) == bool(complaint) and complaint in "".join(said)  # once
    if not complaint:
        assert {round(a.cells[0][0].red_cell, 6) for a in answers} == {round(diameter * 480 / size[0], 6)}


def test_a_camera_that_hangs_is_distinguished_from_a_short_freeze(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    run(session, [noisy(FIELD, 0)])
    stuck = []
    for second in range(1, 14):
        session.step(Frame(noisy(FIELD, 0), "test", second, float(second), float(second)))
        stuck.append(session.stuck(float(second)))
    assert [i + 1 for i, each in enumerate(stuck) if each] == [6, 12]
    run(session, [noisy(FIELD, 1)], 14)
    assert not session.stuck(99.0)


def test_the_cells_of_another_place_are_counted_too(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    first = run(session, [noisy(FIELD, i) for i in range(20)])
    other = np.ascontiguousarray(FIELD[::-1, ::-1])
    second = run(session, [noisy(other, i) for i in range(20)], 20)
    assert len(second) == len(first) and session.stage.jumps == 1
    assert {a.cells[0][0].number for a in first + second} == set(range(2 * len(first)))


def test_a_place_is_known_again_after_two_unseen_movements(parts: tuple[Model, Locator]) -> None:
    """To another place and back: what was counted there is remembered."""
    session = Session(*parts)
    other = np.ascontiguousarray(FIELD[::-1, ::-1])
    places = [FIELD, other, FIELD, other]
    counts = [len(run(session, [noisy(view, i) for i in range(20)], 20 * n)) for n, view in enumerate(places)]
    assert counts[0] == counts[1] >= 3 and counts[2:] == [0, 0] and session.stage.jumps == 3


def overlapping() -> list[np.ndarray]:
    """Two views that share one white cell and so little of its surroundings that they can't be registered."""
    wide, cells = drawing.field(np.random.default_rng(6), 9, shape=(480, 1400), look=drawing.Look(red_cell=36))
    for shared in cells:
        first, second = round(shared.x + 1.4 * shared.radius) - 640, round(shared.x - 1.4 * shared.radius)
        if first >= 0 and second + 640 <= 1400:
            return [np.ascontiguousarray(wide[:, x : x + 640]) for x in (first, second)]
    raise AssertionError("no cell lies in the middle")


def test_a_cell_is_recognised_by_its_surroundings_after_an_unseen_movement(
    parts: tuple[Model, Locator], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ([noisy(view, i) for i in range(12)] for view in overlapping())
    cells = len(run(Session(*parts), first)) + len(run(Session(*parts), second)) - 1
    session = Session(*parts)
    answers = run(session, [*first, *second])
    assert session.stage.jumps == 1 and len(answers) == cells and not any(a.sighting.seen_before for a in answers)
    monkeypatch.setattr(live_session, "_SAME", 1.1)  # so nothing is recognised for sure
    answers = run(Session(*parts), [*first, *second])
    assert len(answers) == cells + 1 and [a.sighting.seen_before for a in answers].count(True) == 1


def test_nothing_is_decided_while_the_stage_moves(parts: tuple[Model, Locator]) -> None:
    wide, _ = drawing.field(np.random.default_rng(4), 14, shape=(360, 2400), look=drawing.Look(red_cell=30))
    session = Session(*parts)
    answers = run(session, [noisy(wide[:, 30 * i : 30 * i + 480], i) for i in range(1, 60)])
    assert not answers[1:] and session.status.doing == "the stage moves"  # at first the stage may still be at rest
    assert run(session, [noisy(wide[:, 1800:2280], i) for i in range(60, 80)], 60)


def test_nothing_is_decided_out_of_focus(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    blurred = cv2.GaussianBlur(FIELD, (0, 0), 0.25 * 36)
    assert not run(session, [noisy(blurred, i) for i in range(20)])
    assert session.status.doing == "out of focus" and "fine focus" in session.status.warnings[0]
    assert run(session, [noisy(FIELD, i) for i in range(20, 40)], 20)


def passed_by(camera: SimulatedCamera) -> set[Truth]:
    """The cells that the present place shows whole; none until half of its frames have come without a fault."""
    s, (place, resting) = camera.scenario, camera.rest(camera.number)
    first = int(place * (s.dwell + s.move) * s.fps) + 1
    good = sum(camera.fault(number) is None for number in range(first, camera.number + 1))
    if not resting or good < s.dwell * s.fps / 2:
        return set()
    x, _ = camera.stage(first)
    # The locator takes a cell to be a little larger than it is, so it may take a cell near the border to be cut.
    return {t for t in camera.truth(x, x + s.width) if x + 1.35 * t.radius < t.x < x + s.width - 1.35 * t.radius}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_simulated_slide_is_counted(seed: int, parts: tuple[Model, Locator]) -> None:
    """The camera has faults. `benchmark live` does this for a thousand cells."""
    camera, session = SimulatedCamera(replace(SCENARIO, seed=seed, faults=12.0), paced=False), Session(*parts)
    passed: set[Truth] = set()
    answers: list[Answer] = []
    while len(passed) < 25:
        if not camera.grab():
            camera.open()
            continue
        number = camera.number
        answers += session.step(Frame(camera.retrieve(), "sim", number, 0.0, number / SCENARIO.fps))
        passed |= passed_by(camera)
    answers += session.finish()
    counts: Counter[Truth] = Counter()
    for answer in answers:
        x, y = camera.stage(answer.picture.number)
        ((cell, _),) = answer.cells
        at = cell.centre[0] + x, cell.centre[1] + y
        near = [t for t in camera.truth(at[0] - 200, at[0] + 200) if np.hypot(t.x - at[0], t.y - at[1]) <= t.radius]
        debris = camera.debris(at[0] - 200, at[0] + 200)
        counts.update(near[:1])
        assert near or any(np.hypot(t.x - at[0], t.y - at[1]) < SCENARIO.red_cell / 2 for t in debris)
    assert sum(counts[cell] == 0 for cell in passed) <= 1 and sum(n - 1 for n in counts.values()) <= 1
    assert sum(session.status.faults.values())


def test_every_picture_of_unrelated_places_is_looked_at(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts, SessionSettings(unrelated_frames=True))
    one = len(run(session, [FIELD]))
    assert one >= 3 and len(run(session, [FIELD], 1)) == one


def test_flat_is_captured_from_an_empty_spot(parts: tuple[Model, Locator], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edge")
    session = Session(*parts, SessionSettings(capture_flat=True))
    blank = 240 * (1 - 0.3 * np.linspace(-1, 1, 640)[None, :, None] ** 2) * np.ones_like(FIELD)
    run(session, [noisy(blank, i) for i in range(16)])
    assert session.flat is not None and "now on: move to the cells" in caplog.text
    with pytest.raises(UserError, match="isn't empty"):
        run(Session(*parts, SessionSettings(capture_flat=True)), [noisy(FIELD, i) for i in range(16)])


def test_a_flat_field_that_is_taken_again_may_fail(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    session.retake_flat()
    run(session, [noisy(FIELD, i) for i in range(17)])
    assert session.flat is None and "isn't empty" in session.status.flat
    session.retake_flat()
    run(session, [noisy(np.full_like(FIELD, 230), i) for i in range(16)], 17)
    assert session.flat is not None and "now on: move to the cells" in session.status.flat


def test_a_paused_session_looks_but_counts_nothing(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    session.paused = True
    assert not run(session, [noisy(FIELD, i) for i in range(20)]) and session.status.doing == "paused"
    assert session.status.quality and session.red_cell == pytest.approx(36, rel=0.2)
    session.paused = False
    assert len(run(session, [noisy(FIELD, i) for i in range(20, 40)], 20)) >= 3


def test_the_view_has_the_answers_of_its_cells_and_follows_the_stage(parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    frame = Frame(noisy(FIELD, 3), "test", 3, 3 / 15, 3 / 15)
    assert not session.view(frame), "nothing is known yet"
    run(session, [noisy(FIELD, i) for i in range(5)])
    assert {decision for _, decision in session.view(frame)} == {None}
    answers = [answer.cells[0] for answer in run(session, [noisy(FIELD, i) for i in range(5, 20)], 5)]
    shown = {cell.number: (cell, decision) for cell, decision in session.view(frame)}
    assert answers and set(shown) == {cell.number for cell, _ in answers}
    for cell, decision in answers:
        seen, answer = shown[cell.number]
        assert answer == decision and np.hypot(*np.subtract(seen.centre, cell.centre)) < 3
    run(session, [noisy(np.roll(FIELD, -40, 1), 20)], 20)
    assert not session.stage.resting
    for cell, decision in session.view(frame):
        before, answer = shown[cell.number]
        assert answer == decision and cell.centre[0] == pytest.approx(before.centre[0] - 40, abs=3)
