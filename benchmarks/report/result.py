"""Results on disk: the figures, with the command, the version of the code and the machine that produced them."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine, machine
from edge import __version__, contract
from edge.errors import UserError, reason
from edge.system.whole import write_whole

GENERATOR = "edge-classify benchmark"  # what a page of results says about itself, near its beginning
SCHEMA = "benchmark/results/1"  # the form of these files, edge/schema/benchmark.schema.json
_HEAD = 500  # characters of a page that hold it


@dataclass(frozen=True, kw_only=True)
class Document:
    """The content of a file of results.

    Attributes:
        schema: the form of the file, SCHEMA; files of form 1 may lack it.
        command: the command line.
        version: version of the code.
        machine: the machine on which the command ran.
        date: the text of --date; None if it wasn't given.
        results: results by name, such as "accuracy", in the form in which JSON stores them.
    """

    schema: str = SCHEMA
    command: str
    version: str
    machine: Machine
    date: str | None = None
    results: dict[str, Any]


def document(command: str, results: dict[str, Any], date: str | None = None) -> Document:
    """Makes the document for results that this code has measured on this machine.

    Args:
        command: the command line.
        results: results by name; dataclasses, or values that JSON can store.
        date: a date to store with the results; None for no date.
    """
    return Document(
        command=command, version=__version__, machine=machine(), date=date, results=contract.document(results)
    )


def save(content: Document, file: Path) -> None:
    """Writes a document as JSON, floats with six significant digits. Raises UserError if that fails."""
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
        UserError: for any other file, and if one of the `needed` results is missing.
    """
    try:
        found: Document = contract.load(Document, json.loads(text(file)))
    except ValueError as error:
        raise UserError(f"{file} was not written by `benchmark`: {reason(error)}.") from error
    if found.schema != SCHEMA:
        raise UserError(f"{file} has the form {found.schema:.80}, which this version doesn't know; update.")
    for name in needed:
        if name not in found.results:
            raise UserError(f"{file} holds no {name}; it holds {', '.join(found.results)}.")
    return found


def must_be_free(file: Path) -> None:
    """Raises UserError if results can't be written to a file, or if it holds anything but earlier results."""
    if not file.parent.is_dir():
        raise UserError(f"{file} can't be written, because there is no folder {file.parent}; make it first.")
    if os.path.lexists(file) and not _is_result(file):
        raise UserError(
            f"{file} exists already, and `benchmark` did not write it, so it is not overwritten; name another file, or "
            "remove it."
        )


def _is_result(file: Path) -> bool:
    """Whether a file holds results of this program, as JSON or as a page. An empty file counts as one."""
    if not file.is_file():
        return False
    try:
        content = text(file)
        if content and GENERATOR not in content[:_HEAD]:
            read(file)
    except UserError:
        return False
    return True


def write(text: str, file: Path) -> None:
    """Writes a text file as a whole, or not at all. Raises UserError if that fails."""
    try:
        write_whole(file, lambda part: part.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} can't be written: {reason(error)}.") from error


def text(file: Path) -> str:
    """The content of a text file. Raises UserError if it can't be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} can't be read: {reason(error)}.") from error


def make_folder(place: Path) -> None:
    """Makes a folder for results. Call it before the work, which may take hours. Raises UserError if it fails."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{place} can't be made: {reason(error)}; name another folder with --out.") from error
