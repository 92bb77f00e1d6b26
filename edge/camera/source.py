"""Opens what `--camera` may name as a Device: cameras, streams, videos, picture files, the simulated microscope."""

import glob
import re
from collections.abc import Callable
from pathlib import Path

from edge.camera.address import is_address
from edge.camera.device import CameraSettings, Device, Pictures
from edge.reading.formats import SUFFIXES


def opener(source: str, settings: CameraSettings | None = None) -> Callable[[], Device]:
    """A function that opens the source that the user named. It is called again whenever the source is lost.

    Args:
        source: what follows `--camera`: "0", "/dev/video0", "picamera", "sim:7", an rtsp:// or http:// address, a
            video, a picture, a folder or a glob pattern.
        settings: what the user asks of the camera; None leaves every choice to the camera.

    Returns:
        The function. It raises UserError where the source can't be opened.

    Raises:
        UserError: where `source` names a simulated microscope with options that don't exist.
    """
    settings = settings or CameraSettings()
    if source == "sim" or source.startswith("sim:"):
        from edge.simulator.microscope import SimulatedCamera
        from edge.simulator.slide import parse

        scenario = parse(source[4:], settings.size, settings.fps)
        return SimulatedCamera(scenario, paced=not scenario.every).open
    if source.isdecimal() or source.startswith("/dev/"):
        from edge.camera.usb import Usb  # imports OpenCV, which picture files don't need

        return Usb(f"/dev/video{int(source)}" if source.isdecimal() else source, settings).open
    return lambda: _open(source, settings)


def _open(source: str, settings: CameraSettings) -> Device:
    if source == "picamera" or re.fullmatch(r"picamera:\d+", source):
        from edge.camera.picamera import Picamera

        return Picamera(int(source.partition(":")[2] or 0), settings)
    is_stream = is_address(source)
    pictures = Path(source).is_dir() or glob.has_magic(source) or Path(source).suffix.lower() in SUFFIXES
    if pictures and not is_stream:
        return Pictures(source, settings)
    from edge.camera import opencv

    return opencv.stream(source) if is_stream else opencv.video(source, settings)
