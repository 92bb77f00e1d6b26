"""What a benchmark leaves behind: figures with the command, the code and the machine that gave them."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine
from edge import __version__
from edge.errors import UserError, reason


def result(command: str, results: dict, date: str | None = None) -> dict:
    """-> {"command", "version" (of the code), "machine", "date" (only where it was given), "results"}."""
    dated = {"date": date} if date else {}
    return {"command": command, "version": __version__, "machine": machine(), **dated, "results": results}


def write(text: str, target: Path) -> None:
    """Raises UserError where it can't."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise UserError(f"{target} can't be written: {reason(error)}.") from error


def save(document: dict, target: Path) -> None:
    write(json.dumps(document, indent=1, allow_nan=False) + "\n", target)


def read(file: Path, needed: Sequence[str] = ()) -> dict:
    """A file that save() wrote. Raises UserError for another, and where `needed` results aren't in it."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        missing = {"command", "version", "machine", "results"} - document.keys()
    except (OSError, ValueError, AttributeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no JSON of ours"
        raise UserError(f"{file} can't be read: {why}.") from error
    if missing:
        raise UserError(f"{file} was not written by `benchmark`: it lacks {', '.join(sorted(missing))}.")
    for name in needed:
        if name not in document["results"]:
            raise UserError(f"{file} holds no {name}; it holds {', '.join(document['results'])}.")
    return document
