"""What a person gets of a run at the camera: lines on the terminal, and pictures of the cells in a folder."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from edge.classify import Answer
from edge.errors import writing
from edge.frames import Unreadable
from edge.output.annotate import annotate
from edge.output.sinks import Sink

_MARGIN = 1.4  # of the cell: what the saved picture of it shows
_REFRESH, _LOG = 0.25, 60.0  # seconds between status lines: on a terminal, in a log


class LiveTerminal(Sink):
    """A line on standard output for each new cell. On a terminal, a status line below them on standard error.

    Where nobody watches (a log, systemd's journal), the status line is written once a minute, and a warning when it is
    new.
    """

    def __init__(self, labels: Sequence[str], cells: bool) -> None:
        """cells: whether cells are written at all; JSON lines may have standard output."""
        self.labels, self._cells = labels, cells
        self._watched = sys.stderr.isatty()
        self._next, self._shown, self._warned = 0.0, "", ""
        if cells:
            self._line(f"{'answer':12}" + "".join(f"{label:>12}" for label in labels) + "  cell")

    def add(self, result: Answer | Unreadable) -> None:
        if not self._cells or isinstance(result, Unreadable):
            return
        for cell, decision in result.cells:
            self._clear()
            shares = "".join(f"{decision.probabilities[label]:>12.3f}" for label in self.labels)
            clock = time.strftime("%H:%M:%S", time.localtime(result.picture.taken))
            why = f" ({decision.reason})" if decision.reason else ""
            self._line(f"{decision.label:12}{shares}  #{cell.number}, {clock}{why}")

    def say(self, text: str) -> None:
        """A sentence, on standard error."""
        self._clear()
        self._error(text + "\n")

    def status(self, text: str, warnings: Sequence[str]) -> None:
        """The status line; called for each frame, written as often as is good to read."""
        now = time.monotonic()
        if warnings and warnings[0] != self._warned and not self._watched:
            self.say(f"{warnings[0][0].upper()}{warnings[0][1:]}.")
        self._warned = warnings[0] if warnings else self._warned
        if now < self._next:
            return
        if self._watched:
            self._next = now + _REFRESH
            text = text[: max(20, shutil.get_terminal_size().columns - 1)]
            self._error("\r" + text + " " * max(0, len(self._shown) - len(text)))
            self._shown = text
        else:
            if self._next:
                self._error(text + "\n")
            self._next = now + _LOG

    def _line(self, text: str) -> None:
        with writing("standard output"):
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _error(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._shown:
            self._error("\r" + " " * len(self._shown) + "\r")
            self._shown = ""

    def __exit__(self, *error: object) -> None:
        self._clear()


class CropWriter(Sink):
    """Two pictures of each cell in a folder: of the cell itself, and of its field with a box around it.

    Numbers continue those in the folder, so that no earlier session's pictures are lost.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        with writing(folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            names = [path.name.split(".")[0].rpartition("-")[2] for path in self._folder.glob("cell-*.crop.png")]
        self._first = max((int(name) + 1 for name in names if name.isdecimal()), default=0)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            return
        for cell, _ in result.cells:
            stem = f"cell-{self._first + cell.number:06}"
            r = _MARGIN * cell.diameter / 2
            x, y = cell.centre
            around = result.picture.window(int(x - r), int(y - r), int(x + r) + 1, int(y + r) + 1)
            with writing(self._folder):
                _save(Image.fromarray(around), self._folder / f"{stem}.crop.png", "PNG")
                _save(annotate(result), self._folder / f"{stem}.field.jpg", "JPEG")


def _save(picture: Image.Image, path: Path, kind: str) -> None:
    """Writes a picture file whole or not at all, even if the process is killed."""
    part = path.with_name(path.name + ".part")
    picture.save(part, kind, quality=90)
    part.replace(path)
