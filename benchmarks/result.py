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


def text(file: Path) -> str:
    """Raises UserError where it can't be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read: {reason(error)}.") from error


def folder(place: Path) -> None:
    """Makes it, so that what can't be written is told before the work. Raises UserError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{place} can't be made: {reason(error)}; name another folder with --out.") from error


def save(document: dict, target: Path) -> None:
    """As JSON, floats with six digits that count. Raises UserError where it can't be written."""
    write(json.dumps(_short(document), indent=1, allow_nan=False) + "\n", target)


def _short(found: object) -> object:
    if isinstance(found, dict):
        return {key: _short(each) for key, each in found.items()}
    if isinstance(found, list | tuple):
        return [_short(each) for each in found]
    return float(f"{found:.6g}") if isinstance(found, float) else found


def read(file: Path, needed: Sequence[str] = ()) -> dict:
    """A file that save() wrote. Raises UserError for another, and where `needed` results aren't in it."""
    try:
        document = json.loads(text(file))
        missing = {"command", "version", "machine", "results"} - document.keys()
    except (ValueError, AttributeError) as error:
        raise UserError(f"{file} was not written by `benchmark`.") from error
    if missing:
        raise UserError(f"{file} was not written by `benchmark`: it lacks {', '.join(sorted(missing))}.")
    for name in needed:
        if name not in document["results"]:
            raise UserError(f"{file} holds no {name}; it holds {', '.join(document['results'])}.")
    return document
