"""A window with the live picture, if there is a display.

It uses Tk, not OpenCV: OpenCV's headless package has no windows, and its full package ends the whole process where
there is no display.
"""

import os
import time

import numpy as np
from PIL import Image

from edge.errors import reason

_EVERY = 0.1  # seconds between pictures; showing more would slow down the run
_WIDTH = 960  # pixels; wider pictures are shrunk


class Window:
    """The window. The user may close it at any time; the run goes on."""

    def __init__(self, title: str) -> None:
        """Opens the window. Raises RuntimeError, in one sentence, where that isn't possible."""
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise RuntimeError("There is no display, so --show shows nothing; the work goes on.")
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise RuntimeError("--show needs Tk: run `sudo apt install python3-tk`; the work goes on.") from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise RuntimeError(f"No window can be opened ({reason(error)}); the work goes on without it.") from error
        self._root.title(title)
        self._label = tkinter.Label(self._root)
        self._text = tkinter.Label(self._root, anchor="w")
        self._label.pack()
        self._text.pack(fill="x")
        self._closed, self._next = False, 0.0
        self._error, self._photo = tkinter.TclError, ImageTk.PhotoImage
        self._root.protocol("WM_DELETE_WINDOW", self._close)

    def _close(self) -> None:
        self._closed = True
        self._root.destroy()

    def show(self, image: np.ndarray | None, text: str) -> None:
        """Shows a picture and a line of text below it. Does nothing once the window is closed.

        Args:
            image: RGB uint8 [height, width, 3]; None to leave the picture as it is.
            text: the line.
        """
        now = time.monotonic()
        if self._closed or now < self._next:
            return
        self._next = now + _EVERY
        try:
            if image is not None:
                step = max(1, -(-image.shape[1] // _WIDTH))
                self._picture = self._photo(Image.fromarray(np.ascontiguousarray(image[::step, ::step])))
                self._label.configure(image=self._picture)
            self._text.configure(text=text)
            self._root.update()
        except self._error:
            self._closed = True
