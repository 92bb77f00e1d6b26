"""Where answers go: JSON lines, CSV, a table for a person, or pictures. Each sink is a context manager with add().

>>> from edge.output.sinks import JsonLines
>>> with JsonLines("answers.jsonl", model.sha256) as sink:
...     for answer in answers:
...         sink.add(answer)
"""

import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from PIL import Image

from edge.cell import centre_distance
from edge.classify import Answer, Sighting
from edge.errors import UserError, writing
from edge.frames import LeftOut, Picture, Unreadable
from edge.model import Model
from edge.reading.drawn import COMMENT
from edge.system import fsync
from edge.system.lock import lock
from edge.system.streams import printable
from edge.system.whole import set_aside, write_new
from edge.unlike import Unlike

_LONGEST = 65_500  # pixels; a JPEG can't be larger
_ROW = '{"source": "'  # how a JSON line begins
# A spreadsheet takes a value that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Sink:
    """Something that takes answers, one picture at a time.

    Attributes:
        note: what a user should know before the first answer, in one sentence; "" for nothing.
    """

    note = ""

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

    New lines are added to those of an earlier run, and a file that holds anything else is refused: no run destroys
    results or pictures. While a run writes to a file, no other run may. A file that was cut off in its first line, as a
    power cut leaves it, and a table of an earlier version are renamed, so that a service goes on.

    With live=True, each line is handed to the operating system at once, so that it survives if the process ends. It
    reaches the disk within a second, so that it survives a power cut.
    """

    def __init__(self, target: str, live: bool = False) -> None:
        self.target = "standard output" if target == "-" else printable(target)
        self.appends = False
        self._disk = None
        with writing(self.target):
            self.file: IO[str] = sys.stdout if target == "-" else self._open(target, live)
        if target == "-" and live and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        if live and target != "-":
            self._disk = fsync.Syncing(self.file, target)

    def _open(self, target: str, live: bool) -> IO[str]:
        # File names may hold bytes that aren't valid text; these are escaped.
        file = Path(target).open(  # noqa: SIM115 __exit__ closes it
            "a", buffering=1 if live else -1, encoding="utf-8", errors="backslashreplace", newline=""
        )
        try:
            if not lock(file.fileno()):
                raise UserError(f"Another run writes to {target}; wait for its end, or name another file.")
            earlier = fsync.first_line(target)
            if earlier and not self.ours(earlier):
                why = self._unusable(earlier)
                if not why:
                    raise UserError(f"{target} holds something other than these results; name another file.")
                self.note = f"{target} {why}; it was renamed to {set_aside(Path(target))}, and a new file begins."
                file.close()
                return self._open(target, live)
            if earlier:
                fsync.mend(target)
                self.appends = bool(fsync.first_line(target))
        except (OSError, UserError):
            file.close()
            raise
        if self.appends:
            self.note = f"{target} holds answers of an earlier run; the new ones are added."
        return file

    def _unusable(self, line: str) -> str:
        """Why a file with this first line is ours, but can't be added to; "" if it isn't ours."""
        if not line.endswith("\n") and self.begins(line.rstrip("\0")):
            return "was cut off in its first line, as by a power cut"
        return "is a table of an earlier version, without the cells' identities" if self.outdated(line) else ""

    def ours(self, line: str) -> bool:
        """Whether this is the first line of results with the same columns."""
        raise NotImplementedError

    def begins(self, text: str) -> bool:
        """Whether a file of results may begin with this text, which is less than a line."""
        raise NotImplementedError

    def outdated(self, line: str) -> bool:
        """Whether this is the first line of results that an earlier version wrote, to which nothing can be added."""
        return False

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
        self.model, self.live = model_sha256, live
        if target == "-" and getattr(sys.stdout, "name", "") == os.devnull:
            raise UserError("Standard output is closed, so --json - can't write to it.")
        super().__init__(target, live)

    def ours(self, line: str) -> bool:
        try:
            keys = set(json.loads(line))
        except (ValueError, TypeError):
            return False
        if "schema" in keys:  # lines of a later form; see edge/schema/result-line.schema.json
            return False
        if self.live:
            return {"source", "cell", "probabilities", "frames", "taken", "model"} <= keys
        return "source" in keys and bool(keys & {"model", "error"})

    def begins(self, text: str) -> bool:
        return text.startswith(_ROW) or _ROW.startswith(text)

    def add(self, result: Answer | Unreadable) -> None:
        for row in rows(result, self.model):
            self.write(json.dumps(row) + "\n")


def rows(result: Answer | Unreadable, model_sha256: str) -> list[dict[str, Any]]:
    """The JSON objects for one picture: one per cell, or one to say that it has no cell or can't be read."""
    if isinstance(result, LeftOut):
        left_out = {"source": result.source, "frame": result.number, "cells": 0}
        return [{**left_out, "reason": f"left out: {result.error}", "model": model_sha256}]
    if isinstance(result, Unreadable):
        page = {"frame": result.number} if result.number else {}
        return [{"source": result.source, **page, "error": result.error}]
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
            **(_sighted(result.sighting) if result.sighting else {}),
            **run,
            "model": model_sha256,
        }
        for cell, decision in result.cells
    ]


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """One of these objects with one value a column, as tables need it, such as a pandas data frame.

    The box becomes x, y, width and height; each probability p_LABEL; what stands in `run` unlike, why and moved_KIND.

    >>> flat({"source": "a.png", "box": [1, 2, 3, 4], "probabilities": {"monocyte": 0.9}})
    {'source': 'a.png', 'x': 1, 'y': 2, 'width': 3, 'height': 4, 'p_monocyte': 0.9}
    """
    columns: dict[str, Any] = {}
    for key, value in row.items():
        if key == "box":
            columns |= dict(zip(("x", "y", "width", "height"), value, strict=True))
        elif key == "probabilities":
            columns |= {f"p_{label}": p for label, p in value.items()}
        elif key == "run":
            columns |= flat(value)
        elif key == "moved":
            columns |= {f"moved_{kind}": logit for kind, logit in value.items()}
        else:
            columns[key] = value
    return columns


