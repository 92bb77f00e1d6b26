"""A window with the live picture, if there is a display.

It uses Tk, not OpenCV: OpenCV's headless package has no windows, and its full package ends the whole process where
there is no display.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from edge.cell import Cell
from edge.decide import Decision
from edge.errors import reason
from edge.output.annotate import draw_answers

_EVERY = 0.1  # seconds between pictures; showing more would slow down the run
_WIDTH = 960  # pixels; wider pictures are shrunk
_UNDECIDED = (255, 255, 255)  # colour of the box around a cell that isn't decided yet


class Window:
    """The window. The user may close it at any time; the run goes on."""

    def __init__(self, title: str, end: Callable[[], None] = lambda: None) -> None:
        """Opens the window.

        Args:
            title: its title.
            end: called when the user presses q or Escape.

        Raises:
            RuntimeError: where that isn't possible, in one sentence.
        """
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
        self._root.title(f"{title}: q or Escape ends the run")
        self._label = tkinter.Label(self._root)
        # Its text never changes the size of the window.
        self._text = tkinter.Label(self._root, anchor="w", justify="left", width=1, height=2)
        self._label.pack()
        self._text.pack(fill="x")
        self._closed, self._next = False, 0.0
        self._error, self._photo = tkinter.TclError, ImageTk.PhotoImage
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("q", "Q", "<Escape>"):
            self._root.bind(key, lambda _: end())

    def _close(self) -> None:
        self._closed = True
        self._root.destroy()

    def show(
        self, image: np.ndarray | None, cells: Sequence[tuple[Cell, Decision | None]], parts: Sequence[str]
    ) -> None:
        """Shows a picture and two lines of text below it. Does nothing once the window is closed.

        Args:
            image: RGB uint8 [height, width, 3]; None to leave the picture as it is.
            cells: the cells in it, with their answers; None for an answer that isn't known yet.
            parts: of the text, the most important first; each line gets two or more.
        """
        now = time.monotonic()
        if self._closed or now < self._next:
            return
        self._next = now + _EVERY
        try:
            if image is not None:
                self._picture = self._photo(drawn(image, cells))
                self._label.configure(image=self._picture)
            self._text.configure(text=f"{' | '.join(parts[:2])}\n{' | '.join(parts[2:])}")
            self._root.update()
        except self._error:
            self._closed = True


def drawn(image: np.ndarray, cells: Sequence[tuple[Cell, Decision | None]], widest: int = _WIDTH) -> Image.Image:
    """The picture in the window: at most `widest` pixels wide, with a box around each cell and its answer."""
    step = max(1, -(-image.shape[1] // widest))
    picture = Image.fromarray(np.ascontiguousarray(image))  # a copy
    picture = picture.reduce(step) if step > 1 else picture  # means, because single pixels would flicker
    draw = ImageDraw.Draw(picture)
    decided = []
    for cell, decision in cells:
        x, y, width, height = box = (cell.box[0] // step, cell.box[1] // step, cell.box[2] // step, cell.box[3] // step)
        if decision is None:
            draw.rectangle((x, y, x + width, y + height), outline=_UNDECIDED)
        else:
            decided.append((replace(cell, box=box), decision))
    draw_answers(picture, decided)
    return picture
