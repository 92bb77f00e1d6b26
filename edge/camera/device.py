"""Something that gives one picture after the other: what every source is, and the simplest of them, picture files."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edge import frames
from edge.errors import UserError


@dataclass(frozen=True)
class CameraSettings:
    """What is asked of a camera, which may give something else; None leaves the choice to it.

    size: (width, height); fps: frames a second; exposure: in the camera's own units; white_balance: kelvin; fourcc: the
    pixel format, such as MJPG or YUYV. For a recording, fps plays it at that pace, as a camera would.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    exposure: float | None = None
    white_balance: int | None = None
    fourcc: str | None = None


class Device(Protocol):
    """Something that gives one picture after the other, in the thread that opened it or another, never in two at once.

    live: only the newest picture counts; otherwise every one. returns: a camera or a stream, which may come back after
    it was gone; otherwise a recording, which has an end. still: its pictures have nothing to do with each other. fps:
    of a recording, what its frame numbers mean in time, 0 where that isn't told. facts: what it gives, for a person.
    left: of a recording that ended too early, how many pictures are missing.
    """

    live: bool
    returns: bool
    still: bool
    fps: float
    facts: str

    @property
    def left(self) -> int: ...

    def grab(self) -> bool:
        """Waits for the next picture, without decoding it; False where there is none (any more)."""

    def retrieve(self) -> np.ndarray | None:
        """The grabbed picture, RGB uint8 [height, width, 3]; None where it can't be decoded."""

    def close(self) -> None:
        """May be called again."""


class Pictures:
    """Picture files as a Device, each once; one that can't be read is left out and counted."""

    still, returns, left = True, False, 0

    def __init__(self, source: str, wishes: CameraSettings) -> None:
        files = frames.expand([source])
        if not any(Path(file).exists() for file in files):
            raise UserError(f"No pictures found in {source}.")
        self.live, self.fps = wishes.fps is not None, 0.0
        self._pace = Pace(wishes.fps) if wishes.fps else None
        self._files, self._place = files, -1
        self.facts = f"{source}: {len(files)} picture{'' if len(files) == 1 else 's'}"

    def grab(self) -> bool:
        if self._pace:
            self._pace.wait()
        self._place += 1
        return self._place < len(self._files)

    def retrieve(self) -> np.ndarray | None:
        result = frames.read(self._files[self._place])
        return result.image if isinstance(result, frames.Frame) else None

    def close(self) -> None:
        pass


class Pace:
    """Waits so that something happens so many times a second; what comes too late isn't caught up on."""

    def __init__(self, rate: float) -> None:
        self._step, self._next = 1 / rate, time.monotonic()

    def wait(self) -> None:
        now = time.monotonic()
        self._next = max(self._next + self._step, now - self._step)
        if self._next > now:
            time.sleep(self._next - now)
