"""USB cameras: opened by number or device file, and found again if they come back under another number."""

import errno
import os
from pathlib import Path
from typing import Any

import cv2

from edge.camera.device import CameraSettings
from edge.camera.opencv import Capture, open_capture
from edge.errors import UserError, reason

# Where Linux lists cameras: their device files, their names, and links whose names hold make and serial number.
_FILES, _NAMES, _LINKS = Path("/dev"), Path("/sys/class/video4linux"), Path("/dev/v4l/by-id")

_RECEIVERS = ("unicam", "rp1-cfe")  # drivers of the Pi's camera socket; Linux lists them only where a sensor answers


class UsbCapture(Capture):
    """An opened USB camera. Its exposure is in V4L2's units, usually 100 microseconds."""

    @property
    def exposure(self) -> float | None:
        found = float(self._capture.get(cv2.CAP_PROP_EXPOSURE))
        return found if found > 0 else None

    def expose(self, exposure: float) -> None:
        _fix_exposure(self._capture, exposure)


class Usb:
    """A V4L2 camera. When it is plugged in again, it may get another /dev/videoN: the lowest number that is free then.

    A camera is recognised by its link in /dev/v4l/by-id, whose name holds its serial number. Without a link it is
    recognised by its name: it is the camera of that name with the old number, or else the only one of that name. Where
    Linux lists neither, it is whatever camera has the old number.
    """

    def __init__(self, path: str, settings: CameraSettings) -> None:
        self._path, self._settings = path, settings
        self._link: Path | None = None
        self._identity: tuple[str, str] | None = None

    def open(self) -> UsbCapture:
        """Opens the camera. Raises UserError where it isn't there or can't be used."""
        path = self.where()
        capture = _open(path, self._settings)
        if path != self._path:
            capture.facts = f"Now {capture.facts}; before it was {self._path}"
        self.remember(path)
        return capture

    def remember(self, path: str) -> None:
        """Notes what distinguishes the camera at this device file from others."""
        file = Path(path).resolve()
        self._path, self._identity = path, _identity(file.name)
        self._link = next((link for link in sorted(_LINKS.glob("*")) if link.resolve() == file), None)

    def where(self) -> str:
        """The camera's device file now, or the last one known. Raises UserError where another camera has it now."""
        if self._link is not None and self._link.exists():
            return str(self._link.resolve())
        if self._identity is None:
            return self._path
        if self._link is None:
            same = [str(_FILES / node) for node in _nodes() if _identity(node) == self._identity]
            if self._path in same or len(same) == 1:
                return self._path if self._path in same else same[0]
        if Path(self._path).exists():
            raise UserError(f"{self._path} is another camera now.")
        return self._path


def found() -> list[str]:
    """The cameras of this machine, as `--camera` names them: USB cameras first, then the Pi's own.

    A Pi has many more /dev/video* files. They belong to its video decoders and to parts of the camera, and give no
    pictures by themselves.
    """
    usb = [node for node in _nodes() if _bus(node) == "usb" and (_identity(node) or ("", "0"))[1] == "0"]
    own = any((_identity(node) or ("", ""))[0].startswith(_RECEIVERS) for node in _nodes())
    return [str(_FILES / node) for node in usb] + (["picamera"] if own else [])


def _bus(node: str) -> str:
    return (_NAMES / node / "device" / "subsystem").resolve().name


def _nodes() -> list[str]:
    return sorted(node.name for node in _NAMES.glob("video*"))


def _identity(node: str) -> tuple[str, str] | None:
    """(the camera's name, the index of this device file); a camera may have several, and only one gives pictures."""
    try:
        return (_NAMES / node / "name").read_text().strip(), (_NAMES / node / "index").read_text().strip()
    except OSError:
        return None


def _open(path: str, settings: CameraSettings) -> UsbCapture:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        raise UserError(_cannot_open(path, error)) from error
    properties = [cv2.CAP_PROP_BUFFERSIZE, 1]  # so that hardly any old picture waits to be read
    if settings.fourcc:  # first, because the pixel format decides which sizes and rates are possible
        properties += [cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*settings.fourcc)]
    if settings.size:
        properties += [cv2.CAP_PROP_FRAME_WIDTH, settings.size[0], cv2.CAP_PROP_FRAME_HEIGHT, settings.size[1]]
    if settings.fps:
        properties += [cv2.CAP_PROP_FPS, round(settings.fps)]
    capture = open_capture(path, cv2.CAP_V4L2, [])
    if not capture.isOpened():
        raise UserError(
            f"{path} gives no pictures: another program uses it, or it is no camera; "
            f"cameras on this machine: {_cameras()}."
        )
    for key, value in zip(properties[::2], properties[1::2], strict=True):
        capture.set(key, value)
    if settings.exposure is not None:
        _fix_exposure(capture, settings.exposure)
    if settings.white_balance is not None:
        capture.set(cv2.CAP_PROP_AUTO_WB, 0)
        capture.set(cv2.CAP_PROP_WB_TEMPERATURE, settings.white_balance)
    extra = [
        f"exposure {capture.get(cv2.CAP_PROP_EXPOSURE):g}",
        f"white balance {capture.get(cv2.CAP_PROP_WB_TEMPERATURE):g}",
    ]
    return UsbCapture(capture, path, live=True, extra=extra)


def _fix_exposure(capture: Any, exposure: float) -> None:
    capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, 1)  # V4L2's "manual"
    capture.set(cv2.CAP_PROP_EXPOSURE, exposure)


def _cannot_open(path: str, error: OSError) -> str:
    """Why the device file can't be opened, as a sentence for the user."""
    if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return f"There is no camera {path}; cameras on this machine: {_cameras()}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"No permission to use {path}; run `sudo usermod -aG video $USER` and log in again."
    if error.errno == errno.EBUSY:
        return f"{path} is in use by another program; end that program first."
    return f"{path} can't be opened: {reason(error)}."


def _cameras() -> str:
    cameras = {str(_FILES / node): _identity(node) for node in _nodes()}
    return ", ".join(f"{path} ({found[0]})" if found else path for path, found in cameras.items()) or "none"
