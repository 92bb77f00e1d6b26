"""The live run for the page: its newest picture with the answers, how it goes, and what a browser may change of it.

The run never waits for a browser. Where one asks for a picture, the run leaves its newest frame here, and another
thread makes a JPEG of it, once for all browsers. A browser that is slow asks less often.
"""

import asyncio
import json
import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from edge.cell import MICROMETRES, Cell
from edge.decide import Decision
from edge.errors import UserError
from edge.frames import Frame
from edge.live.session import Session
from edge.red_cells import INSIDE, KnownRuler
from edge.system.signals import Stop

if TYPE_CHECKING:
    from edge.camera.reader import Camera

_EVERY = 0.1  # seconds between two pictures
_POLL = 0.02  # seconds
_PATIENCE = 1.0  # seconds that a request for a picture waits
_FRESH = 0.2  # seconds; a picture that is older is sent only if no other comes
_QUALITY, _WIDTH = 75, 1280  # of JPEG; widest picture in pixels
MOST = 30  # browsers that wait for a picture at the same time


class Picture(NamedTuple):
    """A frame for browsers.

    Attributes:
        number: from 1.
        taken: seconds of this machine's monotonic clock.
        boxes: of its cells with their answers, as JSON. The browser draws them, which would slow down the run here.
        jpeg: without them.
    """

    number: int
    taken: float
    boxes: str
    jpeg: bytes


