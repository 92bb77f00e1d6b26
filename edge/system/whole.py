"""Writes a file or a folder whole or not at all, even if the process is killed."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from edge.errors import UserError, reason

_LONGEST = 200  # bytes of a name's stem; file systems allow 255 bytes for the whole name


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file under a temporary name, and renames it. write: gets the temporary path and writes the file.

    If it fails, such as on a full disk, nothing is left behind.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Renames a file to NAME.aside.SUFFIX, NAME.aside-2.SUFFIX and so on, never over another one.

    Returns:
        The new path. Where `path` is a link, the file that it leads to is renamed.

    Raises:
        OSError: where it can't be renamed.
    """
    path = path.resolve()
    names = (path.with_name(f"{path.stem}.aside{f'-{n}' if n > 1 else ''}{path.suffix}") for n in count(1))
    new = next(each for each in names if not os.path.lexists(each))
    return path.rename(new)


def write_new(folder: Path, stem: str, suffix: str, write: Callable[[Path], None], first: int = 1) -> int:
    """Writes a new file, never over another one.

    It is FOLDER/STEM.SUFFIX, or FOLDER/STEM-2.SUFFIX and so on if there is such a file already.
    It is written under a temporary name first, so that it is never seen half written. Two runs that write into one
    folder never take each other's names.

    Args:
        folder: an existing folder.
        stem: the first part of the name; it is shortened if it is too long for a file system.
        suffix: the rest of the name, such as "annotated.jpg".
        write: gets the temporary path and writes the file.
        first: the first number to try; 1 stands for the name without a number.

    Returns:
        The number of the file.

    Raises:
        OSError: where it can't be written.
    """
    stem = os.fsdecode(os.fsencode(stem)[:_LONGEST])
    for number in count(first):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.{suffix}"
        part = path.with_name(f"{path.name}.part")
        try:
            part.open("x").close()  # from here until it is renamed, the name is this run's alone
        except FileExistsError:
            continue
        try:
            if not os.path.lexists(path):
                write(part)
                part.replace(path)
                return number
        finally:
            part.unlink(missing_ok=True)
    raise AssertionError("count() never ends")


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
