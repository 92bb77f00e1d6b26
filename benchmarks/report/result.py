"""A result on disk: the figures, with the command, the code and the machine that gave them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine, machine
from edge import __version__, contract
from edge.errors import UserError, reason


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a file of results holds.

    Attributes:
        command: that was typed.
        version: of the code.
        machine: on which it ran.
        date: as it was given on the command line; None where it wasn't.
        results: by name ("accuracy"), as JSON has them.
    """

    command: str
    version: str
    machine: Machine
    date: str | None = None
    results: dict[str, Any]


def document(command: str, results: dict[str, Any], date: str | None = None) -> Document:
    """The document for results that were measured on this machine by this code.

    Args:
        command: that was typed.
        results: by name; dataclasses, or what JSON can hold.
        date: to stand in the document.
    """
    return Document(
        command=command, version=__version__, machine=machine(), date=date, results=contract.document(results)
    )


def save(content: Document, file: Path) -> None:
    """Writes it as JSON, floats with six significant digits. Raises UserError where that fails."""
    write(json.dumps(_shortened(contract.document(content)), indent=1, allow_nan=False) + "\n", file)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read(file: Path, needed: Sequence[str] = ()) -> Document:
    """Reads a file that `save` wrote.

    Raises:
        UserError: for any other file, and where one of the results `needed` is missing.
    """
    try:
        found: Document = contract.load(Document, json.loads(text(file)))
    except ValueError as error:
        raise UserError(f"{file} was not written by `benchmark`: {reason(error)}.") from error
    for name in needed:
        if name not in found.results:
            raise UserError(f"{file} holds no {name}; it holds {', '.join(found.results)}.")
    return found


def write(text: str, file: Path) -> None:
    """Writes all of a text file or nothing. Raises UserError where that fails."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise UserError(f"{file} can't be written: {reason(error)}.") from error


def text(file: Path) -> str:
    """The content of a text file. Raises UserError where it can't be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read: {reason(error)}.") from error


def make_folder(place: Path) -> None:
    """Makes a folder for results before hours of work are done for it. Raises UserError where that fails."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{place} can't be made: {reason(error)}; name another folder with --out.") from error
