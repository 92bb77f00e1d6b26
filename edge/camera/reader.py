"""A thread that reads a source and hands out its newest frame. A camera that is lost is opened again."""

import logging
import threading
import time
from collections.abc import Callable

from edge.camera.device import Adjustable, Device
from edge.errors import UserError
from edge.frames import Frame

logger = logging.getLogger(__name__)

FIRST = 8.0  # seconds that a source may take to send its first frame
_BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between attempts to reopen a lost camera; the last is repeated
_OLD = 0.05  # seconds; a live frame that has waited longer is thrown away
_BROKEN = 60  # frames in a row that can't be decoded, after which the camera counts as lost
_STEP = 1.25  # times; one step of the exposure
_PATIENCE = 1.0  # seconds that the thread may take to end; on a busy machine, reading one frame takes half of that


class Camera:
    """A source that is read by its own thread. Each frame is handed out once.

    Of a live source, only a frame that arrives after the call of newest() is decoded. So no old frame waits anywhere,
    and no time is lost on frames that nobody asked for. A recording hands out every frame, in order.

    The reading thread logs when the source is lost and when it is back, at level INFO: a run at the camera shows these
    lines to the user, other callers stay quiet.

    Attributes:
        name: the source's name in the results.
        facts: what the source really gives, as one line for the user.
        live, unrelated_frames: as in Device.
        over: whether there are no more frames, because the recording or the thread has ended.
        broken: how many frames could not be decoded.
        reconnections: how often the source was lost and opened again.
        age: how long ago the frame that newest() returned last arrived, seconds.
        exposure: in the camera's own units; None where it can't be changed.
    """

    def __init__(self, open_device: Callable[[], Device], name: str) -> None:
        """Opens the source and starts to read it.

        Args:
            open_device: as edge.camera.source.opener returns it.
            name: the source's name in the results.

        Raises:
            UserError: where the source can't be opened.
        """
        self._open_device, self.name = open_device, name
        self._device = device = open_device()
        self.facts, self.unrelated_frames, self.live = device.facts, device.unrelated_frames, device.live
        self.broken = self.reconnections = 0
        self.exposure = device.exposure if isinstance(device, Adjustable) else None
        self._steps = self._fixed = 0  # by how many steps to change the exposure, and to what it was changed
        self.over = False
        self._frame: Frame | None = None
        self._arrived = self._handed = 0.0  # when that frame arrived, and the one that newest() returned last; seconds
        self._error: BaseException | None = None
        self._wanted, self._stop, self._hangs = threading.Event(), threading.Event(), threading.Event()
        self._ready = threading.Condition()
        self._started, self._began = time.time(), time.monotonic()
        # A daemon thread: a driver that blocks must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, daemon=True, name="camera")
        self._thread.start()

    def newest(self, timeout: float) -> Frame | None:
        """The next frame; None where none came within `timeout` seconds, or where the source is over.

        Raises the error that ended the reading thread, if there was one.
        """
        with self._ready:
            if self._frame is not None and self.live and time.monotonic() - self._arrived > _OLD:
                self._frame = None  # it arrived after the last call had timed out
            if self._frame is None and not self.over:
                self._wanted.set()
                self._ready.wait_for(lambda: self._frame is not None or self.over, timeout)
            if self._error is not None:
                raise self._error
            frame, self._frame, self._handed = self._frame, None, self._arrived
            return frame

    @property
    def age(self) -> float:
        return time.monotonic() - self._handed

    def reopen(self) -> None:
        """Has the thread close and reopen a camera that sends one picture over and over; nothing for a recording."""
        if self._device.comes_back:
            self._hangs.set()

    def expose(self, steps: int) -> None:
        """Has the thread make the next pictures brighter, or darker (steps < 0); nothing where exposure is None."""
        self._steps += steps

    def close(self) -> bool:
        """Ends the thread. Returns False where the thread hangs in the camera's driver."""
        self._stop.set()
        self._thread.join(_PATIENCE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # newest() raises it
            self._error = error
        finally:
            with self._ready:
                self.over = True
                self._ready.notify_all()
            self._device.close()

    def _read(self) -> None:
        """Reads until close() is called, or to the end of a recording."""
        number, broken_in_a_row = -1, 0
        while not self._stop.is_set():
            device = self._device
            lost = device.comes_back and broken_in_a_row >= _BROKEN
            if self._steps:
                self._adjust(device)
            if not device.grab() or lost or self._hangs.is_set():
                if device.missing_frames:
                    logger.info(
                        "The last %d frames can't be read: the video is cut off or damaged.", device.missing_frames
                    )
                if not device.comes_back or not self._reconnect():
                    return
                broken_in_a_row = 0
                self._hangs.clear()
                continue
            arrived, taken = time.monotonic(), time.time()
            number += 1
            if device.live and not self._wanted.is_set():
                continue
            while not self._wanted.wait(0.1):
                if self._stop.is_set():
                    return
            image = device.retrieve()
            if image is None:
                self.broken += 1
                broken_in_a_row += 1
                continue
            broken_in_a_row = 0
            clock = arrived - self._began
            if device.fps and not device.live:
                clock = number / device.fps
                taken = self._started + clock
            with self._ready:
                self._frame, self._arrived = Frame(image, self.name, number, taken, clock), arrived
                self._wanted.clear()
                self._ready.notify_all()

    def _adjust(self, device: Device) -> None:
        steps, self._steps = self._steps, 0
        if isinstance(device, Adjustable) and (now := device.exposure):
            asked = round(now * _STEP**steps)
            if asked == round(now):
                asked += 1 if steps > 0 else -1
            self._fixed = max(1, asked)
            device.expose(self._fixed)
            self.exposure = device.exposure

    def _reconnect(self) -> bool:
        """Closes the lost device and tries to open it until it is back. Returns False where close() was called."""
        lost = time.monotonic()
        self._device.close()
        if self._stop.is_set():
            return False
        if self._hangs.is_set():
            logger.info("%s sends one picture over and over; opening it again.", self.name)
        else:
            text = "No more pictures from %s. Is it unplugged, or has its sender stopped? Trying until it is back."
            logger.info(text, self.name)
        tries = 0
        while not self._stop.wait(_BACK_OFF[min(tries, len(_BACK_OFF) - 1)]):
            tries += 1
            try:
                self._device = self._open_device()
            except UserError:
                continue
            if self._fixed and isinstance(self._device, Adjustable):
                self._device.expose(self._fixed)
            logger.info("Back after %.0f s. %s", time.monotonic() - lost, self._device.facts)
            self.reconnections += 1  # last, for whoever waits for it
            return True
        return False
