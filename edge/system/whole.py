"""Writes a file whole or not at all, even if the process is killed."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

_LONGEST = 200  # bytes of a name's stem; file systems allow 255 bytes for the whole name


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file under a temporary name, and renames it. write: gets the temporary path and writes the file."""
    part = path.with_name(f"{path.name}.part")
    write(part)
    part.replace(path)


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
