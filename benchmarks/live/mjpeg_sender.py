"""A camera that sends faster than anyone works: MJPEG over HTTP on loopback, with the time of sending in each picture.

`python -m benchmarks.live.mjpeg_sender WIDTH HEIGHT RATE` prints its port and sends to everyone who connects, until it
is ended. It is a process of its own, so that sending and work don't share a Python interpreter.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

BITS = 24  # of the time in milliseconds
BLOCK = 8  # pixels: width and height of a bit's block; the blocks lie one below the other on the left border
_PICTURES = 60


def stamp(image: np.ndarray, milliseconds: int) -> None:
    """Writes a time into a picture, uint8 [height, width, 3], as black and white blocks that survive JPEG."""
    for bit in range(BITS):
        image[bit * BLOCK : (bit + 1) * BLOCK, :BLOCK] = 255 * (milliseconds >> bit & 1)


def age(image: np.ndarray, milliseconds: int) -> int:
    """How old a stamped picture is at a time, in milliseconds."""
    middle = BLOCK // 2
    sent = sum(1 << bit for bit in range(BITS) if image[bit * BLOCK + middle, middle, 1] > 127)
    return (milliseconds - sent) % (1 << BITS)


def now() -> int:
    """Milliseconds on a clock that all processes of a machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000


def main(width: int, height: int, rate: float) -> None:
    """Sends pictures of that size, `rate` a second."""
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
