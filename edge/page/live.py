"""The live run for the page: its newest picture with the answers, how it goes, pause and finish.

The run never waits for a browser: it leaves its newest frame here, another thread draws it if somebody looks, and a
browser that is slow misses pictures.
"""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import cv2
import numpy as np

from edge.cell import Cell
from edge.decide import Decision
from edge.frames import Frame
from edge.live.session import Session
from edge.live.window import drawn
from edge.system.signals import Stop

_EVERY = 0.1  # seconds between two pictures
_POLL = 0.02  # seconds
_QUALITY, _WIDTH = 75, 1280  # of JPEG; widest picture in pixels
MOST = 30  # browsers that see the picture at the same time
BOUNDARY = "edge-frame"


class Live:
    """A run that the page shows.

    Attributes:
        over: whether the run has ended.
        paused: whether it waits.
        watched: how many browsers see the picture.
    """

    def __init__(self, stop: Stop, blind: bool = False) -> None:
        """stop: ends the run. blind: whether the answers aren't shown."""
        self.over = self.paused = False
        self.watched = 0
        self._stop, self._blind = stop, blind
        self._good = self._last_draw = 0.0  # when the newest good frame arrived, and when one was drawn, monotonic
        self._began = math.inf  # when the run began, monotonic
        self._state: dict[str, Any] = {"doing": "", "warnings": [], "focus": None, "light": None, "rate": ""}
        self._wanted: tuple[Frame, list[tuple[Cell, Decision | None]]] | None = None
        self._ready = threading.Condition()
        self._jpeg, self._number = b"", 0
        threading.Thread(target=self._draw, daemon=True, name="page pictures").start()

    def look(self, frame: Frame | None, session: Session, parts: Sequence[str]) -> None:
        """Takes the run's newest frame, or None where there is none; waits while the run is paused."""
        status, now = session.status, time.monotonic()
        quality = status.quality
        self._state = {
            "doing": status.doing,
            "warnings": status.warnings,
            "focus": status.focus if quality else None,
            "light": quality.light[1] / 255 if quality else None,
            "rate": parts[-1],
        }
        if frame is not None and not status.fault:
            # A frame tells when it was taken since the run's start, which the frame that came fastest tells best.
            self._began = min(self._began, now - frame.clock)
            self._good = self._began + frame.clock
            if self.watched and now - self._last_draw >= _EVERY:
                self._last_draw = now
                with self._ready:
                    self._wanted = frame, session.view(frame)
                    self._ready.notify()
        while self.paused and not self._stop.asked:
            time.sleep(_POLL)

    def _draw(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._wanted is not None)
                assert self._wanted is not None
                (frame, cells), self._wanted = self._wanted, None
            if self._blind:
                cells = [(cell, None) for cell, _ in cells]
            picture = np.asarray(drawn(frame.image, cells, _WIDTH))
            # OpenCV, because it lets the run go on meanwhile
            self._jpeg = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1].tobytes()
            self._number += 1

    def state(self) -> dict[str, Any]:
        """How the run goes, as JSON values. age: of the newest good frame, seconds; None before the first."""
        age = round(time.monotonic() - self._good, 2) if self._good else None
        return {**self._state, "age": age, "paused": self.paused, "over": self.over}

    async def pictures(self) -> AsyncIterator[bytes]:
        """The newest picture again and again, as parts of a multipart answer, until the run ends.

        A part begins with the boundary that ends the one before, so that a browser shows each at once.
        """
        self.watched += 1
        try:
            yield f"--{BOUNDARY}\r\n".encode()
            shown = 0
            while not self.over:
                if shown == self._number:
                    await asyncio.sleep(_POLL)
                    continue
                shown, jpeg = self._number, self._jpeg
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                yield head + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
        finally:
            self.watched -= 1

    def pause(self) -> None:
        """Lets the run wait, or go on."""
        self.paused = not self.paused

    def finish(self) -> None:
        """Ends the run after its current work."""
        self._stop.asked = True
