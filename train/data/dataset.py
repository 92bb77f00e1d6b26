"""The labelled pictures of a data folder, with their labels and splits."""

import csv
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edge import frames
from edge.decide import OTHER
from edge.errors import UserError, reason

LABELS = ("lymphocyte", "monocyte")
PATCH = "patch"  # a kind of OTHER: a place in a picture where there is no white cell
SPLITS = ("train", "val", "test")
_PATCH_EVERY = 10  # one picture in this many gives its emptiest place as a PATCH example
# Examples in camera fields: if a source holds fewer of a class, the class weighs less than one of another source.
_FULL = 1000
_SHARES = (70, 15, 15)  # percent of pictures in train, val and test, if a data set has no splits of its own


@dataclass(frozen=True)
class Place:
    """A place in a camera field.

    Attributes:
        x, y: of its middle, pixels of the field.
        reach: pixels; a located nucleus that is no farther from the middle is the one that is meant.
        nucleus: diameter of a mark there if no nucleus is located, in red-cell diameters.
    """

    x: float
    y: float
    reach: float
    nucleus: float


@dataclass(frozen=True)
class Example:
    """One labelled picture of a cell.

    Attributes:
        path: of the picture, relative to the data folder, with forward slashes.
        label: what the network should answer, such as "monocyte".
        split: "train", "val" or "test".
        source: name of the data set that the picture comes from; each source is one microscope.
        cell: name of the physical cell, which may have been photographed more than once; "" if it isn't known.
        kind: the data set's own label, if OTHER is one of the labels; else "". PATCH means the place of the picture
            that lies farthest from any cell, or the place below.
        original: the type as the data set itself writes it, such as "erythroblast", where it is finer; else "".
        place: of the cell in a camera field (train.data.field_examples); None for a picture of one cell.
    """

    path: str
    label: str
    split: str
    source: str
    cell: str = ""
    kind: str = ""
    original: str = ""
    place: Place | None = None


def labels(other: str) -> tuple[str, ...]:
    """The labels that a network answers with. other: as in train.settings.Settings."""
    return LABELS if other == "none" else (*LABELS, OTHER)


def kinds(examples: Iterable[Example], other: str) -> tuple[str, ...]:
    """The classes that a network learns, in the order of its outputs.

    Args:
        examples: the pictures that it learns from.
        other: as in train.settings.Settings. With "kinds" the classes are LABELS, then each other type of cell in
            alphabetical order, then PATCH; else they are the labels.
    """
    if other != "kinds":
        return labels(other)
    types = {e.kind for e in examples if e.label == OTHER} - {PATCH}
    return (*LABELS, *sorted(types), PATCH)


def read(folder: Path, labels: Sequence[str] | None = LABELS) -> list[Example]:
    """The examples of a data folder, sorted by path.

    The folder has one of three layouts: a table `cells.csv`, pictures in `SPLIT/CLASS/`, or pictures in `CLASS/`. In
    the last layout, the hash of a file's content decides its split, so that copies of a file stay together.

    Args:
        folder: the data folder.
        labels: pictures of other classes are left out; None keeps all. If OTHER is one of the labels, pictures of other
            classes get that label, and some PATCH examples are added. The data needn't hold any other classes.

    Raises:
        UserError: if the folder has none of these layouts, or if a split has no picture of a label.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; --data needs one with cells.csv or with a folder for each class.")
    examples = _all(folder)
    if labels is not None and OTHER in labels:
        examples = [replace(e, label=e.label if e.label in labels else OTHER, kind=e.label) for e in examples]
        examples += [replace(e, label=OTHER, kind=PATCH, cell="") for e in _patch_pictures(examples)]
    examples = sorted((e for e in examples if labels is None or e.label in labels), key=lambda e: (e.path, e.kind))
    counts = Counter((e.split, e.label) for e in examples)
    for split in SPLITS:
        for label in labels or ():
            if not counts[split, label]:
                raise UserError(f"{folder} holds no {label} in its {split} split; every split needs every class.")
    return examples


def _all(folder: Path) -> list[Example]:
    """Every example of a data folder, of any class."""
    table = folder / "cells.csv"
    if table.is_file():
        status = table.stat()
        return list(_table_examples(folder, status.st_size, status.st_mtime_ns))
    if any((folder / split).is_dir() for split in SPLITS):
        return [e for split in SPLITS for e in class_folders(folder, folder / split, split)]
    return [_split_by_content(folder, e) for e in class_folders(folder, folder, "")]


def _patch_pictures(examples: Sequence[Example]) -> list[Example]:
    """The pictures that give a PATCH: a tenth of each source and split, at least one, chosen by a hash of the path."""
    groups: dict[tuple[str, str], list[Example]] = {}
    for e in sorted(examples, key=lambda e: hashlib.sha256(e.path.encode()).digest()):
        groups.setdefault((e.source, e.split), []).append(e)
    return [e for group in groups.values() for e in group[: max(1, len(group) // _PATCH_EVERY)]]


def table(folder: Path, needed: set[str]) -> list[dict[str, str]]:
    """The rows of FOLDER/cells.csv. Raises UserError if it can't be read or lacks a needed column."""
    path = folder / "cells.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a readable table: {reason(error)}.") from error
    missing = needed - columns
    if missing:
        raise UserError(f"{path} lacks the column {', '.join(sorted(missing))}.")
    return rows


