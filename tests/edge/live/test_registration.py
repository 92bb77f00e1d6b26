"""Frames are registered with each other, and the stage is followed that way."""

import cv2
import numpy as np
import pytest
from live_helpers import FIELD

from edge.live.registration import Shift, StageTracker, register, thumbnail
from edge.simulator import drawing


def shift(before: np.ndarray, now: np.ndarray) -> Shift:
    return register(thumbnail(before), thumbnail(now))


@pytest.mark.parametrize("moved", [(0, 0), (64, 0), (-200, 48), (360, -120)])
def test_the_stage_is_followed(moved: tuple[int, int]) -> None:
    wide, _ = drawing.field(np.random.default_rng(1), 6, shape=(760, 1400), look=drawing.Look(red_cell=36))
    x, y = 280 + moved[0], 140 + moved[1]
    before, now = wide[140:620, 280:920], wide[y : y + 480, x : x + 640]
    found = shift(before, now)
    assert found.correlation > 0.8 and np.hypot(found.dx * 640 + moved[0], found.dy * 640 + moved[1]) < 6


def test_two_places_are_not_taken_for_the_same_place() -> None:
    other = drawing.field(np.random.default_rng(9), 4, look=drawing.Look(red_cell=36))[0]
    assert shift(FIELD, other).correlation < 0.4


def test_the_place_stays_the_same_when_the_frames_change_their_size() -> None:
    large = cv2.resize(FIELD, (1280, 960))
    found = shift(FIELD, large)
    assert found.correlation > 0.95 and abs(found.dx) < 0.01 and abs(found.dy) < 0.01


def test_frames_of_another_shape_are_a_place_only_if_they_last() -> None:
    other = cv2.resize(FIELD, (200, 600))
    stage, time = StageTracker(), 0.0
    for image, frames in ((FIELD, 15), (other, 20), (FIELD, 15)):
        for _ in range(frames):
            stage.update(image, time := time + 1 / 15)
            assert stage.known == (image is FIELD)
    assert not stage.jumps and stage.place == pytest.approx((0, 0), abs=0.01)
    for _ in range(40):
        stage.update(other, time := time + 1 / 15)
    assert stage.jumps == 1 and stage.resting