class Live:
    """A run that the page shows.

    Attributes:
        over: whether the run has ended.
        paused: whether it waits.
        again: whether somebody wants an ended run to go on.
        problem: why it could not go on; "" where it could.
    """

    def __init__(self, stop: Stop, blind: bool = False, scale: KnownRuler | None = None, waiting: bool = False) -> None:
        """Shows nothing yet.

        Args:
            stop: ends the run.
            blind: whether the answers aren't shown.
            scale: the site's ruler, if a person gave it in micrometres per pixel.
            waiting: whether the run begins paused.
        """
        self.over, self.paused, self.again, self.problem = False, waiting, False, ""
        self._stop, self._blind, self._scale = stop, blind, scale
        self._begun = not waiting
        self._retake, self._steps = False, 0  # what browsers asked for
        self._latest = 0.0  # when the latest frame for browsers was taken over, monotonic
        self._began, self._first = math.inf, 0.0  # when the run began, and had its first frame, monotonic
        self._state: dict[str, Any] = {"doing": "", "warnings": [], "rate": "", "frames": 0, "flat": ""}
        self._state |= {"answers": {}} | dict.fromkeys(("focus", "light", "exposure", "red_cell", "size", "scale"))
        self._wanted: tuple[Frame, float, str] | None = None
        self._ready = threading.Condition()
        self._picture = Picture(0, 0.0, "[]", b"")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[asyncio.Future[None]] = []  # of the requests that wait for the next picture
        threading.Thread(target=self._encode, daemon=True, name="page pictures").start()

    def look(self, frame: Frame | None, session: Session, camera: "Camera", parts: Sequence[str]) -> None:
        """Takes the run's newest frame, or None where there is none, and does what browsers asked for."""
        status, quality, seen = session.status, session.status.quality, session.frame
        self._state = {
            "doing": status.doing,
            "warnings": status.warnings,
            "focus": status.focus if quality else None,
            "light": quality.light[1] / 255 if quality else None,
            "rate": parts[-1],
            "frames": status.frames - status.faults.total(),  # good ones
            "flat": status.flat,
            "exposure": camera.exposure,
            "red_cell": session.red_cell,
            "size": seen and (seen.width, seen.height),
            "scale": self._micrometres(session.red_cell, frame),
            "answers": dict(status.counts),
        }
        if frame is not None and seen is not None and not status.fault:
            # A frame tells when it was taken since the run's start, which the frame that came fastest tells best.
            now = time.monotonic()
            self._began = min(self._began, now - frame.clock)
            self._first = self._first or now
            if self._waiting and now - self._latest >= _EVERY:
                self._latest = now
                with self._ready:
                    self._wanted = seen, self._began + frame.clock, self._boxes(session.view(seen))
                    self._ready.notify()
        if self._retake:
            self._retake = False
            session.retake_flat()
        if self._steps:
            camera.expose(self._steps)
            self._steps = 0
        session.paused = self.paused and camera.live
        while self.paused and not camera.live and not self._stop.asked:  # else a recording would go by
            time.sleep(_POLL)

    def _micrometres(self, red_cell: float | None, frame: Frame | None) -> tuple[float, bool] | None:
        """The width of a pixel in micrometres, and whether it is known. Otherwise a red cell is taken for 7.5 wide."""
        if frame is None:
            return self._state["scale"]
        if self._scale and (times := self._scale.times((frame.width, frame.height))):
            return INSIDE * MICROMETRES / (times * self._scale.diameter), True
        return (INSIDE * MICROMETRES / red_cell, False) if red_cell else None

    def _encode(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._wanted is not None)
                wanted, self._wanted = self._wanted, None
            assert wanted is not None
            self._picture = Picture(self._picture.number + 1, wanted[1], wanted[2], self._jpeg(wanted[0].image))
            del wanted  # a frame takes some megabytes
            if self._loop:
                self._loop.call_soon_threadsafe(self._tell)

    def _jpeg(self, image: np.ndarray) -> bytes:
        """A frame as JPEG. OpenCV lets the run go on meanwhile, which Pillow doesn't."""
        height, width = image.shape[:2]
        if width > _WIDTH:
            image = cv2.resize(image, (_WIDTH, round(height * _WIDTH / width)), interpolation=cv2.INTER_AREA)
        quality = (cv2.IMWRITE_JPEG_QUALITY, _QUALITY)
        return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()

    def _boxes(self, cells: Sequence[tuple[Cell, Decision | None]]) -> str:
        """The cells of a frame as JSON: of each its box, its answer, "" for none yet, and the answer's probability."""
        decided = [(cell.box, None if self._blind else decision) for cell, decision in cells]
        return json.dumps([[*box, *((each.label, _likely(each)) if each else ("", 0))] for box, each in decided])

    def _tell(self) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)
        self._waiting.clear()

    async def picture(self, after: int) -> Picture | None:
        """The newest picture, once there is a later one than the number `after`; None where none comes.

        Raises UserError where too many browsers wait.
        """
        if len(self._waiting) >= MOST:
            raise UserError("Too many browsers watch.")
        self._loop = asyncio.get_running_loop()
        old = self._picture.number <= after or time.monotonic() - self._picture.taken > _FRESH
        if old and not self.over:
            future = self._loop.create_future()
            self._waiting.append(future)
            with suppress(TimeoutError):
                await asyncio.wait_for(future, _PATIENCE)
            if future in self._waiting:
                self._waiting.remove(future)
        return self._picture if self._picture.number > after else None

    def state(self) -> dict[str, Any]:
        """How the run goes, as JSON values. now, and began, with the first frame: of the monotonic clock, seconds."""
        steering = {"paused": self.paused, "over": self.over, "begun": self._begun, "problem": self.problem}
        return {**self._state, **steering, "now": time.monotonic(), "began": self._first}

    def pause(self) -> None:
        """Lets the run wait, or go on."""
        if self.over:
            self.again = True
        else:
            self.paused, self._begun = not self.paused, True

    def restart(self) -> None:
        """Shows another run after one that has ended."""
        self.over = self.paused = self.again = False
        self._stop.asked = self._stop.by_signal
        self._began, self.problem = math.inf, ""

    def finish(self) -> None:
        """Ends the run after its current work."""
        self._stop.asked = True

    def flat(self) -> None:
        """Takes the picture of an empty spot."""
        self._retake = True

    def brighter(self) -> None:
        """Raises the exposure by a step."""
        self._steps += 1

    def darker(self) -> None:
        """Lowers it by a step."""
        self._steps -= 1


def _likely(decision: Decision) -> float:
    """The probability of an answer; 0 for a cell that is left for review."""
    return round(decision.probabilities.get(decision.label, 0.0), 2)