@functools.lru_cache(maxsize=8)
def _table_examples(folder: Path, size: int, changed: int) -> tuple[Example, ...]:
    """The examples of FOLDER/cells.csv, parsed again only when the table has changed.

    size, changed: the table's size in bytes, and when it was last written, in nanoseconds. They show a change.
    """
    return tuple(
        Example(
            path=row["path"],
            label=row["label"],
            split=row["split"],
            source=row.get("source") or folder.name,
            cell=row.get("cell") or "",
            original=(row.get("original_label") or "").partition(":")[0].lower(),
        )
        for row in table(folder, {"path", "label", "split"})
    )


def class_folders(folder: Path, parent: Path, split: str) -> list[Example]:
    """Every picture below PARENT/CLASS. The names of class folders may be capitalised and in the plural."""
    examples = []
    for child in sorted(parent.iterdir()) if parent.is_dir() else []:
        label = child.name.lower().removesuffix("s")
        if child.is_dir():
            paths = (Path(path).relative_to(folder).as_posix() for path in frames.expand([str(child)]))
            examples += [Example(path, label, split, folder.resolve().name) for path in paths]
    return examples


def _split_by_content(folder: Path, example: Example) -> Example:
    """The example, with the split and the cell's name that follow from the content of its file."""
    file = folder / example.path
    status = file.stat()
    digest = _content_digest(file, status.st_size, status.st_mtime_ns)
    place = int(digest, 16) % sum(_SHARES)
    split = SPLITS[0] if place < _SHARES[0] else SPLITS[1] if place < _SHARES[0] + _SHARES[1] else SPLITS[2]
    return replace(example, split=split, cell=digest[:16])


@functools.lru_cache(maxsize=100_000)
def _content_digest(file: Path, size: int, changed: int) -> str:
    """sha256 of a file, computed again only when the file has changed; size, changed: as for `_table_examples`."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def only(examples: Iterable[Example], split: str) -> list[Example]:
    """The examples of one split."""
    return [e for e in examples if e.split == split]


def trained_on(
    examples: Iterable[Example], source: str | Sequence[str] | None, without: Sequence[str] | None = None
) -> list[Example]:
    """The pictures for a run that learns only a part of the data: its train and val splits, and all of the test split.

    Args:
        examples: of all sources.
        source: name of the source to learn from, or several names; None for all sources.
        without: types of *other* cells that aren't learned. A type is a kind or an `original` of the examples.

    Raises:
        UserError: if there is no such source, or no such type of other cells.
    """
    examples = list(examples)
    sources = named(source)
    known = {e.source for e in examples}
    for name in sources:
        if name not in known:
            raise UserError(f"There is no source {name!r} in the data; its sources are: {', '.join(sorted(known))}.")
    left_out = set(without or ())
    types = set().union(*(_types(e) for e in examples))
    for name in left_out - types:
        every = ", ".join(sorted(types)) or "none, as they are not learned (--other)"
        raise UserError(f"There are no other cells of the type {name!r}; their types are: {every}.")
    # A PATCH of a picture that is left out may show a part of its cell, so it is left out, too.
    pictures = {e.path for e in examples if _types(e) & left_out}
    return [
        e
        for e in examples
        if e.split == "test"
        or (
            (not sources or e.source in sources)
            and not _types(e) & left_out
            and not (e.kind == PATCH and not e.place and e.path in pictures)
        )
    ]


def _types(example: Example) -> set[str]:
    """What the data set calls a cell of OTHER: its kind and, if that is finer, its `original`; nothing for others."""
    if example.label != OTHER or example.kind == PATCH:
        return set()
    return {example.kind, example.original} - {""}


def named(source: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names in train.settings.Settings.source, which may be one, several or none."""
    return (source,) if isinstance(source, str) else tuple(source or ())


