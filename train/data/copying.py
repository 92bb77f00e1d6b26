"""Writes a data folder: whole or not at all, below its own path, under names that every system can read."""

import csv
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.errors import UserError, reason
from edge.system.paths import below, clean


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder under a temporary name, which becomes `out` if all goes well, and is removed if not.

    Raises:
        UserError: if `out` isn't empty, or if the folder can't be written.
    """
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise UserError(f"{out} exists and isn't empty; name a new folder.")
    whole = out.resolve()
    partial = whole.with_name(f".{whole.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(whole)
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def copy(file: Path, out: Path, place: Sequence[str], taken: set[Path]) -> str:
    """Copies a file unchanged below a folder.

    Args:
        file: to copy.
        out: the folder.
        place: names of the folders below it, from outside.
        taken: the paths of earlier copies, which get a number in their name if they would be the same; it grows.

    Returns:
        The copy's path, relative to `out`, with forward slashes.

    Raises:
        UserError: if `place` leads out of the folder.
        OSError: if the file can't be copied.
    """
    name = clean(file.name).replace("\\", "_")
    path = below(out, *place, name)
    number = 1
    while path in taken:
        number += 1
        path = below(out, *place, f"{Path(name).stem}-{number}{Path(name).suffix}")
    taken.add(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, path)
    return path.relative_to(out).as_posix()


def write_table(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Writes a table as CSV. Raises OSError if that isn't possible."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: clean(str(value)) for name, value in row.items()} for row in rows)
