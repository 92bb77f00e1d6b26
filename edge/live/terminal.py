"""What the user gets from a run at the camera: lines on the terminal, and pictures of the cells in a folder."""

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from PIL import Image

from edge.classify import Answer
from edge.errors import UserError, writing
from edge.frames import Unreadable
from edge.output.annotate import annotate
from edge.output.sinks import Sink
from edge.reading.drawn import COMMENT, SAVED
from edge.system.lock import lock
from edge.system.streams import printable
from edge.system.whole import write_whole

_LOGGER = "edge"  # the logger whose lines at level INFO and above are shown
_MARGIN = 1.4  # side of the saved picture of a cell, in diameters of the cell
_REFRESH, _LOG = 0.25, 60.0  # seconds between two status lines: on a terminal, in a log


class LiveTerminal(Sink):
    """Writes a line for each new cell on standard output, and everything else on standard error.

    On a terminal there is also a status line below the other lines. Where standard error is a log (a file, systemd's
    journal), the status line is written once a minute, and a warning when it is new.

    Inside its `with` block, it also shows what the package logs.
    """

    def __init__(self, labels: Sequence[str], show_cells: bool) -> None:
        """Writes the header of the table.

        Args:
            labels: the model's labels; each gets a column.
            show_cells: whether cells are written; False where standard output is used for JSON lines.
        """
        self.labels, self._show_cells = labels, show_cells
        self._is_terminal = sys.stderr.isatty()
        self._next_status, self._status, self._last_warning = 0.0, "", ""
        self._handler, self._level = _Handler(self.say), logging.NOTSET
        if show_cells:
            self._line(f"{'answer':12}" + "".join(f"{label:>12}" for label in labels) + "  cell")

    def __enter__(self) -> Self:
        logger = logging.getLogger(_LOGGER)
        self._level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(self._handler)
        return self

    def __exit__(self, *error: object) -> None:
        logger = logging.getLogger(_LOGGER)
        logger.removeHandler(self._handler)
        logger.setLevel(self._level)
        self._clear_status()

    def add(self, result: Answer | Unreadable) -> None:
        if not self._show_cells or isinstance(result, Unreadable):
            return
        for cell, decision in result.cells:
            self._clear_status()
            shares = "".join(f"{decision.probabilities[label]:>12.3f}" for label in self.labels)
            clock = time.strftime("%H:%M:%S", time.localtime(result.picture.taken))
            again = "perhaps counted before" if result.sighting and result.sighting.seen_before else ""
            why = "; ".join(filter(None, (decision.reason, again)))
            self._line(f"{decision.label:12}{shares}  #{cell.number}, {clock}{f' ({why})' if why else ''}")

    def say(self, text: str) -> None:
        """Writes a sentence on standard error."""
        self._clear_status()
        self._error(printable(text) + "\n")

    def status(self, parts: Sequence[str], warnings: Sequence[str]) -> None:
        """Shows the status line. May be called for every frame; the line is written only as often as it can be read.

        Args:
            parts: of the line, the most important first; a terminal shows as many as it has room for.
            warnings: what the user should do, the most urgent first.
        """
        now = time.monotonic()
        if warnings and warnings[0] != self._last_warning and not self._is_terminal:
            self.say(f"{warnings[0][0].upper()}{warnings[0][1:]}.")
        self._last_warning = warnings[0] if warnings else self._last_warning
        if now < self._next_status:
            return
        if self._is_terminal:
            self._next_status = now + _REFRESH
            text = fitted(parts, max(20, shutil.get_terminal_size().columns - 1))
            self._error("\r" + text + " " * max(0, len(self._status) - len(text)))
            self._status = text
        else:
            if self._next_status:
                self._error(" | ".join(parts) + "\n")
            self._next_status = now + _LOG

    def _line(self, text: str) -> None:
        with writing("standard output"):
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _error(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    def _clear_status(self) -> None:
        if self._status:
            self._error("\r" + " " * len(self._status) + "\r")
            self._status = ""


def fitted(parts: Sequence[str], columns: int) -> str:
    """A line of the first parts, as many as fit in. Where the first two don't, of the first, "WHAT IS WRONG: WHAT TO
    DO", one half is left out.
    """
    first, *others = parts
    if others and ": " in first:
        shorter = (first, *reversed(first.split(": ", 1)))
        first = next((each for each in shorter if len(f"{each} | {others[0]}") <= columns), first)
    line = first
    for part in others:
        if len(f"{line} | {part}") > columns:
            break
        line += f" | {part}"
    return line[:columns]


class _Handler(logging.Handler):
    """Passes each logged line to a function."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(self.format(record))


class CropWriter(Sink):
    """Writes two pictures of each cell into a folder: the cell itself, and its field with a box around the cell.

    Their names hold the cell's identity, so no picture of an earlier run is overwritten. While a run saves to a folder,
    no other run may.
    """

    def __init__(self, folder: str) -> None:
        """Makes the folder if it doesn't exist. Raises UserError where that isn't possible."""
        self._folder = Path(folder)
        with writing(folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY)
            if not lock(self._lock):
                os.close(self._lock)
                raise UserError(f"Another run saves pictures in {folder}; wait for its end, or name another folder.")
            (self._folder / SAVED).touch()

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable) or result.sighting is None:
            return
        for cell, _ in result.cells:
            stem = f"cell-{result.sighting.id}"
            r = _MARGIN * cell.diameter / 2
            x, y = cell.centre
            crop = result.picture.window(int(x - r), int(y - r), int(x + r) + 1, int(y + r) + 1)
            with writing(self._folder):
                _save(Image.fromarray(crop), self._folder / f"{stem}.crop.png", "PNG")
                _save(annotate(result), self._folder / f"{stem}.field.jpg", "JPEG", comment=COMMENT)


def _save(picture: Image.Image, path: Path, kind: str, **options: bytes) -> None:
    """Writes a picture file whole or not at all."""
    write_whole(path, lambda part: picture.save(part, kind, quality=90, **options))
