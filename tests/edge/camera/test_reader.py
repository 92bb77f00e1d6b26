"""What `--camera` may name, and the thread that holds only the newest of its frames."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.camera.device import CameraSettings
from edge.camera.reader import Camera
from edge.camera.source import opener
from edge.errors import UserError

COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))


def picture(i: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """RGB uint8: a red, green or blue field with a bar for the number."""
    image = np.full((size[1], size[0], 3), COLOURS[i % 3], np.uint8)
    image[:8, : 4 * (i % 20)] = 255
    return image


def video(path: Path, count: int = 12) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 64))
    for i in range(count):
        writer.write(np.ascontiguousarray(picture(i)[..., ::-1]))
    writer.release()
    return path


def all_of(camera: Camera, limit: float = 20.0) -> list[np.ndarray]:
    end, found = time.monotonic() + limit, []
    while time.monotonic() < end:
        frame = camera.newest(1.0)
        if frame is not None:
            found.append(frame)
        elif camera.over:
            return [f.image for f in found]
    raise AssertionError("the source doesn't end")


@pytest.mark.parametrize("source", ["9", "/dev/video9", "rtsp://127.0.0.1:1/a", "missing.mp4", "none*.png", "picamera"])
def test_what_is_not_there_is_told_in_one_sentence(source: str) -> None:
    with pytest.raises(UserError) as error:
        opener(source)()
    assert error.value.message.endswith(".") and "\n" not in error.value.message


def test_no_camera_names_the_cameras_here() -> None:
    with pytest.raises(UserError, match="There is no camera /dev/video9; cameras here: "):
        opener("9")()


def test_a_device_that_is_no_camera() -> None:
    with pytest.raises(UserError, match="/dev/null gives no pictures"):
        opener("/dev/null")()


def test_files_that_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.avi").touch()
    (tmp_path / "b.avi").write_text("no video")
    for name in ("a.avi", "b.avi"):
        with pytest.raises(UserError, match="is not a video"):
            opener(str(tmp_path / name))()


def test_a_video_gives_every_frame_once_in_order_and_in_its_colours(tmp_path: Path) -> None:
    camera = Camera(opener(str(video(tmp_path / "a.avi"))), "a.avi")
    assert "96x64" in camera.facts and "25 frames a second" in camera.facts and not camera.live
    time.sleep(0.3)  # nobody asks for frames meanwhile: none is lost
    images = all_of(camera)
    assert len(images) == 12
    for i, image in enumerate(images):
        assert np.abs(image[40, 50].astype(int) - COLOURS[i % 3]).max() < 25
    assert camera.close()


def test_a_video_with_a_corrupt_middle_goes_on_after_it(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", 60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    images = all_of(Camera(opener(str(path)), "a.avi"))
    assert 30 < len(images) <= 60
    assert np.abs(images[-1][40, 50].astype(int) - COLOURS[59 % 3]).max() < 25


def test_a_video_that_is_cut_off_ends_and_says_so(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said: list[str] = []
    images = all_of(Camera(opener(str(path)), "a.avi", said.append))
    assert 10 < len(images) < 60


def test_a_video_that_names_0_frames_a_second_is_read_all_the_same(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi")
    data = bytearray(path.read_bytes())
    head, stream = data.index(b"avih"), data.index(b"strh")
    data[head + 8 : head + 12] = bytes(4)  # microseconds a frame
    data[stream + 28 : stream + 36] = bytes(8)  # scale and rate
    path.write_bytes(data)
    camera = Camera(opener(str(path)), "a.avi")
    assert len(all_of(camera)) == 12


def test_pictures_of_a_folder_come_once_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    for i in range(4):
        Image.fromarray(picture(i)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_text("broken")
    camera = Camera(opener(str(tmp_path)), "folder")
    images = all_of(camera)
    assert camera.still and [image[40, 50].tolist() for image in images] == [list(COLOURS[i]) for i in (0, 1, 0)]
    assert camera.broken == 1


def test_a_recording_at_a_pace_is_live_and_drops_what_nobody_asked_for(tmp_path: Path) -> None:
    camera = Camera(opener(str(video(tmp_path / "a.avi", 40)), CameraSettings(fps=100)), "a.avi")
    assert camera.live
    time.sleep(0.15)
    frame = camera.newest(5)
    assert frame is not None and frame.number >= 5 and camera.dropped >= 5


class Sender:
    """An MJPEG stream over HTTP on loopback: one picture after the other, so many a second."""

    def __init__(self, rate: float = 100.0, count: int = 10**9) -> None:
        sender = self
        self.sent = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for _ in range(count):
                    data = cv2.imencode(".jpg", picture(sender.sent)[..., ::-1])[1].tobytes()
                    try:
                        self.wfile.write(
                            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
                            + data + b"\r\n"
                        )  # fmt: skip
                    except OSError:
                        return
                    sender.sent += 1
                    if sender.stopped.wait(1 / rate):
                        return

            def log_message(self, *_: object) -> None:
                pass

        self.stopped = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def sending(rate: float = 100.0, count: int = 10**9) -> Iterator[Sender]:
    sender = Sender(rate, count)
    try:
        yield sender
    finally:
        sender.stop()


def test_of_a_stream_the_newest_frame_counts() -> None:
    """While nobody asks, frames are read and dropped; the next one asked for is taken after that."""
    with sending() as sender:
        camera = Camera(opener(f"http://127.0.0.1:{sender.port}/a"), "stream")
        first = camera.newest(10)
        assert first is not None
        time.sleep(0.5)
        asked = time.monotonic()
        second = camera.newest(10)
        assert second is not None and second.number > first.number + 10 and second.clock >= asked
        assert second.taken - first.taken == pytest.approx(second.clock - first.clock, abs=1e-3)
        camera.close()


def test_a_stream_that_ends_is_waited_for_and_goes_on() -> None:
    said: list[str] = []
    with sending(count=30) as sender:
        camera = Camera(opener(f"http://127.0.0.1:{sender.port}/a"), "stream", said.append)
        numbers, end = [], time.monotonic() + 20
        while camera.returns < 1 and time.monotonic() < end:
            frame = camera.newest(0.5)
            if frame is not None:
                numbers.append(frame.number)
        assert camera.returns == 1 and not camera.over
        while (frame := camera.newest(0.5)) is None and time.monotonic() < end:
            pass
        assert frame is not None and frame.number > numbers[-1]  # numbers go on: none is given twice
        assert "No more pictures from stream" in said[0] and said[1].startswith("Back after")
        camera.close()


def test_a_stream_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(UserError, match="sends no pictures"):
            opener(f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}/a")()
        assert time.monotonic() - began < 60


def test_no_password_is_shown() -> None:
    with pytest.raises(UserError) as error:
        opener("http://user:secret@127.0.0.1:1/a")()
    assert "secret" not in error.value.message


def test_a_camera_that_hangs_on_one_picture_is_opened_anew() -> None:
    said: list[str] = []
    camera = Camera(opener("sim:seed=5,width=256,height=256,red_cell=30,fps=50,faults=0"), "sim", said.append)
    assert camera.newest(10) is not None
    camera.reopen()
    end = time.monotonic() + 30
    while camera.returns < 1 and time.monotonic() < end:
        camera.newest(0.2)
    assert "sends one picture over and over" in said[0] and said[1].startswith("Back after")
    assert camera.newest(10) is not None
    camera.close()


def test_a_simulated_camera_unplugged_and_back() -> None:
    said: list[str] = []
    camera = Camera(opener("sim:seed=5,width=256,height=256,red_cell=30,fps=200,faults=600"), "sim", said.append)
    end = time.monotonic() + 30
    while camera.returns < 1 and time.monotonic() < end:
        camera.newest(0.2)
    assert camera.returns >= 1 and "Back after" in " ".join(said)
    assert camera.newest(10) is not None
    camera.close()
