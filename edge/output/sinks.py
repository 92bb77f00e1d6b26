"""Where answers go: JSON lines, CSV, a table for a person, or pictures. Each sink is a context manager with add().

>>> from edge.output.sinks import JsonLines
>>> with JsonLines("answers.jsonl", model.sha256) as sink:
...     for answer in answers:
...         sink.add(answer)
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from PIL import Image

from edge.cell import centre_distance
from edge.classify import Answer
from edge.decide import OTHER, REVIEW
from edge.errors import UserError, writing
from edge.frames import Unreadable
from edge.model import Model
from edge.unlike import Unlike

NOTICE = "For a person to check: not a medical device."


class Sink:
    """Something that takes answers, one picture at a time."""

    def __enter__(self) -> Self:
        return self

    def add(self, result: Answer | Unreadable) -> None:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class _Text(Sink):
    """A text file or, for "-", standard output. If the run is cut short, it holds everything that was added so far.

    With live=True, each line is handed to the operating system at once, so that it survives if the process ends. It
    reaches the disk within a second, so that it survives a power cut. And new lines are added to those of an earlier
    run: a run at a camera that starts again must not destroy what was counted before.
    """

    def __init__(self, target: str, live: bool = False) -> None:
        self.target = "standard output" if target == "-" else target
        self.appends = False
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
                raise UserError(f"{target} holds something other than these results; name another file.")
            if earlier:
                fsync.mend(target)
            self.appends = bool(earlier and fsync.first_line(target))
        # File names may hold bytes that aren't valid text; these are escaped.
        mode, lines = "a" if self.appends else "w", 1 if live else -1
        return Path(target).open(mode, buffering=lines, encoding="utf-8", errors="backslashreplace", newline="")

    def ours(self, line: str) -> bool:
        """Whether this is the first line of results with the same columns."""
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
    """One JSON object per cell, and one for each picture that has no cell or can't be read."""

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
    """The JSON objects for one picture: one per cell, or one to say that it has no cell or can't be read."""
    if isinstance(result, Unreadable):
        return [{"source": result.source, "error": result.error}]
    run = {"run": _judged(result.run)} if result.run else {}
    if not result.cells:
        empty = {"source": result.picture.source, "frame": result.picture.number, "cells": 0}
        doubt = {"reason": result.found.doubt} if result.found and result.found.doubt else {}
        return [{**empty, **doubt, **run, "model": model_sha256}]
    return [
        {
            "source": result.picture.source,
            "frame": result.picture.number,
            "cell": cell.number,
            "box": list(cell.box),
            "diameter": round(cell.diameter, 1),
            "red_cell": round(cell.red_cell, 1),
            **({"red_cell_uncertainty": cell.uncertainty} if cell.uncertainty else {}),
            "at_border": cell.at_border,
            "centre_distance": round(centre_distance(cell, result.picture), 4),
            "label": decision.label,
            **({"reason": decision.reason} if decision.reason else {}),
            "probabilities": decision.probabilities,
            **({"shift": decision.shift} if decision.shift else {}),
            **({"frames": decision.frames, "taken": _moment(result.picture.taken)} if decision.frames else {}),
            **run,
            "model": model_sha256,
        }
        for cell, decision in result.cells
    ]


def _judged(run: Unlike) -> dict[str, Any]:
    return {"unlike": run.value, "why": run.why, **({"moved": dict(run.moves)} if run.moves else {})}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Csv(_Text):
    """A table for a spreadsheet: a row per cell, with its box in four columns and a column p_LABEL per probability."""

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
        if not self.appends:
            self.writer.writeheader()

    def ours(self, line: str) -> bool:
        return next(csv.reader([line]), []) == self.columns

    def add(self, result: Answer | Unreadable) -> None:
        for row in rows(result, self.model):
            row.pop("cells", None)
            row.pop("red_cell_uncertainty", None)
            row.pop("shift", None)
            row.pop("run", None)
            if "box" in row:
                row |= dict(zip(("x", "y", "width", "height"), row.pop("box"), strict=True))
                row |= {f"p_{label}": p for label, p in row.pop("probabilities").items()}
            self.writer.writerow(row)


class Table(_Text):
    """Aligned lines for a person, on standard output.

    hold: write them only at the end, because a progress bar occupies the terminal until then.
    """

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
            doubt = result.found.doubt if result.found else ""
            name = f"{_printable(result.picture.source)}{f' ({doubt})' if doubt else ''}"
            self._line(f"{'too small' if doubt else 'no cell':12}" + f"{'-':>12}" * len(self.labels) + f"  {name}\n")
        for cell, decision in result.cells:
            shares = "".join(f"{decision.probabilities[label]:>12.3f}" for label in self.labels)
            which = f" #{cell.number}" if len(result.cells) > 1 else ""
            why = decision.reason or ("cut by the border" if cell.at_border else "")
            self._line(
                f"{decision.label:12}{shares}  {_printable(result.picture.source)}{which}{f' ({why})' if why else ''}\n"
            )


class _Pictures(Sink):
    """Draws a picture of each answer and writes it as NAME.KIND.jpg in a folder."""

    def __init__(self, folder: str, kind: str, draw: Callable[[Answer], Image.Image]) -> None:
        self.folder, self.kind, self.draw = Path(folder), kind, draw
        self.names: Counter[str] = Counter()
        with writing(folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            return
        stem = Path(result.picture.source).stem
        self.names[stem] += 1
        if self.names[stem] > 1:  # pictures with the same name from several folders
            stem = f"{stem}-{self.names[stem]}"
        path = self.folder / f"{stem}.{self.kind}.jpg"
        with writing(path):
            self.draw(result).save(path, quality=90)


class Annotated(_Pictures):
    """The pictures with boxes and answers drawn on them. Needs answers with whole pictures: Search(keep_whole=True)."""

    def __init__(self, folder: str) -> None:
        from edge.output.annotate import annotate

        super().__init__(folder, "annotated", annotate)


class Explained(_Pictures):
    """What the locator and the network saw in each picture. Needs answers with a trace: Search(trace=True)."""

    def __init__(self, folder: str, model: Model) -> None:
        from edge.output.explain import explain  # imports OpenCV, which the other sinks don't need

        super().__init__(folder, "explained", lambda answer: explain(answer, model))


class Complaints(Sink):
    """Reports each picture that can't be read, and why. say: called with one line per such picture."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            self._say(f"{result.source!r} {result.error}")


class Tally(Sink):
    """Counts answers, for the last line of the output."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.pictures = self.unreadable = self.too_small = 0

    def add(self, result: Answer | Unreadable) -> None:
        self.pictures += 1
        if isinstance(result, Unreadable):
            self.unreadable += 1
        else:
            self.answers.update(decision.label for _, decision in result.cells)
            self.too_small += bool(result.found and result.found.doubt)

    def __str__(self) -> str:
        parts = [counted(count, label) for label, count in sorted(self.answers.items())]
        if self.too_small:
            what = "picture" if self.too_small == 1 else "pictures"
            parts.append(f"{self.too_small} {what} with cells too small to be judged")
        if self.unreadable:
            parts.append(f"{self.unreadable} could not be read")
        return f"{', '.join(parts) or 'no cell'}. {NOTICE}"


def counted(count: int, label: str) -> str:
    """A count with its label, such as "3 monocytes" or "2 to review"."""
    if label in (OTHER, REVIEW):
        return f"{count} {'to review' if label == REVIEW else label}"
    return f"{count} {label}{'' if count == 1 else 's'}"


def _printable(name: str) -> str:
    """A file name for a terminal: bytes that aren't text, and characters that move the cursor, are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
