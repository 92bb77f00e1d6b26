"""How old a frame is when it is answered: at a camera's pace, and from a stream that is faster than the work."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.live import mjpeg_sender
from benchmarks.machine import resident_megabytes
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
_PARTS = 10  # of the time, of each of which the median age is given


@dataclass(frozen=True)
class PaceFigures:
    """A camera of 1280 x 720 pixels at 30 frames a second. An age is the time from the camera to the answer.

    Attributes:
        frames: that were answered.
        per_second: how many of them a second.
        p50: median age, milliseconds.
        p95: 95th percentile of the age, milliseconds.
        late: 95th percentile of the age in the last fifth of the time, milliseconds.
        cores: seconds of processor time that one second took on all cores together, decoding included. It doesn't
            depend on what else the machine does.
        growth: megabytes by which the process grew from a fifth of the time to its end.
    """

    frames: int
    per_second: float
    p50: float
    p95: float
    late: float
    cores: float
    growth: float


@dataclass(frozen=True)
class Reading:
    """One way of reading a stream.

    Attributes:
        frames: that were answered.
        ages: median age in each tenth of the time, milliseconds; None where no frame was answered.
    """

    frames: int
    ages: tuple[int | None, ...]


@dataclass(frozen=True)
class StreamFigures:
    """A stream that is faster than the work.

    Attributes:
        sent_per_second: frames that are sent in a second.
        ours: read by this project's camera.
        plain: read by a plain loop over cv2.VideoCapture.
    """

    sent_per_second: float
    ours: Reading
    plain: Reading


class Film:
    """A Device that plays JPEG pictures from memory at a pace, again and again, as a USB camera gives them."""

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


def pace(seconds: float, scenario: Scenario | None = None) -> PaceFigures:
    """Reads, locates, follows and classifies the MJPEG frames of a simulated camera for some seconds.

    OpenCV and the networks run on one thread each. scenario: what the camera shows.
    """
    scenario = scenario or Scenario(seed=1, faults=0, defocus=0, white=3)
    drawn = SimulatedCamera(scenario, paced=False)
    cycle = int((scenario.dwell + scenario.move) * scenario.fps)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    pictures = [cv2.imencode(".jpg", drawn.frame(i)[..., ::-1], quality)[1].tobytes() for i in range(3 * cycle)]
    cv2.setNumThreads(1)
    session = Session(model.Model(), locate.Locator())
    camera = Camera(lambda: Film(pictures, scenario.fps), "film")
    ages: list[float] = []
    began, worked, megabytes = time.monotonic(), time.process_time(), 0.0
    while (now := time.monotonic()) - began < seconds:
        frame = camera.newest(0.5)
        if frame is None:
            continue
        session.step(frame)
        ages.append(1000 * (time.monotonic() - frame.clock))
        if not megabytes and now - began > seconds / 5:
            megabytes = resident_megabytes()
    camera.close()
    return PaceFigures(
        frames=len(ages),
        per_second=len(ages) / seconds,
        p50=float(np.percentile(ages, 50)),
        p95=float(np.percentile(ages, 95)),
        late=float(np.percentile(ages[-max(1, len(ages) // 5) :], 95)),
        cores=(time.process_time() - worked) / seconds,
        growth=resident_megabytes() - megabytes,
    )


@contextmanager
def _sending() -> Iterator[str]:
    """The address of a stream that is sent meanwhile."""
    command = [sys.executable, "-m", mjpeg_sender.__name__, *map(str, _SENT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}/"
        finally:
            child.kill()


def stream(seconds: float) -> StreamFigures:
    """Reads a stream in two ways, for some seconds each; every cell of every frame is located and classified."""
    with _sending() as address:
        camera = Camera(opener(address), "stream")

        def newest() -> np.ndarray | None:
            frame = camera.newest(0.5)
            return frame.image if frame else None

        ours = _read(newest, seconds)
        camera.close()
    with _sending() as address:
        capture = cv2.VideoCapture(address)
        plain = _read(lambda: capture.read()[1][..., ::-1], seconds)
        capture.release()
    return StreamFigures(_SENT[2], ours, plain)


def _read(next_image: Callable[[], np.ndarray | None], seconds: float) -> Reading:
    """One way of reading. next_image: gives RGB uint8 [height, width, 3], or None where there is none yet."""
    locator, classifier = locate.Locator(), model.Model()
    began, answered = time.monotonic(), []
    while (since := time.monotonic() - began) < seconds:
        image = next_image()
        if image is None:
            continue
        frame = Frame(image, "stream", 0, 0.0)
        for cell in locator.cells(frame):
            classifier.predict(crop(frame, cell, classifier.size, classifier.policy))
        answered.append((since, mjpeg_sender.age(image, mjpeg_sender.now())))
    parts = [[age for when, age in answered if i <= _PARTS * when / seconds < i + 1] for i in range(_PARTS)]
    return Reading(len(answered), tuple(round(statistics.median(part)) if part else None for part in parts))
