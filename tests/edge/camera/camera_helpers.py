"""What the tests of cameras share: a video, a stream, and the frames that are read from them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

from edge.camera.reader import Camera

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


class Sender:
    """An MJPEG stream over HTTP on loopback: `rate` pictures a second, `count` at most."""

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
