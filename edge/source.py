"""What `--camera` may name: cameras, streams, videos, picture files, the simulated microscope -> a Device."""

import errno
import glob
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge import frames
from edge.errors import UserError, reason

_PATIENCE = 5000  # milliseconds that a stream may take to open, or to send its next picture
_TRIES = 50  # pictures of a video that may be damaged one after the other before the rest is given up


@dataclass(frozen=True)
class Wishes:
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
    """

    live: bool
    returns: bool
    still: bool
    fps: float
    facts: str

    def grab(self) -> bool:
        """Waits for the next picture, without decoding it; False where there is none (any more)."""

    def retrieve(self) -> np.ndarray | None:
        """The grabbed picture, RGB uint8 [height, width, 3]; None where it can't be decoded."""

    def close(self) -> None: ...


def opener(source: str, wishes: Wishes | None = None) -> Callable[[], Device]:
    """What opens what the user named, the first time and whenever it is back.

    It raises UserError, in one sentence, where that doesn't work.
    """
    wishes = wishes or Wishes()
    if source == "sim" or source.startswith("sim:"):
        from edge.slide import Microscope, parse

        return Microscope(parse(source[4:], wishes.size, wishes.fps)).plug
    return lambda: _open(source, wishes)


def shown(source: str) -> str:
    """A source's name for terminals and files, where no password belongs."""
    return re.sub(r"//[^/@]*@", "//", source)


def _open(source: str, wishes: Wishes) -> Device:
    if source == "picamera" or re.fullmatch(r"picamera:\d+", source):
        return Picamera(int(source[9:] or 0), wishes)
    if source.isdecimal() or source.startswith("/dev/"):
        return _usb(f"/dev/video{int(source)}" if source.isdecimal() else source, wishes)
    if "://" in source:
        return _stream(source, wishes)
    if Path(source).is_dir() or glob.has_magic(source) or Path(source).suffix.lower() in frames.SUFFIXES:
        return Pictures(source, wishes)
    return _video(source, wishes)


def _capture(target: str | int, backend: int, options: list[int]) -> Any:
    """cv2.VideoCapture, without what its parts like to write on the terminal."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(target, backend, options)


def _usb(path: str, wishes: Wishes) -> "Capture":
    import cv2

    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        raise UserError(_no_camera(path, error)) from error
    settings = [cv2.CAP_PROP_BUFFERSIZE, 1]  # fewer old pictures to read past
    if wishes.fourcc:
        settings += [cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*wishes.fourcc)]  # first: it decides what else can be
    if wishes.size:
        settings += [cv2.CAP_PROP_FRAME_WIDTH, wishes.size[0], cv2.CAP_PROP_FRAME_HEIGHT, wishes.size[1]]
    if wishes.fps:
        settings += [cv2.CAP_PROP_FPS, round(wishes.fps)]
    capture = _capture(path, cv2.CAP_V4L2, [])
    if not capture.isOpened():
        raise UserError(
            f"{path} gives no pictures: another program uses it, or it is no camera; cameras here: {_cameras()}."
        )
    for key, value in zip(settings[::2], settings[1::2], strict=True):
        capture.set(key, value)
    if wishes.exposure is not None:
        capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, 1)  # V4L2's "manual"
        capture.set(cv2.CAP_PROP_EXPOSURE, wishes.exposure)
    if wishes.white_balance is not None:
        capture.set(cv2.CAP_PROP_AUTO_WB, 0)
        capture.set(cv2.CAP_PROP_WB_TEMPERATURE, wishes.white_balance)
    extra = [
        f"exposure {capture.get(cv2.CAP_PROP_EXPOSURE):g}",
        f"white balance {capture.get(cv2.CAP_PROP_WB_TEMPERATURE):g}",
    ]
    return Capture(capture, path, live=True, extra=extra)


def _no_camera(path: str, error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return f"There is no camera {path}; cameras here: {_cameras()}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"No rights to {path}; run `sudo usermod -aG video $USER` and log in anew."
    if error.errno == errno.EBUSY:
        return f"{path} is in use by another program; end that first."
    return f"{path} can't be opened: {reason(error)}."


def _cameras() -> str:
    found = []
    for node in sorted(Path("/sys/class/video4linux").glob("video*")):
        try:
            found.append(f"/dev/{node.name} ({(node / 'name').read_text().strip()})")
        except OSError:
            found.append(f"/dev/{node.name}")
    return ", ".join(found) or "none"


def _stream(address: str, wishes: Wishes) -> "Capture":
    import cv2

    name = shown(address)
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE]
    capture = _capture(address, cv2.CAP_FFMPEG, [*options, cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise UserError(f"{name} sends no pictures: the address is wrong, or its sender isn't running.")
    return Capture(capture, name, live=True)


def _video(path: str, wishes: Wishes) -> "Capture":
    import cv2

    try:
        empty = Path(path).stat().st_size == 0
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise UserError(f"{path} can't be read: {reason(error)}.") from error
    capture = None if empty else _capture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if capture is None or not capture.isOpened():
        raise UserError(f"{path} is not a video that this tool reads{' (0 bytes)' if empty else ''}.")
    return Capture(capture, path, live=False, pace=wishes.fps)


class Capture:
    """A cv2.VideoCapture as a Device: a USB camera, a stream, a video."""

    still = False

    def __init__(
        self, capture: Any, name: str, *, live: bool, pace: float | None = None, extra: list[str] | None = None
    ) -> None:
        import cv2

        self._capture, self._colours, self._convert = capture, cv2.COLOR_BGR2RGB, cv2.cvtColor
        self.live, self.returns = live or pace is not None, live
        told = capture.get(cv2.CAP_PROP_FPS)
        self.fps = told if 0 < told <= 1000 else 0.0
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._count = int(count) if not live and 0 < count < 1e9 else 0
        self._pace = Pace(pace) if pace else None
        self._place = 0
        code = int(capture.get(cv2.CAP_PROP_FOURCC))
        letters = bytes((code >> shift) & 255 for shift in (0, 8, 16, 24)).decode("ascii", "replace")
        width, height = (int(capture.get(k)) for k in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        parts = [f"{width}x{height}", letters if letters.isprintable() and letters.strip() else ""]
        parts += [f"{self.fps:g} frames a second" if self.fps else "frames a second not told", *(extra or [])]
        self.facts = f"{name}: {', '.join(filter(None, parts))}"

    def grab(self) -> bool:
        if self._pace:
            self._pace.wait()
        for _ in range(1 if self.returns else _TRIES):
            if self._capture.grab():
                self._place += 1
                return True
            if self._place + 1 >= self._count:
                break
        return False

    def retrieve(self) -> np.ndarray | None:
        fine, image = self._capture.retrieve()
        if not fine or image is None or not image.size:
            return None
        if image.ndim == 2 or image.shape[2] == 1:
            return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
        return self._convert(image, self._colours)

    @property
    def left(self) -> int:
        """Pictures of a video that could not be read at its end."""
        return max(0, self._count - self._place)

    def close(self) -> None:
        self._capture.release()


class Pictures:
    """Picture files as a Device, each once; one that can't be read is left out and counted."""

    still, returns = True, False

    def __init__(self, source: str, wishes: Wishes) -> None:
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


