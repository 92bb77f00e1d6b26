"""OpenCV's VideoCapture as a Device: streams, videos, and the part that USB cameras share with them."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.camera.address import shown
from edge.camera.device import CameraSettings, Pace
from edge.errors import UserError, reason

_PATIENCE = 5000  # milliseconds that a stream may take to open, and to send its next picture
_TRIES = 50  # after so many damaged frames in a row, the rest of a video is given up


class Capture:
    """A cv2.VideoCapture as a Device: a USB camera, a stream or a video."""

    unrelated_frames = False

    def __init__(
        self, capture: Any, name: str, *, live: bool, pace: float | None = None, extra: list[str] | None = None
    ) -> None:
        """Wraps an opened capture.

        Args:
            capture: the cv2.VideoCapture.
            name: the source's name as shown to users, without a password.
            live: True for a camera or a stream, False for a video.
            pace: frames a second at which a video is played as if it were a camera; None to read frames whenever they
                are asked for.
            extra: further facts for the user, such as "exposure 9".
        """
        self._capture = capture
        self.live, self.comes_back = live or pace is not None, live
        reported = capture.get(cv2.CAP_PROP_FPS)
        self.fps = reported if 0 < reported <= 1000 else 0.0
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._count = int(count) if not live and 0 < count < 1e9 else 0
        self._pace = Pace(pace) if pace else None
        self._number = 0
        code = int(capture.get(cv2.CAP_PROP_FOURCC))
        letters = bytes((code >> shift) & 255 for shift in (0, 8, 16, 24)).decode("ascii", "replace")
        width, height = (int(capture.get(k)) for k in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        parts = [f"{width}x{height}", letters if letters.isprintable() and letters.strip() else ""]
        parts += [f"{self.fps:g} frames a second" if self.fps else "frames a second unknown", *(extra or [])]
        self.facts = f"{name}: {', '.join(filter(None, parts))}"

    def grab(self) -> bool:
        if self._pace:
            self._pace.wait()
        for _ in range(1 if self.comes_back else _TRIES):
            if self._capture.grab():
                self._number += 1
                return True
            if self._number + 1 >= self._count:
                break
        return False

    def retrieve(self) -> np.ndarray | None:
        decoded, image = self._capture.retrieve()
        if not decoded or image is None or not image.size:
            return None
        if image.ndim == 2 or image.shape[2] == 1:
            return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    @property
    def missing_frames(self) -> int:
        """Pictures at the end of a video that could not be read."""
        return max(0, self._count - self._number)

    def close(self) -> None:
        self._capture.release()


def open_capture(target: str | int, backend: int, options: list[int]) -> Any:
    """Opens a cv2.VideoCapture and keeps its libraries from writing on the terminal.

    Args:
        target: address, path or device file.
        backend: one of OpenCV's CAP_ constants, such as cv2.CAP_FFMPEG.
        options: OpenCV's properties, each followed by its value.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(target, backend, options)


def stream(address: str) -> Capture:
    """Opens a stream. address: an rtsp:// or http:// URL.

    Raises:
        UserError: where no picture arrives.
    """
    options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE]
    capture = open_capture(address, cv2.CAP_FFMPEG, [*options, cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise UserError(f"{shown(address)} sends no pictures: the address is wrong, or its sender isn't running.")
    return Capture(capture, shown(address), live=True)


def video(path: str, settings: CameraSettings) -> Capture:
    """Opens a video file.

    Raises:
        UserError: where the file can't be read or is no video.
    """
    try:
        empty = Path(path).stat().st_size == 0
        with Path(path).open("rb"):
            pass
    except FileNotFoundError:
        raise UserError(f"{shown(path)} does not exist.") from None
    except OSError as error:
        raise UserError(f"{shown(path)} can't be read: {reason(error)}.") from error
    capture = None if empty else open_capture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if capture is None or not capture.isOpened():
        raise UserError(f"{shown(path)} is not a video that this tool can read{' (0 bytes)' if empty else ''}.")
    return Capture(capture, shown(path), live=False, pace=settings.fps)
