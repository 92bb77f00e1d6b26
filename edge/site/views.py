"""Collects fields for a ruler from a camera: each new view of the slide, taken at rest and in focus."""

import logging
import time

from edge.camera.address import shown
from edge.camera.device import CameraSettings
from edge.camera.faults import Faults
from edge.camera.reader import Camera
from edge.camera.source import opener
from edge.errors import UserError
from edge.frames import Frame
from edge.live.focus_monitor import FocusMonitor
from edge.live.lit_part import LitPart
from edge.live.registration import StageTracker
from edge.quality import image_quality
from edge.site.ruler import Fields
from edge.system.signals import Stop

logger = logging.getLogger(__name__)

_WAIT = 0.1  # seconds to wait for a frame; then the limits are checked again
_NEW = 0.5  # widths that the stage must have moved for a new view
_WIDE = 10  # red cells: a field is at least so wide; focus is measured with red cells of that width


def watch(source: str, settings: CameraSettings, fields: Fields, seconds: float, stop: Stop) -> None:
    """Adds the views that a camera shows, until there are enough, time is over, or a user stops it.

    Args:
        source: what `--camera` names.
        settings: what the user asks of the camera.
        fields: gets the views.
        seconds: the time that it may take.
        stop: set by a signal, such as ctrl-C.

    Raises:
        UserError: where the source can't be opened, or shows nothing new.
    """
    camera = Camera(opener(source, settings), shown(source))
    try:
        logger.info("%s", camera.facts)
        if not camera.unrelated_frames:
            logger.info("Move the stage from field to field, and rest a moment at each. Ctrl-C ends the measurement.")
        views, end = Views(camera.unrelated_frames), time.monotonic() + seconds
        while not (stop.asked or camera.over or time.monotonic() >= end):
            frame = camera.newest(_WAIT)
            if frame is not None and views.new(frame):
                fields.add(frame)
                logger.info("Field %d", len(fields.seen))
                if fields.enough():
                    break
    finally:
        camera.close()
    if not fields.seen:
        raise UserError(f"{camera.name} showed no field at rest and in focus.")


class Views:
    """Tells which frames show a new view."""

    def __init__(self, unrelated_frames: bool) -> None:
        self._unrelated = unrelated_frames
        self._faults, self._lit, self._stage, self._focus = Faults(), LitPart(), StageTracker(), FocusMonitor()
        self._places: list[tuple[float, float]] = []  # of the views, widths

    def new(self, frame: Frame) -> bool:
        """Whether this frame, the next of the camera, shows a new view, at rest and in focus."""
        if self._unrelated:
            return True
        if self._faults.of(frame.image):
            return False
        self._stage.update(self._lit.cut(frame).image, frame.taken)
        if not self._stage.resting:
            return False
        x, y = self._stage.place
        if any(abs(x - left) < _NEW and abs(y - top) < _NEW for left, top in self._places):
            return False
        quality = image_quality(frame.image, frame.width / _WIDE)
        self._focus.focus(quality, frame.taken)
        if not self._focus.sharp(quality):
            return False
        self._places.append((x, y))
        return True
