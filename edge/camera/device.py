"""What every source of pictures has in common (Device), and the simplest source: picture files."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from edge import frames
from edge.camera.address import shown
from edge.errors import UserError
from edge.reading import finding


@dataclass(frozen=True)
class CameraSettings:
    """What the user asks of a camera. The camera may give something else; None leaves the choice to the camera.

    Attributes:
        size: (width, height) in pixels.
        fps: frames a second, above 0. A recording is played at this rate, as if it were a camera.
        exposure: in the camera's own units; microseconds for picamera.
        white_balance: colour temperature in kelvin.
        fourcc: pixel format as a code of four letters, such as "MJPG" or "YUYV".
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    exposure: float | None = None
    white_balance: int | None = None
    fourcc: str | None = None


class Device(Protocol):
    """An opened source of pictures. It may be used from any thread, but never from two at once.

    Attributes:
        live: True for a source of which only the newest picture is wanted, such as a camera; False where every picture
            is wanted, as in a recording.
        comes_back: True for a camera or a stream, which may be reachable again after it was lost; False for a
            recording, which comes to an end.
        unrelated_frames: True where each picture shows another place, as picture files do; False where the view moves
            over a slide.
        fps: frames a second; 0 where it is unknown. The time of a recording's frame is its number divided by this.
        facts: what the source really gives, as one line for the user.
    """

    live: bool
    comes_back: bool
    unrelated_frames: bool
    fps: float
    facts: str

    @property
    def missing_frames(self) -> int:
        """How many frames of a recording are still unread; those left at its end are missing. 0 for other sources."""
        ...

    def grab(self) -> bool:
        """Waits for the next picture without decoding it. False where none comes: the source is lost or has ended."""

    def retrieve(self) -> np.ndarray | None:
        """The picture that was grabbed, RGB uint8 [height, width, 3]; None where it can't be decoded."""

    def close(self) -> None:
        """Releases the source. May be called more than once."""


@runtime_checkable
class Adjustable(Protocol):
    """A Device whose exposure can be changed while it is open."""

    @property
    def exposure(self) -> float | None:
        """Now, in the camera's own units, as in CameraSettings; None where the camera doesn't say."""

    def expose(self, exposure: float) -> None:
        """Fixes the exposure, from one of the next pictures on."""


class Pictures:
    """Picture files as a Device. Each picture is given once; an unreadable one is skipped and counted as broken."""

    unrelated_frames, comes_back, missing_frames = True, False, 0

    def __init__(self, source: str, settings: CameraSettings) -> None:
        """Raises UserError where `source` (a file, a folder or a glob pattern) names no picture."""
        listing = finding.find([source])
        files = listing.files
        if not any(Path(file).exists() for file in files):
            if files:
                raise UserError(f"{shown(source)} does not exist.")
            raise UserError(f"No pictures found in {shown(source)}. {listing.left_out()}".rstrip())
        self.live, self.fps = settings.fps is not None, 0.0
        self._pace = Pace(settings.fps) if settings.fps else None
        pages = (each for file in files for each in frames.pages(file))
        self._pictures = (each for each in pages if not isinstance(each, frames.LeftOut))
        self._next: frames.Frame | frames.Unreadable | None = None
        left_out = listing.left_out()
        counted = f"{len(files)} {'file' if len(files) == 1 else 'files'} with pictures"
        self.facts = f"{shown(source)}: {counted}" + (f". {left_out}" if left_out else "")

    def grab(self) -> bool:
        if self._pace:
            self._pace.wait()
        self._next = next(self._pictures, None)  # decodes it: only then is it known whether there is another one
        return self._next is not None

    def retrieve(self) -> np.ndarray | None:
        return self._next.image if isinstance(self._next, frames.Frame) else None

    def close(self) -> None:
        pass


class Pace:
    """Makes something happen a given number of times a second. After a delay, it doesn't make up for lost times."""

    def __init__(self, rate: float) -> None:
        """rate: how many times a second, above 0."""
        self._step, self._next = 1 / rate, time.monotonic()

    def wait(self) -> None:
        """Sleeps until the next time is due."""
        now = time.monotonic()
        self._next = max(self._next + self._step, now - self._step)
        if self._next > now:
            time.sleep(self._next - now)
