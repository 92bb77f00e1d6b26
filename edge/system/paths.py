"""Paths made of names that come from outside: from a table, a run.json, a file's own name."""

from pathlib import Path

from edge.errors import UserError

_LONGEST = 255  # bytes of a name, on every usual file system


def below(folder: Path, *names: str) -> Path:
    """A path below a folder. Every writer makes its paths with this function where a name comes from outside.

    Args:
        folder: where files may be written.
        names: one part of the path each; the last may be a file's name.

    Raises:
        UserError: for a name that isn't a single plain part of a path, and where a link leads out of the folder.

    >>> below(Path("out"), "cells", "pbc").as_posix()
    'out/cells/pbc'
    """
    for name in names:
        if not _plain(name):
            raise UserError(f"{name!r} can't be part of a path; use a short name without slashes, such as 'raabin'.")
    path = folder.joinpath(*names)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{path} is a link that leads out of {folder}; remove it or name another folder.")
    return path


def clean(name: str) -> str:
    """A name for a terminal and for new files: "_" for each control character and each byte that isn't UTF-8."""
    return "".join(c if c.isprintable() else "_" for c in name)


def _plain(name: str) -> bool:
    if name in ("", ".", "..") or not {"/", "\\", "\0"}.isdisjoint(name):
        return False
    return not any(ord(c) < 32 for c in name) and len(name.encode("utf-8", "surrogateescape")) <= _LONGEST
