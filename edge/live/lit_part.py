"""Cuts off what surrounds the field in a camera's frames: a video's bars, or the black round an eyepiece."""

from dataclasses import replace

import numpy as np

from edge.field import surround
from edge.field.outline import Outline, painted
from edge.frames import Frame
from edge.locate import shrink

_TRIES = 30  # frames at the start in which a surround is searched; the first may show an empty spot
_SIZE = 320  # pixels to which a frame is shrunk for that


class LitPart:
    """The lit part of one camera's frames. Once it is found, it stays where it is."""

    def __init__(self) -> None:
        self._lit: Outline | None = None
        self._tries, self._size = 0, (0, 0)
        self._hidden, self._colour = np.zeros((0, 0), bool), np.zeros(3, np.uint8)

    def cut(self, frame: Frame) -> Frame:
        """The frame without its surround. What remains of that in the corners of a box gets the field's colour."""
        if (frame.width, frame.height) != self._size:
            self._lit, self._tries, self._size = None, 0, (frame.width, frame.height)
        if self._lit is None and self._tries < _TRIES:
            self._tries += 1
            self._search(frame)
        if self._lit is None:
            return frame
        image = frame.window(*self._lit.box).copy()
        image[self._hidden] = self._colour
        return replace(frame, image=image)

    def _search(self, frame: Frame) -> None:
        small = shrink(frame.image, _SIZE)
        found = surround.find(small)
        if found is None:
            return
        rows, columns = (np.arange(n) + 0.5 for n in small.shape[:2])
        outside = found.outside(columns, rows)
        self._colour = painted(small, outside)[outside][0]
        self._lit = found.resized((small.shape[1], small.shape[0]), self._size)
        left, top, right, bottom = self._lit.box
        self._hidden = self._lit.outside(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
