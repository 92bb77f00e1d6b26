"""Copies the pictures of a data folder: below its own path, under names that every system can read."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from edge.system.paths import below, clean


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
