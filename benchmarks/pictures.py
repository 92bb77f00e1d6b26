"""Which pictures are measured: sets by name, from a data folder or from any folders."""

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
    """`count` items from all over a list; all of them where there are no more, or with None."""
    if count is None or len(items) <= count:
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def of_folders(folders: Sequence[Path], count: int | None) -> dict[str, list[str]]:
    """`count` pictures of each folder, by the last two parts of its name. Raises UserError where one holds none."""
    sets = {}
    for folder in folders:
        files = frames.expand([str(folder)])
        if not folder.exists() or not files:
            raise UserError(f"{folder} holds no pictures." if folder.exists() else f"There is no folder {folder}.")
        sets["/".join(folder.resolve().parts[-2:])] = spread(files, count)
    return sets


def of_data(folder: Path, count: int | None) -> dict[str, list[str]]:
    """`count` pictures of each set of a data folder: camera fields and test cells, each by source.

    Raises:
        UserError: where the folder isn't a data set.
    """
    sets: dict[str, list[str]] = defaultdict(list)
    for field in marked_fields.read(folder):
        sets[f"fields of {field.source}"].append(str(folder / field.path))
    for example in dataset.only(dataset.read(folder), "test"):
        sets[f"cells of {example.source}"].append(str(folder / example.path))
    return {name: spread(files, count) for name, files in sets.items()}
