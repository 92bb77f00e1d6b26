"""Measures how old frames are when they are answered: at a camera's frame rate, and from a stream that is too fast."""

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

_SENT = 640, 480, 120.0  # width, height and frames per second of the stream
_PARTS = 10  # the time is divided into this many parts, and the median age is computed for each


@dataclass(frozen=True)
class PaceFigures:
    """Figures of a camera with 1280 x 720 pixels and 30 frames per second.

    The age of a frame is the time from the camera to the answer.

    Attributes:
        frames: number of frames that were answered.
        per_second: answered frames per second.
        p50: median age, milliseconds.
        p95: 95th percentile of the age, milliseconds.
        late: 95th percentile of the age of the last fifth of the frames, milliseconds.
        cores: processor time per second of real time, over all cores and including decoding. The time of other
            processes doesn't count.
        growth: growth of the process in units of 2^20 bytes, from a fifth of the time to the end.
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
    """Figures of one way of reading a stream.

    Attributes:
        frames: number of frames that were answered.
        ages: median age in each tenth of the time, milliseconds; None if no frame was answered in it.
    """

    frames: int
    ages: tuple[int | None, ...]


@dataclass(frozen=True)
class StreamFigures:
    """Figures of a stream that sends frames faster than they can be answered.

    Attributes:
        sent_per_second: frames sent per second.
        ours: figures with edge.camera, which always takes the newest frame.
        plain: figures with a plain loop over cv2.VideoCapture, which takes every frame.
    """

    sent_per_second: float
    ours: Reading
    plain: Reading


class Film:
    """A Device (edge.camera) that repeats JPEG pictures from memory at a fixed frame rate, like a USB camera."""

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
    """Runs a live session on the MJPEG frames of a simulated camera.

    The frames are decoded, and their cells are located, tracked and classified. OpenCV and the networks run on one
    thread each.

    Args:
        seconds: duration of the measurement.
        scenario: the simulated slide and microscope; None for one without faults, at 30 frames per second.
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
        ages.append(1000 * camera.age)
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
def sending(width: int, height: int, rate: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Sends a stream from another process inside a `with` block. Yields its address and the process.

    width, height: pixels; rate: frames per second.
    """
    command = [sys.executable, "-m", mjpeg_sender.__name__, *map(str, (width, height, rate))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}/", child
        finally:
            child.kill()


def stream(seconds: float) -> StreamFigures:
    """Reads a stream in two ways. In each frame that is read, all cells are located and classified.

    seconds: duration of the measurement for each of the two ways.
    """
    with sending(*_SENT) as (address, _):
        camera = Camera(opener(address), "stream")

        def newest() -> np.ndarray | None:
            frame = camera.newest(0.5)
            return frame.image if frame else None

        ours = _read(newest, seconds)
        camera.close()
    with sending(*_SENT) as (address, _):
        capture = cv2.VideoCapture(address)
        plain = _read(lambda: capture.read()[1][..., ::-1], seconds)
        capture.release()
    return StreamFigures(_SENT[2], ours, plain)


def _read(next_image: Callable[[], np.ndarray | None], seconds: float) -> Reading:
    """Measures one way of reading.

    Args:
        next_image: returns the next picture, RGB uint8 [height, width, 3]; None if there is none yet.
        seconds: duration of the measurement.
    """
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
