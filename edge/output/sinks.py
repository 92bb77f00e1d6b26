"""Where results go: table, JSON lines, CSV, annotated pictures. Each sink is a context manager with add()."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from PIL import Image, ImageDraw, ImageFont

from edge.cell import centre_distance
from edge.classify import Answer
from edge.decide import OTHER, REVIEW
from edge.errors import UserError, reason
from edge.frames import Unreadable
from edge.model import Model

NOTICE = "For a person to check: not a medical device."
_COLOURS = {"lymphocyte": (0, 90, 200), "monocyte": (200, 60, 0), REVIEW: (150, 0, 150)}


@contextmanager
def writing(target: object) -> Iterator[None]:
    """Turns a full disk and its like into one sentence."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of a pipe had enough: click ends quietly
    except OSError as error:
        raise UserError(f"Can't write {target}: {reason(error)}.") from error


class Sink:
    """Something that takes answers, one at a time."""

    def __enter__(self) -> Self:
        return self

    def add(self, result: Answer | Unreadable) -> None:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class _Text(Sink):
    """A text file or, for "-", standard output; what was added is in it even if the run is cut short.

    live: each line is handed to the system at once, so that it is there even if the process is killed, and to the disk
    within a second, so that it is there even after a power cut. What the file holds from an earlier run stays, and is
    gone on with: a camera's run that is started again must not destroy what it counted.
    """

    def __init__(self, target: str, live: bool = False) -> None:
        self.target = "standard output" if target == "-" else target
        self.goes_on = False
        with writing(self.target):
            self.file: IO[str] = sys.stdout if target == "-" else self._open(target, live)
        if target == "-" and live and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        self._disk = None
        if live and target != "-":
            from edge.system.fsync import Syncing

            self._disk = Syncing(self.file, target)

    def _open(self, target: str, live: bool) -> IO[str]:
        if live:
            from edge.system import fsync

            earlier = fsync.first_line(target)
            if earlier and not self.ours(earlier):
                raise UserError(f"{target} holds something else than these results; name another file.")
            if earlier:
                fsync.mend(target)
            self.goes_on = bool(earlier and fsync.first_line(target))
        # Names of files may hold bytes that are no text: escaped, not refused.
        mode, lines = "a" if self.goes_on else "w", 1 if live else -1
        return Path(target).open(mode, buffering=lines, encoding="utf-8", errors="backslashreplace", newline="")

    def ours(self, line: str) -> bool:
        """Is this the first line of results with the same columns?"""
        raise NotImplementedError

    def write(self, text: str) -> None:
        with writing(self.target):
            self.file.write(text)
            if self._disk:
                self._disk.wrote()

    def __exit__(self, *_: object) -> None:
        with writing(self.target):
            if self._disk:
                self._disk.close()
            if self.file is sys.stdout:
                self.file.flush()
            else:
                self.file.close()


class JsonLines(_Text):
    """One JSON object a cell, or a picture that can't be read."""

    def __init__(self, target: str, model_sha256: str, live: bool = False) -> None:
        super().__init__(target, live)
        self.model = model_sha256

    def ours(self, line: str) -> bool:
        try:
            return {"source", "cell", "probabilities", "frames", "taken", "model"} <= set(json.loads(line))
        except (ValueError, TypeError):
            return False

    def add(self, result: Answer | Unreadable) -> None:
        for row in rows(result, self.model):
            self.write(json.dumps(row) + "\n")


