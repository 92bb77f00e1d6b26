"""The thread that reads a source: only the newest frame of a camera counts, and a lost camera is opened again."""

import logging
import time
from pathlib import Path

import pytest
from camera_helpers import sending, video
from PIL import Image

from edge.camera.device import CameraSettings
from edge.camera.reader import Camera
from edge.camera.source import opener
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import parse


def test_a_recording_played_like_a_camera_is_live_and_drops_unwanted_frames(tmp_path: Path) -> None:
    camera = Camera(opener(str(video(tmp_path / "a.avi", 40)), CameraSettings(fps=100)), "a.avi")
    assert camera.live
    time.sleep(0.15)
    frame = camera.newest(5)
    assert frame is not None and frame.number >= 5


def test_a_stream_gives_its_newest_frame() -> None:
    """While nobody asks, frames are read and dropped. A call returns a frame that arrived after it began."""
    with sending() as sender:
        camera = Camera(opener(f"http://127.0.0.1:{sender.port}/a"), "stream")
        first = camera.newest(10)
        assert first is not None
        time.sleep(0.5)
        asked = time.monotonic()
        second = camera.newest(10)
        assert second is not None and second.number > first.number + 10
        assert camera.age <= time.monotonic() - asked
        assert second.taken - first.taken == pytest.approx(second.clock - first.clock, abs=1e-3)
        camera.close()


def test_a_clock_that_is_set_during_a_run_dates_the_next_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pi starts with a wrong time and gets the right one from the network. No frame's `clock` jumps with it."""
    camera = Camera(opener("sim:seed=5,width=256,height=256,red_cell=30,fps=50,faults=0"), "sim")
    first = camera.newest(10)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 1e8)
    camera.newest(10)  # it may have been taken before the clock was set
    second = camera.newest(10)
    camera.close()
    assert first is not None and second is not None and 0 < second.clock - first.clock < 30
    assert second.taken - first.taken - 1e8 == pytest.approx(second.clock - first.clock, abs=0.1)


def test_a_stream_that_ends_is_waited_for_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edge")
    with sending(count=30) as sender:
        camera = Camera(opener(f"http://127.0.0.1:{sender.port}/a"), "stream")
        numbers, end = [], time.monotonic() + 20
        while camera.reconnections < 1 and time.monotonic() < end:
            frame = camera.newest(0.5)
            if frame is not None:
                numbers.append(frame.number)
        assert camera.reconnections == 1 and not camera.over
        while (frame := camera.newest(0.5)) is None and time.monotonic() < end:
            pass
        assert frame is not None and frame.number > numbers[-1]  # numbering goes on: no number is given twice
        assert "No more pictures from stream" in caplog.messages[0] and caplog.messages[1].startswith("Back after")
        camera.close()


def test_a_camera_that_hangs_on_one_picture_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edge")
    camera = Camera(opener("sim:seed=5,width=256,height=256,red_cell=30,fps=50,faults=0"), "sim")
    assert camera.newest(10) is not None
    camera.reopen()
    end = time.monotonic() + 30
    while camera.reconnections < 1 and time.monotonic() < end:
        camera.newest(0.2)
    assert "sends one picture over and over" in caplog.messages[0] and caplog.messages[1].startswith("Back after")
    assert camera.newest(10) is not None
    camera.close()


def test_a_simulated_camera_unplugged_and_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edge")
    camera = Camera(opener("sim:seed=5,width=256,height=256,red_cell=30,fps=200,faults=600"), "sim")
    end = time.monotonic() + 30
    while camera.reconnections < 1 and time.monotonic() < end:
        camera.newest(0.2)
    assert camera.reconnections >= 1 and "Back after" in " ".join(caplog.messages)
    assert camera.newest(10) is not None
    camera.close()


def test_the_exposure_is_changed_in_steps_and_kept_when_the_camera_comes_back() -> None:
    device = SimulatedCamera(parse("faults=0,width=320,height=240,red_cell=20", None, None)).open()
    camera = Camera(lambda: device, "sim")
    before = camera.newest(5)
    camera.expose(-3)
    while device.exposure == 10_000:
        camera.newest(1)
    after = camera.newest(5)
    assert before and after and camera.exposure == device.exposure == 5120
    assert after.image.mean() == pytest.approx(0.512 * before.image.mean(), rel=0.05)
    device.exposure = 10_000  # as a camera does that is plugged in again
    camera.reopen()
    while not camera.reconnections:
        camera.newest(1)
    assert device.exposure == 5120
    camera.close()


def test_unreadable_pictures_do_not_end_a_folder(tmp_path: Path) -> None:
    """Sixty in a row mean a lost camera, but a recording goes on: behind them there may be good pictures."""
    for i in range(70):
        (tmp_path / f"{i:02}.png").write_bytes(b"no picture")
    Image.new("RGB", (64, 48), "white").save(tmp_path / "99.png")
    camera = Camera(opener(str(tmp_path)), "folder")
    frame = camera.newest(10)
    assert frame is not None and frame.image.shape == (48, 64, 3) and camera.broken == 70
    camera.close()
