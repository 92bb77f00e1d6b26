"""A simulated network camera: sends MJPEG over HTTP on this machine, with the time of sending in each picture.

`python -m benchmarks.live.mjpeg_sender WIDTH HEIGHT RATE` prints its port and sends RATE pictures per second to every
client that connects, until it is killed. It runs as a process of its own, so that sending doesn't slow down the Python
interpreter that does the measured work.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

BITS = 24  # how many bits of the time in milliseconds are written into a picture
BLOCK = 8  # pixels; width and height of the block for one bit; the blocks are stacked at the left border
_PICTURES = 60  # different pictures, which are sent repeatedly


def stamp(image: np.ndarray, milliseconds: int) -> None:
    """Writes a time into a picture as black and white blocks that survive JPEG. image: uint8 [height, width, 3]."""
    for bit in range(BITS):
        image[bit * BLOCK : (bit + 1) * BLOCK, :BLOCK] = 255 * (milliseconds >> bit & 1)


def age(image: np.ndarray, milliseconds: int) -> int:
    """How old a picture with a stamp is, in milliseconds. milliseconds: the current time, see `now`."""
    middle = BLOCK // 2
    sent = sum(1 << bit for bit in range(BITS) if image[bit * BLOCK + middle, middle, 1] > 127)
    return (milliseconds - sent) % (1 << BITS)


def now() -> int:
    """The current time in milliseconds, on a clock that all processes of a machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000


def main(width: int, height: int, rate: float) -> None:
    """Sends pictures until the process is killed. width, height: in pixels; rate: pictures per second."""
    scenario = Scenario(width=width, height=height, red_cell=height / 14, faults=0, defocus=0, white=3)
    camera = SimulatedCamera(scenario, paced=False)
    pictures = [camera.frame(i) for i in range(_PICTURES)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            began, number = time.monotonic(), 0
            while True:
                image = pictures[number % _PICTURES].copy()
                stamp(image, now())
                data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
                try:
                    self.wfile.write(head + data + b"\r\n")
                except OSError:
                    return
                number += 1
                time.sleep(max(0.0, began + number / rate - time.monotonic()))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
