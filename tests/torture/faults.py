"""A camera with one fault after another, read by the thread that reads real ones: the run goes on, and counts right."""

from pathlib import Path

import cv2
import numpy as np

from edge.camera import reader
from edge.errors import UserError
from edge.live.session import Session
from edge.locate import Locator
from edge.model import Model
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

COUNT, SECONDS = 1000, 60
FAULTS = 10  # of one attempt
_KINDS = ("unplugged", "broken", "black", "saturated", "grey", "noise", "torn", "frozen", "striped", "size", "tiny")
_LONGEST = 12  # frames of a fault, but for one of those that can't be decoded: then the camera is opened again
_SIZES = ((640, 480), (320, 240), (481, 359), (200, 600))
_TINY = ((16, 16), (64, 2), (3, 40), (1, 1))
_PATIENCE = 20.0  # seconds for a frame


class Faulty:
    """The simulated microscope as a Device that fails. `opened` opens it, and opens it again.

    Attributes:
        over: whether all faults are over and good frames came after them.
    """

    live, comes_back, unrelated_frames, missing_frames, facts = False, True, False, 0, "faulty"

    def __init__(self, random: np.random.Generator) -> None:
        seed = int(random.integers(1 << 31))
        self.camera = SimulatedCamera(Scenario(seed=seed, width=480, height=360, red_cell=30, fps=15, white=5), False)
        self.fps = self.camera.fps
        self._random, self._left, self._refusals = random, FAULTS, 0
        self._kind, self._frames = "", 5  # "" for good frames, and how many of this kind are to come
        self._last, self._size = np.zeros((360, 480, 3), np.uint8), (0, 0)
        self.over = False

    def opened(self) -> "Faulty":
        if self._refusals:
            self._refusals -= 1
            raise UserError("It is unplugged.")
        return self

    def grab(self) -> bool:
        self.camera.grab()
        if not self._frames:
            self.over = not self._left and not self._kind
            self._next()
        self._frames -= 1
        return self._kind != "unplugged"

    def _next(self) -> None:
        """Good frames follow each fault, as otherwise it would be the same one."""
        random = self._random
        if self._kind or not self._left:
            self._kind, self._frames = "", int(random.integers(2, 6))
            return
        self._left -= 1
        self._kind, self._frames = str(random.choice(_KINDS)), int(random.integers(1, _LONGEST))
        self._size = (_TINY if self._kind == "tiny" else _SIZES)[random.integers(4)]
        if self._kind == "unplugged":
            self._frames, self._refusals = 1, int(random.integers(4))
        if self._kind == "broken" and random.random() < 0.3:
            self._frames = reader._BROKEN + 5

    def retrieve(self) -> np.ndarray | None:
        good, kind, random = self.camera.retrieve(), self._kind, self._random
        if kind == "broken":
            return None
        if kind in ("size", "tiny"):
            return cv2.resize(good, self._size)
        if kind == "torn":
            good = np.concatenate([good[:180], np.roll(good[180:], int(random.integers(60, 400)), axis=1)])
        elif kind == "noise":
            good = random.integers(0, 256, good.shape, np.uint8)
        elif kind == "striped":
            good[:: int(random.integers(2, 40))] = random.integers(256)
        elif kind == "frozen":
            good = self._last
        elif kind in ("black", "saturated", "grey"):
            good = np.full_like(good, {"black": 0, "saturated": 255}.get(kind, int(random.integers(40, 240))))
        self._last = good
        return good

    def close(self) -> None:
        pass


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    reader._BACK_OFF = (0.001,) * 5  # else most of the time would be spent waiting
    device, session, counted = Faulty(random), Session(Model(), Locator()), 0
    camera = reader.Camera(device.opened, "sim")
    try:
        while not device.over:
            frame = camera.newest(_PATIENCE)
            if frame is None:
                return f"no frame came for {_PATIENCE:g} s after {device._kind or 'good frames'}"
            counted += len(session.step(frame))
        counted += len(session.finish())
    finally:
        ended = camera.close()
    last = device.camera.stage(device.camera.number)[0] + device.camera.scenario.width
    there = len(device.camera.truth(0, last))
    if counted > 1.1 * there + 2:
        return f"{counted} cells were counted where {there} are"
    return None if ended else "the reading thread didn't end"