class Picamera:
    """The Pi's own camera, through picamera2 of Raspberry Pi OS (`sudo apt install python3-picamera2`).

    Written after picamera2's manual; not yet run on a Pi.
    """

    live, returns, still = True, True, False

    def __init__(self, number: int, wishes: Wishes) -> None:
        try:
            from picamera2 import Picamera2  # type: ignore[import-not-found]
        except ImportError as error:
            raise UserError(
                "picamera2 is missing: run `sudo apt install python3-picamera2` on the Pi and make the virtual "
                "environment with `python3 -m venv --system-site-packages`."
            ) from error
        controls: dict[str, object] = {}
        if wishes.fps:
            controls["FrameDurationLimits"] = (round(1e6 / wishes.fps),) * 2
        if wishes.exposure is not None:
            controls |= {"AeEnable": False, "ExposureTime": round(wishes.exposure)}
        if wishes.white_balance is not None:
            controls |= {"AwbEnable": False, "ColourTemperature": wishes.white_balance}
        try:
            self._camera = Picamera2(number)
            # libcamera's "BGR888" is R, G, B in memory. One buffer would wait for us, two always hold a fresh one.
            main = {"size": wishes.size or (1280, 720), "format": "BGR888"}
            self._camera.configure(self._camera.create_video_configuration(main, controls=controls, buffer_count=2))
            self._camera.start()
            size = self._camera.camera_configuration()["main"]["size"]
        except (RuntimeError, IndexError, ValueError) as error:
            raise UserError(f"The Pi's camera {number} doesn't start: {reason(error)}.") from error
        self.fps = float(wishes.fps or 0)
        self._request: Any = None
        self.facts = f"picamera {number}: {size[0]}x{size[1]}"

    def grab(self) -> bool:
        self._release()
        try:
            self._request = self._camera.capture_request()
        except RuntimeError:
            return False
        return True

    def retrieve(self) -> np.ndarray | None:
        return np.ascontiguousarray(self._request.make_array("main")[..., :3])

    def _release(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None

    def close(self) -> None:
        self._release()
        self._camera.stop()
        self._camera.close()
