"""What a person gets of a live run: lines on the terminal, and pictures of the cells in a folder."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from PIL import Image

from edge.classify import Answer
from edge.frames import Unreadable
from edge.output.sinks import Sink, annotate, writing

_MARGIN = 1.4  # of the cell: what the saved picture of it shows


class Board(Sink):
    """The terminal: a line a new cell, and below it, where a person watches, a line that tells how it goes.

    Elsewhere (a log, systemd's journal) that line is written once a minute, and a warning when it is new.
    """

    def __init__(self, labels: Sequence[str], cells: bool) -> None:
        self.labels, self._cells = labels, cells
        self._watched = sys.stderr.isatty()
        self._next, self._shown, self._warned = 0.0, "", ""
        if cells:
            click.echo(f"{'answer':12}" + "".join(f"{label:>12}" for label in labels) + "  cell")

    def add(self, result: Answer | Unreadable) -> None:
        if not self._cells or isinstance(result, Unreadable):
            return
        for cell, decision in result.cells:
            self._clear()
            shares = "".join(f"{decision.probabilities[label]:>12.3f}" for label in self.labels)
            clock = time.strftime("%H:%M:%S", time.localtime(result.frame.taken))
            with writing("standard output"):
                why = f" ({decision.reason})" if decision.reason else ""
                click.echo(f"{decision.label:12}{shares}  #{cell.number}, {clock}{why}")

    def say(self, text: str) -> None:
        """A sentence, on stderr."""
        self._clear()
        click.echo(text, err=True)

    def tell(self, text: str, warnings: Sequence[str]) -> None:
        """How it goes; called for each frame, written as often as is good to read."""
        now = time.monotonic()
        if warnings and warnings[0] != self._warned and not self._watched:
            self.say(f"{warnings[0][0].upper()}{warnings[0][1:]}.")
        self._warned = warnings[0] if warnings else self._warned
        if now < self._next:
            return
        if self._watched:
            self._next = now + 0.25
            text = text[: max(20, _columns() - 1)]
            click.echo("\r" + text + " " * max(0, len(self._shown) - len(text)), err=True, nl=False)
            self._shown = text
        else:
            if self._next:
                click.echo(text, err=True)
            self._next = now + 60

    def _clear(self) -> None:
        if self._shown:
            click.echo("\r" + " " * len(self._shown) + "\r", err=True, nl=False)
            self._shown = ""

    def __exit__(self, *error: object) -> None:
        self._clear()


def _columns() -> int:
    return shutil.get_terminal_size().columns


class Saved(Sink):
    """Two pictures of each cell in a folder: of itself, and of its field with a box round it.

    Numbers go on behind what the folder holds, so that no earlier session's pictures are lost.
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
            height, width = result.frame.image.shape[:2]
            r = _MARGIN * cell.diameter / 2
            x, y = cell.centre
            box = (max(0, int(x - r)), max(0, int(y - r)), min(width, int(x + r) + 1), min(height, int(y + r) + 1))
            with writing(self._folder):
                _save(Image.fromarray(result.frame.image).crop(box), self._folder / f"{stem}.crop.png", "PNG")
                _save(annotate(result), self._folder / f"{stem}.field.jpg", "JPEG")


def _save(picture: Image.Image, path: Path, kind: str) -> None:
    """A picture file, whole or not at all, even if the process is killed."""
    part = path.with_name(path.name + ".part")
    picture.save(part, kind, quality=90)
    part.replace(path)