def _judged(run: Unlike) -> dict[str, Any]:
    return {"unlike": run.value, "why": run.why, **({"moved": dict(run.moves)} if run.moves else {})}


def _sighted(sighting: Sighting) -> dict[str, Any]:
    seen_before = {"seen_before": "perhaps"} if sighting.seen_before else {}
    return {"id": sighting.id, "seconds": round(sighting.seconds, 3), **seen_before}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Csv(_Text):
    """A table for a spreadsheet: a row per cell, with its box in four columns and a column p_LABEL per probability."""

    def __init__(self, target: str, labels: Sequence[str], model_sha256: str, live: bool = False) -> None:
        self.model, self.live = model_sha256, live
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
        self.earlier = [*columns, "frames", "taken"]  # the columns of earlier versions
        self.columns = [*self.earlier, "id", "seconds", "seen_before"] if live else columns
        super().__init__(target, live)
        # The csv module quotes the characters of its line end, so that a file name with a line break stays one value.
        self.writer = csv.DictWriter(self, self.columns, lineterminator="\r\n", extrasaction="ignore")
        if not self.appends:
            self.writer.writeheader()

    def ours(self, line: str) -> bool:
        return next(csv.reader([line]), []) == self.columns

    def begins(self, text: str) -> bool:
        return ",".join(self.columns).startswith(text)

    def outdated(self, line: str) -> bool:
        return self.live and next(csv.reader([line]), []) == self.earlier

    def add(self, result: Answer | Unreadable) -> None:
        for row in rows(result, self.model):
            self.writer.writerow({key: harmless(value) for key, value in flat(row).items()})

    def write(self, text: str) -> None:
        super().write(text.removesuffix("\r\n") + "\n")


def harmless(value: Any) -> Any:
    """A value for a table that a spreadsheet may open: text that it would take for a formula gets an apostrophe first.

    So does text that begins with an apostrophe; `plain` takes one off again.

    >>> harmless("=1+1.png"), plain("'=1+1.png")
    ("'=1+1.png", '=1+1.png')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith((*_FORMULA, "'")) else value


def plain(text: str) -> str:
    """The inverse of `harmless` for a text read from a CSV of this program."""
    return text[1:] if text.startswith("'") else text


class Table(_Text):
    """Aligned lines for a person, on standard output.

    hold: write them only at the end, because a progress bar occupies the terminal until then.
    """

    def __init__(self, labels: Sequence[str], hold: bool = False) -> None:
        super().__init__("-")
        self.labels = labels
        self.held: list[str] | None = [] if hold else None
        self._line(f"{'answer':12}" + "".join(f"{label:>12}" for label in labels) + "  picture")

    def _line(self, text: str) -> None:
        text = printable(text) + "\n"
        if self.held is None:
            self.write(text)
        else:
            self.held.append(text)

    def __exit__(self, *error: object) -> None:
        for text in self.held or ():
            self.write(text)
        super().__exit__(*error)

    def add(self, result: Answer | Unreadable) -> None:
        nothing = f"{'-':>12}" * len(self.labels)
        if isinstance(result, Unreadable):
            left_out = isinstance(result, LeftOut)
            why = f" ({result.error})" if left_out else ""
            self._line(f"{'left out' if left_out else '-':12}{nothing}  {_named(result)}{why}")
            return
        name = _named(result.picture)
        if not result.cells:
            doubt = result.found.doubt if result.found else ""
            why = f" ({doubt})" if doubt else ""
            self._line(f"{'too small' if doubt else 'no cell':12}{nothing}  {name}{why}")
        for cell, decision in result.cells:
            shares = "".join(f"{decision.probabilities[label]:>12.3f}" for label in self.labels)
            which = f" #{cell.number}" if len(result.cells) > 1 else ""
            why = decision.reason or ("cut by the border" if cell.at_border else "")
            self._line(f"{decision.label:12}{shares}  {name}{which}{f' ({why})' if why else ''}")


class _Pictures(Sink):
    """Draws a picture of each answer and writes it as NAME.KIND.jpg in a folder, beside those that are there already.

    Pictures with the same name, from several folders or runs, get numbers.
    """

    def __init__(self, folder: str, kind: str, draw: Callable[[Answer], Image.Image]) -> None:
        self.folder, self.kind, self.draw = Path(folder), kind, draw
        self.numbers: Counter[str] = Counter()  # for each name, the last number that was given
        with writing(folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            return
        picture = self.draw(result)
        picture.thumbnail((_LONGEST, _LONGEST))
        stem = Path(result.picture.source).stem

        def write(part: Path) -> None:
            picture.save(part, "JPEG", quality=90, comment=COMMENT)

        with writing(self.folder):
            self.numbers[stem] = write_new(self.folder, stem, f"{self.kind}.jpg", write, self.numbers[stem] + 1)


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
        if isinstance(result, Unreadable) and not isinstance(result, LeftOut):
            self._say(f"{result.source!r} {result.error}")


def _named(picture: Picture | Unreadable) -> str:
    """The name of a picture; the pages of a file after its first one have a number."""
    return picture.source + (f" frame {picture.number}" if picture.number else "")