def split_hash(examples: Iterable[Example]) -> str:
    """sha256 of the list of pictures with their splits and labels. Equal hashes mean equal splits.

    Places in camera fields don't count: another locator finds others, as it finds other crops in the same pictures.
    """
    return _hash([e.path, e.label, e.split] for e in examples if not e.place)


def list_hash(examples: Iterable[Example]) -> str:
    """sha256 of a list of pictures; their order makes no difference."""
    return _hash([e.path] for e in examples)


def _hash(rows: Iterable[list[str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def targets(examples: Sequence[Example], classes: Sequence[str] = LABELS) -> np.ndarray:
    """Class indices, int64 [len(examples)]. classes: labels, or what `kinds` gives."""
    return np.array([classes.index(e.kind if PATCH in classes else e.label) for e in examples], dtype=np.int64)


def weights(examples: Sequence[Example], classes: Sequence[str] = LABELS) -> np.ndarray:
    """The weight of each example, in the loss or in being drawn, float32 [len(examples)], mean 1.

    Within each source, the classes have equal sums of weights. But if `classes` are `kinds`, those of LABELS have twice
    the sum of the others. If weights ignored the source, the network would learn which source is rich in which
    class, instead of what a monocyte looks like.

    Sources of camera fields hold few cells, which would be learned by heart if they weighed as much as another source's
    hundreds. So the sum of a class is multiplied by the square root of n / 1000, at most 1, where n is how many
    examples of the class the source has. For a class of LABELS, n is that of the rarer one.

    Args:
        examples: pictures of one split.
        classes: as for `targets`.
    """
    numbers = targets(examples, classes)
    share = [2.0 if PATCH in classes and n < len(LABELS) else 1.0 for n in range(len(classes))]
    pairs = [(e.source, n) for e, n in zip(examples, numbers, strict=True)]
    counts = Counter(pairs)
    in_fields = {e.source for e in examples if e.place}

    def total_of(source: str, n: int) -> float:
        """The sum of weights of a class in a source, in units of a class of other cells."""
        if source not in in_fields:
            return share[n]
        alike = range(len(LABELS)) if n < len(LABELS) else [n]
        fewest = min(counts[source, each] for each in alike if (source, each) in counts)
        return share[n] * min(1.0, float(np.sqrt(fewest / _FULL)))

    totals = {pair: total_of(*pair) for pair in counts}
    each = {pair: len(examples) * totals[pair] / (sum(totals.values()) * counts[pair]) for pair in counts}
    return np.array([each[pair] for pair in pairs], dtype=np.float32)


def learned(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> tuple[str, ...]:
    """The sources whose lymphocytes or monocytes are learned, in alphabetical order. counts: from `describe`."""
    splits = {source: [each.get(name, {}) for name in ("train", "val")] for source, each in counts.items()}
    return tuple(sorted(s for s, each in splits.items() if any(split.get(label) for split in each for label in LABELS)))


class Labelled(Protocol):
    """An Example, or a picture that will become one."""

    @property
    def source(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def label(self) -> str: ...


def describe(examples: Iterable[Labelled]) -> dict[str, dict[str, dict[str, int]]]:
    """How many pictures there are by source, split and label, for reports."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for e in examples:
        split = counts.setdefault(e.source, {}).setdefault(e.split, {})
        split[e.label] = split.get(e.label, 0) + 1
    return counts
