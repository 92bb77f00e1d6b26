"""What `--camera` may name: cameras, streams, videos, picture files, the simulated microscope -> a Device."""

import glob
import re
from collections.abc import Callable
from pathlib import Path

from edge import frames
from edge.camera.device import CameraSettings, Device, Pictures


def opener(source: str, wishes: CameraSettings | None = None) -> Callable[[], Device]:
    """What opens what the user named, the first time and whenever it is back.

    It raises UserError, in one sentence, where that doesn't work.
    """
    wishes = wishes or CameraSettings()
    if source == "sim" or source.startswith("sim:"):
        from edge.simulator.microscope import SimulatedCamera
        from edge.simulator.slide import parse

        slide = parse(source[4:], wishes.size, wishes.fps)
        return SimulatedCamera(slide, paced=not slide.every).plug
    if source.isdecimal() or source.startswith("/dev/"):
        from edge.camera.usb import Usb  # brings OpenCV, which pictures can do without

        return Usb(f"/dev/video{int(source)}" if source.isdecimal() else source, wishes).plug
    return lambda: _open(source, wishes)


def shown(source: str) -> str:
    """A source's name for terminals and files, where no password belongs."""
    return re.sub(r"//[^/@]*@", "//", source)


def _open(source: str, wishes: CameraSettings) -> Device:
    if source == "picamera" or re.fullmatch(r"picamera:\d+", source):
        from edge.camera.picamera import Picamera

        return Picamera(int(source.partition(":")[2] or 0), wishes)
    is_stream = "://" in source
    pictures = Path(source).is_dir() or glob.has_magic(source) or Path(source).suffix.lower() in frames.SUFFIXES
    if pictures and not is_stream:
        return Pictures(source, wishes)
    from edge.camera import opencv

    return opencv.stream(source, shown(source)) if is_stream else opencv.video(source, wishes)
