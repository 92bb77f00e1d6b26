"""How old is a frame when it is answered? At a camera's pace, and of a stream that is faster than the work."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from benchmarks import mjpeg_sender
from edge import locate, model
from edge.camera.device import Pace
from edge.camera.reader import Camera
from edge.camera.source import opener
from edge.crop import crop
from edge.frames import Frame
from edge.live.session import Session
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

_SENT = 640, 480, 120.0  # of the stream: width, height, frames a second


class Film:
    """A Device that plays JPEG pictures from memory at a pace, over and over: a USB camera without the cable."""

    live, comes_back, unrelated_frames, missing_frames = True, True, False, 0

    def __init__(self, pictures: list[bytes], fps: float) -> None:
        self._pictures, self._pace, self._place = pictures, Pace(fps), -1
        self.fps, self.facts = fps, f"film: {len(pictures)} pictures, {fps:g} a second"

    def grab(self) -> bool:
        self._pace.wait()
        self._place += 1
        return True

    def retrieve(self) -> np.ndarray:
        data = np.frombuffer(self._pictures[self._place % len(self._pictures)], np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert image is not None
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        pass


def pace(seconds: float, slide: Scenario | None = None) -> dict:
    """A camera of 1280x720 at 30 frames a second, as MJPEG, decoded, located, followed and classified for so long.

    -> {"frames", "per_second", "p50", "p95", "late": p95 of the last fifth; milliseconds from the camera's giving a
    frame to its answer; "cores": seconds of all cores that a second took, decoding included, which doesn't depend on
    what else the machine does; "growth": MB resident from a fifth of the time to its end}. cv2 and models on one thread
    each.
    """
    slide = slide or Scenario(seed=1, faults=0, defocus=0, white=3)
    scope = SimulatedCamera(slide, paced=False)
    cycle = int((slide.dwell + slide.move) * slide.fps)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    pictures = [cv2.imencode(".jpg", scope.frame(i)[..., ::-1], quality)[1].tobytes() for i in range(3 * cycle)]
    cv2.setNumThreads(1)
    session = Session(model.Model(), locate.Locator())
    camera = Camera(lambda: Film(pictures, slide.fps), "film")
    ages: list[float] = []
    began, worked, first = time.monotonic(), time.process_time(), 0.0
    while (now := time.monotonic()) - began < seconds:
        frame = camera.newest(0.5)
        if frame is None:
            continue
        session.step(frame)
        ages.append(1000 * (time.monotonic() - frame.clock))
        if not first and now - began > seconds / 5:
            first = resident()
    camera.close()
    return {
        "frames": len(ages),
        "per_second": len(ages) / seconds,
        "p50": float(np.percentile(ages, 50)),
        "p95": float(np.percentile(ages, 95)),
        "late": float(np.percentile(ages[-max(1, len(ages) // 5) :], 95)),
        "cores": (time.process_time() - worked) / seconds,
        "growth": resident() - first,
    }


@contextmanager
def _sending() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.mjpeg_sender", *map(str, _SENT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}/"
        finally:
            child.kill()


def stream(seconds: float) -> dict:
    """A stream faster than the work, read by this project's camera and by a plain cv2.VideoCapture loop.

    Both locate and classify every cell of every frame that they get. -> {"ours", "plain"}, each {"frames", "ages": of
    the frame when it was answered, milliseconds, median in each tenth of the time}.
    """
    locator, classifier = locate.Locator(), model.Model()

    def work(image: np.ndarray) -> None:
        frame = Frame(image, "stream", 0, 0.0)
        for cell in locator.cells(frame):
            classifier.run(crop(frame, cell, classifier.size, classifier.policy))

    def watch(read: Callable[[], np.ndarray | None]) -> dict:
        began, seen = time.monotonic(), []
        while (since := time.monotonic() - began) < seconds:
            image = read()
            if image is not None:
                work(image)
                seen.append((since, mjpeg_sender.age(image, mjpeg_sender.now())))
        parts = [[a for t, a in seen if i <= 10 * t / seconds < i + 1] for i in range(10)]
        return {"frames": len(seen), "ages": [round(statistics.median(p)) if p else None for p in parts]}

    with _sending() as address:
        camera = Camera(opener(address), "stream")

        def newest() -> np.ndarray | None:
            frame = camera.newest(0.5)
            return frame.image if frame else None

        ours = watch(newest)
        camera.close()
    with _sending() as address:
        capture = cv2.VideoCapture(address)
        plain = watch(lambda: capture.read()[1][..., ::-1])
        capture.release()
    return {"sent_per_second": _SENT[2], "ours": ours, "plain": plain}


def resident() -> float:
    """Megabytes of this process in memory; 0 where the system doesn't tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
