"""`benchmark live`: its counts are right; its times aren't tested."""

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.live import counting, frame_age, mjpeg_sender, session
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

SLIDE = Scenario(seed=3, width=480, height=360, red_cell=30, fps=15, faults=0, defocus=0)


def test_a_tally_distinguishes_once_twice_missed_and_phantom() -> None:
    camera = SimulatedCamera(SLIDE, paced=False)
    tally = counting.Tally(camera)
    for number in range(60):
        tally.pass_frame(number)
    cells = sorted(tally.passed, key=lambda c: c.x)
    assert len(cells) >= 3
    x, y = camera.stage(10)
    for cell in (cells[0], cells[0], cells[1]):
        tally.count(10, (cell.x - x, cell.y - y), "monocyte")
    tally.count(10, (-150.0, -150.0), "monocyte")
    found = tally.counts()
    assert found.passed == len(cells) and found.once == 1 and found.twice == 1
    assert found.missed == len(cells) - 2 and found.phantom == 1


def test_cells_that_the_camera_never_showed_are_not_passed() -> None:
    camera = SimulatedCamera(dataclasses.replace(SLIDE, defocus=100.0), paced=False)
    tally = counting.Tally(camera)
    for number in range(31, 200):  # the first stop of the stage is always sharp
        tally.pass_frame(number)
    assert not tally.passed


def test_the_stamp_survives_jpeg() -> None:
    import cv2

    image = np.full((240, 320, 3), 120, np.uint8)
    mjpeg_sender.stamp(image, 5_000_123)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None and mjpeg_sender.age(decoded, 5_000_165) == 42


def test_frame_ages_are_measured_for_a_stream_and_a_camera() -> None:
    found = frame_age.stream(0.8)
    assert found.ours.frames and found.plain.frames
    assert frame_age.pace(0.8, dataclasses.replace(SLIDE, white=2.0)).frames


def test_real_fields_shown_as_a_video(data: Path) -> None:
    from benchmarks.locating import measured_fields

    found = session.held(data, [field for field in measured_fields(data) if field.source == "bccd"][:6])
    assert found.fields == 6 and found.recall.count >= 3 and found.recall.value and found.recall.value > 0.5
