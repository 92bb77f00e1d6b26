"""A live session: the stage followed, each cell counted once, nothing decided where nothing is to be seen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge import view
from edge.cell import Cell
from edge.errors import UserError
from edge.frames import Frame
from edge.live import registration
from edge.live.session import Session
from edge.live.tracking import ENOUGH, Tracker
from edge.locate import Locator
from edge.model import Model
from edge.simulator import drawing
from edge.simulator.slide import Scenario

SLIDE = Scenario(seed=3, width=480, height=360, red_cell=30, fps=15, faults=0, defocus=0)


@pytest.fixture(scope="module")
def parts() -> tuple[Model, Locator]:
    return Model(), Locator()


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    return drawing.field(np.random.default_rng(8), 4, shape=(480, 640), look=drawing.Look(red_cell=36))[0]


def noisy(image: np.ndarray, i: int) -> np.ndarray:
    return np.clip(image + np.random.default_rng(i).normal(0, 2, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("moved", [(0, 0), (64, 0), (-200, 48), (360, -120)])
def test_the_stage_is_followed(moved: tuple[int, int]) -> None:
    wide, _ = drawing.field(np.random.default_rng(1), 6, shape=(760, 1400), look=drawing.Look(red_cell=36))
    x, y = 280 + moved[0], 140 + moved[1]
    before, now = wide[140:620, 280:920], wide[y : y + 480, x : x + 640]
    dx, dy, alike = registration.shift(registration.small(before), registration.small(now))
    assert alike > 0.8 and np.hypot(dx * 640 + moved[0], dy * 640 + moved[1]) < 6


def test_two_places_are_not_taken_for_one(field: np.ndarray) -> None:
    other = drawing.field(np.random.default_rng(9), 4, look=drawing.Look(red_cell=36))[0]
    assert registration.shift(registration.small(field), registration.small(other))[2] < 0.4


def test_a_camera_that_changes_its_size_shows_the_same_place(field: np.ndarray) -> None:
    large = cv2.resize(field, (1280, 960))
    dx, dy, alike = registration.shift(registration.small(field), registration.small(large))
    assert alike > 0.95 and abs(dx) < 0.01 and abs(dy) < 0.01


def run(session: Session, images: list[np.ndarray], start: int = 0, fps: float = 15) -> list:
    answers = []
    for i, image in enumerate(images, start):
        answers += session.step(Frame(image, "test", i, i / fps, i / fps))
    return answers


def test_one_cell_is_one_number_whatever_the_camera_does(field: np.ndarray, parts: tuple[Model, Locator]) -> None:
    """A shake, faults of every kind, another size: cells are counted in the first second and never again."""
    session = Session(*parts)
    rng = np.random.default_rng(0)
    images = [noisy(np.roll(field, tuple(rng.integers(-2, 3, 2)), (0, 1)), i) for i in range(60)]
    first = run(session, images[:20])
    numbers = [a.cells[0][0].number for a in first]
    assert len(first) >= 3 and numbers == list(range(len(first)))
    assert all(a.cells[0][1].frames >= 3 for a in first)
    bad = [np.zeros_like(field), np.full_like(field, 255), np.full_like(field, 99), images[19], images[19].copy()]
    torn = images[21].copy()
    torn[200:] = 128
    large = [cv2.resize(image, (1280, 960)) for image in images[40:50]]
    again = run(session, [*bad, torn, *images[20:40], *large, *images[50:60]], 20)
    assert not again and not session.finish()
    assert session.stage.jumps == 0 and set(session.status.faults) == {
        "black", "saturated", "one colour", "frozen", "torn"
    }  # fmt: skip
    assert session.status.faults["frozen"] == 1  # the same picture, but with others between, is none


def test_a_camera_that_hangs_is_told_from_a_short_freeze(field: np.ndarray, parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    run(session, [noisy(field, 0)])
    told = []
    for second in range(1, 14):
        session.step(Frame(noisy(field, 0), "test", second, float(second), float(second)))
        told.append(session.stuck(float(second)))
    assert [i + 1 for i, stuck in enumerate(told) if stuck] == [6, 12]
    run(session, [noisy(field, 1)], 14)
    assert not session.stuck(99.0)


def test_another_place_is_counted_anew(field: np.ndarray, parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    first = run(session, [noisy(field, i) for i in range(20)])
    other = np.ascontiguousarray(field[::-1, ::-1])
    second = run(session, [noisy(other, i) for i in range(20)], 20)
    assert len(second) == len(first) and session.stage.jumps == 1
    assert {a.cells[0][0].number for a in first + second} == set(range(2 * len(first)))


def test_nothing_is_decided_while_the_stage_moves(parts: tuple[Model, Locator]) -> None:
    wide, _ = drawing.field(np.random.default_rng(4), 14, shape=(360, 2400), look=drawing.Look(red_cell=30))
    session = Session(*parts)
    answers = run(session, [noisy(wide[:, 30 * i : 30 * i + 480], i) for i in range(1, 60)])
    assert not answers[1:] and session.status.doing == "the stage moves"  # the first frame may be one at rest
    assert run(session, [noisy(wide[:, 1800:2280], i) for i in range(60, 80)], 60)


def test_nothing_is_decided_out_of_focus(field: np.ndarray, parts: tuple[Model, Locator]) -> None:
    session = Session(*parts)
    blurred = cv2.GaussianBlur(field, (0, 0), 0.25 * 36)
    assert not run(session, [noisy(blurred, i) for i in range(20)])
    assert session.status.doing == "out of focus" and "fine focus" in session.status.warnings[0]
    assert run(session, [noisy(field, i) for i in range(20, 40)], 20)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_simulated_slide_is_counted(seed: int, parts: tuple[Model, Locator]) -> None:
    """With faults; benchmark live does this for a thousand cells."""
    from benchmarks.counting import crossing

    result = crossing(replace(SLIDE, seed=seed, faults=12.0), 25)
    assert result["passed"] >= 25 and result["missed"] <= 1 and result["twice"] <= 1 and result["phantom"] == 0
    assert result["faults"]


def test_pictures_of_different_places_are_each_looked_at(field: np.ndarray, parts: tuple[Model, Locator]) -> None:
    session = Session(*parts, still=True)
    one = len(run(session, [field]))
    assert one >= 3 and len(run(session, [field], 1)) == one


def whole(x: float, y: float, diameter: float = 60) -> Cell:
    box = (int(x - diameter / 2), int(y - diameter / 2), int(diameter), int(diameter))
    return Cell(box, 0, (x, y), diameter / 1.5, diameter, 36, False, 0.9)


def test_a_find_that_shows_up_rarely_is_no_cell() -> None:
    follow = Tracker(2)
    image = np.zeros((480, 640, 3), np.uint8)
    counted = []
    for i in range(40):
        frame = Frame(image, "test", i, i / 30)
        cells = [whole(200, 200)] + ([whole(400, 300)] if i % 5 == 0 else [])
        for cell, track in follow.match(frame, cells, (0.0, 0.0)):
            if not track.decided:
                done = follow.add(track, frame, cell, np.array([0.25, 0.75]))
                counted += [done] if done else []
        counted += follow.leave(frame, (0.0, 0.0))
    assert [c.cell.centre for c in counted + follow.rest()] == [(200, 200)]
    assert counted[0].frames == ENOUGH and counted[0].mean.tolist() == [0.25, 0.75]


def test_a_cell_that_leaves_early_is_decided_with_what_it_has() -> None:
    follow = Tracker(2)
    image = np.zeros((480, 640, 3), np.uint8)
    for i in range(4):
        frame = Frame(image, "test", i, i / 30)
        ((cell, track),) = follow.match(frame, [whole(100, 200)], (0.0, 0.0))
        assert follow.add(track, frame, cell, np.array([i / 4, 1 - i / 4])) is None
    (counted,) = follow.leave(frame, (0.5, 0.0))
    assert counted.frames == 4 and counted.mean[0] == pytest.approx(0.375)
    assert follow.match(frame, [whole(100, 200)], (0.0, 0.0))[0][1].decided  # back again, it is the same cell
    follow.leave(frame, (4.0, 0.0))
    assert not follow.tracks


def test_sharpness_falls_with_defocus_and_not_with_magnification(field: np.ndarray) -> None:
    values = [view.sharpness(noisy(cv2.GaussianBlur(field, (0, 0), s), 0), 36) for s in (0.5, 2, 4, 8)]
    assert values == sorted(values, reverse=True) and values[0] > 2 * values[3]
    assert view.sharpness(cv2.resize(field, (1280, 960)), 72) == pytest.approx(view.sharpness(field, 36), rel=0.25)
    assert view.sharpness(np.full_like(field, 230), 36) == 0


def test_warnings_say_what_to_do(field: np.ndarray) -> None:
    def warned(image: np.ndarray, watch: view.FocusMonitor) -> str:
        seen = view.look(np.clip(image, 0, 255).astype(np.uint8), 36)
        watch.focus(seen, 0.0)
        return " ".join(watch.warnings(seen))

    watch = view.FocusMonitor()
    for _ in range(6):
        assert warned(field, watch) == ""
    plain = field.astype(float)
    assert "lower the lamp" in warned(plain * 1.5, watch)
    assert "raise the lamp" in warned(plain * 0.3, watch)
    assert "centre the condenser" in warned(plain * np.linspace(0.5, 1, 640)[:, None], watch)
    assert "white-balance" in warned(plain * (1, 1, 0.8), watch)
    assert "fine focus" in warned(cv2.GaussianBlur(field, (0, 0), 9), watch)


def test_flat_evens_the_light(field: np.ndarray) -> None:
    shade = 1 - 0.4 * np.linspace(-1, 1, 640)[None, :, None] ** 2
    blank = noisy(240 * shade * np.ones_like(field), 1)
    evened = view.FlatField(blank).apply((field * shade).astype(np.uint8))
    assert np.abs(evened.astype(int) - field).mean() < 4 < np.abs((field * shade) - field).mean()
    assert view.look(evened, 36).uneven < 1.2 < view.look((field * shade).astype(np.uint8), 36).uneven
    with pytest.raises(UserError, match="isn't empty"):
        view.FlatField(field)
    with pytest.raises(UserError, match="640x480 pixels, the camera 320x240"):
        view.FlatField(blank).apply(field[::2, ::2])


def test_flat_is_captured_from_an_empty_spot(field: np.ndarray, parts: tuple[Model, Locator]) -> None:
    said: list[str] = []
    session = Session(*parts, flat="capture", say=said.append)
    blank = 240 * (1 - 0.3 * np.linspace(-1, 1, 640)[None, :, None] ** 2) * np.ones_like(field)
    run(session, [noisy(blank, i) for i in range(16)])
    assert session.flat is not None and said
    with pytest.raises(UserError, match="isn't empty"):
        run(Session(*parts, flat="capture"), [noisy(field, i) for i in range(16)])
