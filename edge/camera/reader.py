"""The newest frame of a source, from a thread that reads on whatever the work does; a camera that goes comes back."""

import threading
import time
from collections.abc import Callable

from edge.camera.device import Device
from edge.errors import UserError
from edge.frames import Frame

FIRST = 8.0  # seconds that a source may take to its first frame
_BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between tries to reach a camera that is gone; the last for ever
_OLD = 0.05  # seconds: a live frame that waited longer is not the newest
_BROKEN = 60  # frames one after the other that can't be decoded: the camera is as good as gone


class Camera:
    """A source, read by a thread of its own.

    Of a live source only what comes after newest() was called is decoded: nothing old waits anywhere, and what nobody
    asked for costs no decoding. Of a recording every frame is handed out, in order. Each frame is handed out once.

    say: gets sentences for a person (gone, back), from the reading thread. facts: what the source really gives.
    dropped: frames that came and were not asked for; broken: that could not be decoded; returns: how often it
    came back.
    """

    def __init__(self, plug: Callable[[], Device], name: str, say: Callable[[str], None] = lambda text: None) -> None:
        """plug: of source.opener(); name: what stands in the results. Raises UserError where it can't be opened."""
        self._plug, self.name, self._say = plug, name, say
        self._device = device = plug()
        self.facts, self.still, self.live = device.facts, device.still, device.live
        self.dropped = self.broken = self.returns = 0
        self.over = False
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._wanted, self._stop, self._again = threading.Event(), threading.Event(), threading.Event()
        self._ready = threading.Condition()
        self._started, self._clock = time.time(), time.monotonic()
        # A daemon: a driver that blocks must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, daemon=True, name="camera")
        self._thread.start()

    def newest(self, timeout: float) -> Frame | None:
        """The next frame, waited for at most so many seconds; None where none came, or where the source is over."""
        with self._ready:
            if self._frame is not None and self.live and time.monotonic() - self._frame.clock > _OLD:
                self._frame = None  # it came when the one who asked had given up
            if self._frame is None and not self.over:
                self._wanted.set()
                self._ready.wait_for(lambda: self._frame is not None or self.over, timeout)
            if self._error is not None:
                raise self._error
            frame, self._frame = self._frame, None
            return frame

    def reopen(self) -> None:
        """For a live camera that hangs on one picture: closes and opens it again."""
        if self._device.returns:
            self._again.set()

    def close(self) -> bool:
        """Ends the thread; False where it hangs in its driver."""
        self._stop.set()
        self._thread.join(0.25)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # told to whoever waits for frames
            self._error = error
        finally:
            with self._ready:
                self.over = True
                self._ready.notify_all()
            self._device.close()

    def _read(self) -> None:
        """Reads until told to stop, or to the end of a recording."""
        number, bad = -1, 0
        while not self._stop.is_set():
            device = self._device
            if not device.grab() or bad >= _BROKEN or self._again.is_set():
                if device.left:
                    self._say(f"The last {device.left} frames can't be read: the video is cut off or damaged.")
                if not device.returns or not self._reach():
                    return
                bad = 0
                self._again.clear()
                continue
            clock = time.monotonic()
            number += 1
            if device.live and not self._wanted.is_set():
                self.dropped += 1
                continue
            while not self._wanted.wait(0.1):
                if self._stop.is_set():
                    return
            image = device.retrieve()
            if image is None:
                self.broken += 1
                bad += 1
                continue
            bad = 0
            since = clock - self._clock if device.live or not device.fps else number / device.fps
            with self._ready:
                self._frame = Frame(image, self.name, number, self._started + since, clock)
                self._wanted.clear()
                self._ready.notify_all()

    def _reach(self) -> bool:
        """Closes the device that is gone and tries until it is back; False where told to stop."""
        gone = time.monotonic()
        self._device.close()
        if self._stop.is_set():
            return False
        if self._again.is_set():
            self._say(f"{self.name} sends one picture over and over; opening it anew.")
        else:
            self._say(f"No more pictures from {self.name}: unplugged, or its sender ended? Trying until it is back.")
        tries = 0
        while not self._stop.wait(_BACK_OFF[min(tries, len(_BACK_OFF) - 1)]):
            tries += 1
            try:
                self._device = self._plug()
            except UserError:
                continue
            self.returns += 1
            self._say(f"Back after {time.monotonic() - gone:.0f} s. {self._device.facts}")
            return True
        return False
