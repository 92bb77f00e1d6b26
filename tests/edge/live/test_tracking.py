"""A tracked cell is counted once; what is found only rarely is no cell."""

import numpy as np
import pytest

from edge.cell import Cell
from edge.frames import Frame
from edge.live.tracking import ENOUGH, Tracker


def whole(x: float, y: float, diameter: float = 60) -> Cell:
    box = (int(x - diameter / 2), int(y - diameter / 2), int(diameter), int(diameter))
    return Cell(box, 0, (x, y), diameter / 1.5, diameter, 36, False, 0.9)


def test_what_is_found_only_rarely_is_no_cell() -> None:
    tracker = Tracker(2)
    image = np.zeros((480, 640, 3), np.uint8)
    counted = []
    for i in range(40):
        frame = Frame(image, "test", i, 0.0, i / 30)
        cells = [whole(200, 200)] + ([whole(400, 300)] if i % 5 == 0 else [])
        for cell, track in tracker.match(frame, cells, (0.0, 0.0)):
            if not track.counted:
                done = tracker.add(track, frame, cell, np.array([0.25, 0.75]))
                counted += [done] if done else []
        counted += tracker.prune(frame, (0.0, 0.0))
    assert [c.cell.centre for c in counted + tracker.flush()] == [(200, 200)]
    assert counted[0].frames == ENOUGH and counted[0].mean.tolist() == [0.25, 0.75]


def test_a_wrong_place_is_corrected_for_old_and_new_cells() -> None:
    """Else old and new cells disagree about the next frame, and the place jumps to and fro: the stage seems to move."""
    tracker = Tracker(2)
    place, error = (2.0, 0.0), 0.03
    for i in range(4):
        frame = Frame(np.zeros((480, 640, 3), np.uint8), "test", i, 0.0, i / 30)
        found = [whole(200, 200)] if i < 2 else [whole(200, 200), whole(400, 300), whole(500, 100)]
        at = (place[0] + (error if i == 2 else 0.0), 0.0)
        pairs = tracker.match(frame, found, at)
        drift = tracker.drift(pairs, 640, at)
        if drift:
            tracker.correct(frame, *drift)
            assert drift == pytest.approx((-error if i == 2 else 0.0, 0.0), abs=1e-9)
    assert len(tracker.tracks) == 3


def test_a_cell_that_leaves_early_is_counted_from_the_frames_so_far() -> None:
    tracker = Tracker(2)
    image = np.zeros((480, 640, 3), np.uint8)
    for i in range(4):
        frame = Frame(image, "test", i, 0.0, i / 30)
        ((cell, track),) = tracker.match(frame, [whole(100, 200)], (0.0, 0.0))
        assert tracker.add(track, frame, cell, np.array([i / 4, 1 - i / 4])) is None
    (counted,) = tracker.prune(frame, (0.5, 0.0))
    assert counted.frames == 4 and counted.mean[0] == pytest.approx(0.375)
    assert tracker.match(frame, [whole(100, 200)], (0.0, 0.0))[0][1].counted  # back again, it is the same cell
    tracker.prune(frame, (4.0, 0.0))
    assert not tracker.tracks