def rows(result: Answer | Unreadable, model_sha256: str) -> list[dict[str, Any]]:
    """What the JSON lines hold: a dictionary a cell, or one that says that there was none."""
    if isinstance(result, Unreadable):
        return [{"source": result.source, "error": result.error}]
    if not result.cells:
        return [{"source": result.frame.source, "frame": result.frame.number, "cells": 0, "model": model_sha256}]
    return [
        {
            "source": result.frame.source,
            "frame": result.frame.number,
            "cell": cell.number,
            "box": list(cell.box),
            "diameter": round(cell.diameter, 1),
            "red_cell": round(cell.red_cell, 1),
            "at_border": cell.at_border,
            "centre_distance": round(centre_distance(cell, result.frame), 4),
            "label": decision.label,
            **({"reason": decision.reason} if decision.reason else {}),
            "probabilities": decision.probabilities,
            **({"shift": decision.shift} if decision.shift else {}),
            **({"frames": decision.frames, "taken": _moment(result.frame.taken)} if decision.frames else {}),
            "model": model_sha256,
        }
        for cell, decision in result.cells
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Csv(_Text):
    """The same as a table for a spreadsheet: the box in four columns, a column p_LABEL a probability."""

    def __init__(self, target: str, labels: Sequence[str], model_sha256: str, live: bool = False) -> None:
        self.model = model_sha256
        columns = [
            "source",
            "frame",
            "cell",
            "x",
            "y",
            "width",
            "height",
            "diameter",
            "red_cell",
            "at_border",
            "centre_distance",
            "label",
            "reason",
        ]
        columns += [f"p_{label}" for label in labels] + ["model", "error"]
        columns += ["frames", "taken"] if live else []
        self.columns = columns
        super().__init__(target, live)
        self.writer = csv.DictWriter(self, columns, lineterminator="\n")
        if not self.goes_on:
            self.writer.writeheader()

    def ours(self, line: str) -> bool:
        return next(csv.reader([line]), []) == self.columns

    def add(self, result: Answer | Unreadable) -> None:
        for row in rows(result, self.model):
            row.pop("cells", None)
            row.pop("shift", None)
            if "box" in row:
                row |= dict(zip(("x", "y", "width", "height"), row.pop("box"), strict=True))
                row |= {f"p_{label}": p for label, p in row.pop("probabilities").items()}
            self.writer.writerow(row)


class Table(_Text):
    """Aligned lines for a person; `hold` keeps them to the end, while a progress bar has the terminal."""

    def __init__(self, labels: Sequence[str], hold: bool = False) -> None:
        super().__init__("-")
        self.labels = labels
        self.held: list[str] | None = [] if hold else None
        self._line(f"{'answer':12}" + "".join(f"{label:>12}" for label in labels) + "  picture\n")

    def _line(self, text: str) -> None:
        if self.held is None:
            self.write(text)
        else:
            self.held.append(text)

    def __exit__(self, *error: object) -> None:
        for text in self.held or ():
            self.write(text)
        super().__exit__(*error)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            self._line(f"{'-':12}" + f"{'-':>12}" * len(self.labels) + f"  {_printable(result.source)}\n")
            return
        if not result.cells:
            self._line(f"{'no cell':12}" + f"{'-':>12}" * len(self.labels) + f"  {_printable(result.frame.source)}\n")
        for cell, decision in result.cells:
            shares = "".join(f"{decision.probabilities[label]:>12.3f}" for label in self.labels)
            which = f" #{cell.number}" if len(result.cells) > 1 else ""
            why = decision.reason or ("cut by the border" if cell.at_border else "")
            self._line(
                f"{decision.label:12}{shares}  {_printable(result.frame.source)}{which}{f' ({why})' if why else ''}\n"
            )


class _Pictures(Sink):
    """Pictures made of the answers, as NAME.KIND.jpg in a folder."""

    def __init__(self, folder: str, kind: str, draw: Callable[[Answer], Image.Image]) -> None:
        self.folder, self.kind, self.draw = Path(folder), kind, draw
        self.names: Counter[str] = Counter()
        with writing(folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            return
        stem = Path(result.frame.source).stem
        self.names[stem] += 1
        if self.names[stem] > 1:  # pictures of one name from several folders
            stem = f"{stem}-{self.names[stem]}"
        path = self.folder / f"{stem}.{self.kind}.jpg"
        with writing(path):
            self.draw(result).save(path, quality=90)


class Annotated(_Pictures):
    """The pictures with boxes and answers drawn on."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, "annotated", annotate)


class Explained(_Pictures):
    """What the locator saw in each."""

    def __init__(self, folder: str, model: Model) -> None:
        from edge.locate import Locator
        from edge.output.explain import explain  # brings OpenCV, which the other sinks don't need

        locator = Locator()
        super().__init__(folder, "explained", lambda result: explain(result, locator, model))


def annotate(result: Answer) -> Image.Image:
    """The picture with a box round each cell and its answer above it, or below where there is no room."""
    picture = Image.fromarray(result.frame.image)
    draw = ImageDraw.Draw(picture)
    height = max(11, min(picture.size) // 26)
    font = letters(height)
    for cell, decision in result.cells:
        x, y, w, h = cell.box
        colour = _COLOURS.get(decision.label, (90, 90, 90))
        sure = decision.probabilities.get(decision.label)
        text = f"{decision.label} {sure:.2f}" if sure is not None else f"{REVIEW}: {decision.reason}"
        draw.rectangle((x, y, x + w - 1, y + h - 1), outline=colour, width=max(1, height // 8))
        tall, wide = round(height * 1.35), round(draw.textlength(text, font)) + height // 2
        top = y - tall if y >= tall else min(y + h, picture.height - tall)
        left = max(0, min(x, picture.width - wide))
        draw.rectangle((left, top, left + wide, top + tall - 1), fill=colour)
        draw.text((left + height // 4, top), text, "white", font)
    return picture


def letters(size: int) -> Any:
    """Pillow's own letters, so tall; in one size where Pillow is as old as 32-bit Bookworm's."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        return ImageFont.load_default()


class Tally(Sink):
    """Counts for the last line and the exit code."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.pictures = self.unreadable = 0

    def add(self, result: Answer | Unreadable) -> None:
        self.pictures += 1
        if isinstance(result, Unreadable):
            self.unreadable += 1
        else:
            self.answers.update(decision.label for _, decision in result.cells)

    def __str__(self) -> str:
        parts = [counted(count, label) for label, count in sorted(self.answers.items())]
        if self.unreadable:
            parts.append(f"{self.unreadable} could not be read")
        return f"{', '.join(parts) or 'no cell'}. {NOTICE}"


def counted(count: int, label: str) -> str:
    """ "3 monocytes", "2 to review"."""
    if label in (OTHER, REVIEW):
        return f"{count} {'to review' if label == REVIEW else label}"
    return f"{count} {label}{'' if count == 1 else 's'}"


def _printable(name: str) -> str:
    """File names may hold bytes that aren't text and characters that move the terminal's cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
