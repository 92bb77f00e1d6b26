"""Videos and streams, including damaged ones."""

import logging
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from camera_helpers import COLOURS, all_of, video

from edge.camera.reader import Camera
from edge.camera.source import opener
from edge.errors import UserError


def test_files_that_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.avi").touch()
    (tmp_path / "b.avi").write_text("no video")
    for name in ("a.avi", "b.avi"):
        with pytest.raises(UserError, match="is not a video"):
            opener(str(tmp_path / name))()


def test_a_video_gives_every_frame_once_in_order_and_in_its_colours(tmp_path: Path) -> None:
    camera = Camera(opener(str(video(tmp_path / "a.avi"))), "a.avi")
    assert "96x64" in camera.facts and "25 frames a second" in camera.facts and not camera.live
    time.sleep(0.3)  # nobody asks for frames in this time, and none must be lost
    images = all_of(camera)
    assert len(images) == 12
    for i, image in enumerate(images):
        assert np.abs(image[40, 50].astype(int) - COLOURS[i % 3]).max() < 25
    assert camera.close()


def test_reading_goes_on_after_a_corrupt_part_of_a_video(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", 60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    images = all_of(Camera(opener(str(path)), "a.avi"))
    assert 30 < len(images) <= 60
    assert np.abs(images[-1][40, 50].astype(int) - COLOURS[59 % 3]).max() < 25


def test_a_video_that_is_cut_off_ends_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = video(tmp_path / "a.avi", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    caplog.set_level(logging.INFO, "edge")
    images = all_of(Camera(opener(str(path)), "a.avi"))
    assert 10 < len(images) < 60
    assert "the video is cut off or damaged" in caplog.text


def test_a_video_that_states_0_frames_a_second_is_still_read(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi")
    data = bytearray(path.read_bytes())
    head, stream = data.index(b"avih"), data.index(b"strh")
    data[head + 8 : head + 12] = bytes(4)  # microseconds a frame
    data[stream + 28 : stream + 36] = bytes(8)  # scale and rate
    path.write_bytes(data)
    camera = Camera(opener(str(path)), "a.avi")
    assert len(all_of(camera)) == 12


def test_a_stream_that_sends_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(UserError, match="sends no pictures"):
            opener(f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}/a")()
        assert time.monotonic() - began < 60
