"""Chooses the pictures to measure on: named sets, from a data set or from any folders."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from edge import frames
from edge.errors import UserError
from train.data import dataset
from train.data import fields as marked_fields

T = TypeVar("T")


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """`count` items, spread evenly over a list; all items if there are no more than that, or if `count` is None."""
    if count is None or len(items) <= count:
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def of_folders(folders: Sequence[Path], count: int | None) -> dict[str, list[str]]:
    """`count` pictures of each folder, by the last two parts of the folder's path.

    Raises:
        UserError: if a folder is missing or holds no pictures.
    """
    sets = {}
    for folder in folders:
        files = frames.expand([str(folder)])
        if not folder.exists() or not files:
            raise UserError(f"{folder} holds no pictures." if folder.exists() else f"There is no folder {folder}.")
        sets["/".join(folder.resolve().parts[-2:])] = spread(files, count)
    return sets


def of_data(folder: Path, count: int | None) -> dict[str, list[str]]:
    """`count` pictures from each set of a data set. The sets are the camera fields and the test cells of each source.

    Raises:
        UserError: if the folder isn't a data set.
    """
    sets: dict[str, list[str]] = defaultdict(list)
    for field in marked_fields.read(folder):
        sets[f"fields of {field.source}"].append(str(folder / field.path))
    for example in dataset.only(dataset.read(folder), "test"):
        sets[f"cells of {example.source}"].append(str(folder / example.path))
    return {name: spread(files, count) for name, files in sets.items()}
