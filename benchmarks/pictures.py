"""Which pictures are measured: sets by name, of a data folder or of any folder."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from edge import frames
from edge.errors import UserError
from train import data
from train import fields as marked

T = TypeVar("T")


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """So many of them, from all over the list; of None all."""
    if count is None or len(items) <= count:
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def folders(folders: Sequence[Path], count: int | None) -> dict[str, list[str]]:
    """Folders -> their pictures, `count` of each. Raises UserError where one holds none."""
    result = {}
    for folder in folders:
        files = frames.expand([str(folder)])
        if not folder.exists() or not files:
            raise UserError(f"{folder} holds no pictures." if folder.exists() else f"There is no folder {folder}.")
        result["/".join(folder.resolve().parts[-2:])] = spread(files, count)
    return result


def of_data(folder: Path, count: int | None) -> dict[str, list[str]]:
    """A data folder -> its camera fields by source, and the cells of its test split by source, `count` of each."""
    found: dict[str, list[str]] = defaultdict(list)
    for field in marked.read(folder):
        found[f"fields of {field.source}"].append(str(folder / field.path))
    for example in data.only(data.read(folder), "test"):
        found[f"cells of {example.source}"].append(str(folder / example.path))
    return {name: spread(files, count) for name, files in found.items()}
