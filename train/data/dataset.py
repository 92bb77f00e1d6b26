"""The labelled pictures of a data folder, with their labels and splits."""

import functools
import hashlib
import json
import logging
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.decide import OTHER
from edge.errors import UserError, reason
from edge.output.tables import Table
from edge.site import class_names, layout
from edge.system import csv_table
from train.data import boxes, fields

logger = logging.getLogger(__name__)
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
    """The examples of a data folder, sorted by path. What was found and what is left out is logged, once.

    The folder has a table `cells.csv`, or one of the layouts of edge.site.layout. A split that is missing is made from
    train, or all three from everything: groups such as patients stay together, and so do copies of a file, because the
    hash of its content decides.

    Args:
        folder: the data folder.
        labels: pictures of other classes are left out; None keeps all. If OTHER is one of the labels, pictures of other
            classes get that label, and some PATCH examples are added. The data needn't hold any other classes.

    Raises:
        UserError: if the folder has none of these layouts, if a class may be one of `labels` or not, or if a split has
            no picture of a label.
    """
    found = _all(folder)
    examples = list(found.examples)
    for name in sorted({e.label for e in examples} - set(labels)) if labels is not None else ():
        if one := class_names.guess(name):
            raise UserError(
                f"{folder} has the class {name!r}, which may be {one} or not; say it with `train data {folder} --out "
                f"NEW --label {shlex.quote(f'{name}={one}')}`, or with {OTHER} for {one}."
            )
    if labels is not None and OTHER in labels:
        examples = [replace(e, label=e.label if e.label in labels else OTHER, kind=e.label) for e in examples]
        examples += [replace(e, label=OTHER, kind=PATCH, cell="") for e in _patch_pictures(examples)]
    examples = sorted((e for e in examples if labels is None or e.label in labels), key=lambda e: (e.path, e.kind))
    counts = Counter((e.split, e.label) for e in examples)
    for split in SPLITS:
        for label in labels or ():
            if not counts[split, label]:
                raise UserError(_missing(folder, split, label, found.examples))
    _log(_told(found, labels))
    return examples


def every(folder: Path) -> list[Example]:
    """As `read` with labels=None, but nothing is logged."""
    return sorted(_all(folder).examples, key=lambda e: (e.path, e.kind))


def _missing(folder: Path, split: str, label: str, examples: Sequence[Example]) -> str:
    classes = ", ".join(sorted({e.label for e in examples})) or "none"
    if label not in {e.label for e in examples}:
        return (
            f"{folder} holds no {label}; its classes: {classes}. If one of them is {label}, bring them together with "
            f"`train data {folder} --out NEW --label NAME={label}`."
        )
    return (
        f"{folder} holds no {label} in its {split} split; every split needs every class. `train data {folder} --out "
        "NEW` makes such splits."
    )


@dataclass(frozen=True)
class _Found:
    """What a data folder holds.

    Attributes:
        examples: of any class.
        groups: for each example, the name of its film, patient or cell; "" where it has none.
        notes: sentences about how the folder was read.
    """

    examples: tuple[Example, ...]
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()


def _all(folder: Path) -> _Found:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; --data needs one with cells.csv or with a folder for each class.")
    table = folder / "cells.csv"
    if table.is_file():
        status = table.stat()
        found = _table_examples(folder, status.st_size, status.st_mtime_ns)
    else:
        found = _folder_examples(folder)
    if odd := [e.path for e in found.examples if not _is_text(e.path)]:
        raise UserError(
            f"{len(odd)} files of {folder} have names that aren't UTF-8, such as {odd[0]!r}; `train data {folder} "
            "--out NEW` gives them others."
        )
    examples, made = _with_splits(folder, found)
    return replace(found, examples=examples, notes=(*made, *found.notes))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _folder_examples(folder: Path) -> _Found:
    """The examples of folders of classes."""
    read = layout.find(folder)
    if not read.sure and (form := boxes.form(folder)):
        raise UserError(
            f"{folder} holds boxes in the form of {form}, no pictures of single cells; `train data {folder} --out NEW` "
            f"turns them into {fields.TABLE}."
        )
    examples = [
        Example(
            Path(each.path).relative_to(folder).as_posix(),
            class_names.label(each.name),
            each.split,
            source_name(each, read.name),
        )
        for each in read.pictures
    ]
    if not examples:
        raise UserError(f"{folder} holds no pictures in folders of classes, and no cells.csv; {layout.hint(folder)}.")
    rest = layout.left_out(folder, (each.path for each in read.pictures))
    taken = class_names.told({each.name: class_names.label(each.name) for each in read.pictures})
    notes = (*taken, *read.notes, *(f"Left out: {count} {what}." for what, count in sorted(rest.items())))
    return _Found(tuple(examples), tuple(each.group for each in read.pictures), notes)


def source_name(picture: layout.Labelled, name: str) -> str:
    """The source of a picture in a folder of its class; name: of the data set."""
    return f"{picture.source or name}-b" if picture.elsewhere else picture.source or name


def completed(splits: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """What becomes of the splits that a data set gives.

    A picture without a split belongs to train, if others have one. Missing splits are taken from train; without a train
    split, all three are made from everything.

    Args:
        splits: of each picture; "" where there is none.

    Returns:
        The splits, with those that were missing; the names of the splits to make; and sentences about it.
    """
    notes = []
    if blank := splits.count("") if any(splits) else 0:
        splits = [split or "train" for split in splits]
        notes.append(f"Without a split, and so in train: {blank} pictures.")
    given = [split for split in SPLITS if split in splits]
    if "train" in given:
        made = [split for split in SPLITS if split not in given]
        kept = [split for split in given if split != "train"]
        if made:
            notes.append(f"Taken from train, as there was none: {' and '.join(made)}.")
            notes += [f"Kept as it was: {' and '.join(kept)}."] if kept else []
        return list(splits), made, notes
    why = f"Only {' and '.join(given)} is given, without train" if given else "There are no splits"
    return list(splits), list(SPLITS), [*notes, f"{why}: all pictures were split into train, val and test."]


def _with_splits(folder: Path, found: _Found) -> tuple[tuple[Example, ...], list[str]]:
    """The examples, all with a split, and sentences if splits were made."""
    splits, made, notes = completed([e.split for e in found.examples])
    examples = [replace(e, split=split) for e, split in zip(found.examples, splits, strict=True)]
    if not made:
        return tuple(examples), notes
    free = [i for i, split in enumerate(splits) if split == "train" or "train" in made]
    contents = {i: _content_digest(folder / examples[i].path) for i in free}
    groups = {i: found.groups[i] or contents[i] for i in free}
    grouped = any(found.groups[i] for i in free)
    chosen = _by_group(groups, made) if grouped else {i: _by_content(contents[i], made) for i in free}
    for i in free:
        examples[i] = replace(examples[i], split=chosen[i], cell=examples[i].cell or contents[i][:16])
    what = f"Each of {len(set(groups.values()))} patients, films or cells is" if grouped else "Copies of a file are"
    return tuple(examples), [*notes, f"{what} in one split."]


def _by_content(digest: str, made: Sequence[str]) -> str:
    """The split that follows from a file's content. made: the splits to make; the rest is train."""
    place = int(digest, 16) % sum(_SHARES)
    split = SPLITS[0] if place < _SHARES[0] else SPLITS[1] if place < _SHARES[0] + _SHARES[1] else SPLITS[2]
    return split if split in made else SPLITS[0]


def _by_group(keys: Mapping[int, str], made: Sequence[str]) -> dict[int, str]:
    """The split of each picture, by its group: in the order of a hash, groups fill test and val; the rest is train."""
    counts = Counter(keys.values())
    ordered = sorted(counts, key=lambda key: hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest())
    wanted = {split: share * len(keys) / sum(_SHARES) for split, share in zip(SPLITS, _SHARES, strict=True)}
    splits: dict[str, str] = {}
    for split in (each for each in ("test", "val") if each in made):
        filled = 0
        for key in ordered:
            if key not in splits and filled < wanted[split]:
                splits[key], filled = split, filled + counts[key]
    return {i: splits.get(key, SPLITS[0]) for i, key in keys.items()}


def _told(found: _Found, labels: Sequence[str] | None) -> str:
    """What a data folder holds, as text: a table by source and split, and a line for each thing that is left out."""
    lines = [counts_table(describe(found.examples)).text()]
    if labels is not None and OTHER not in labels:
        others = Counter(e.label for e in found.examples if e.label not in labels)
        lines += [f"Left out, as this run learns no other cells (--other): {n} {name}." for name, n in others.items()]
    return "\n".join([*lines, *found.notes])


@functools.lru_cache(maxsize=64)
def _log(text: str) -> None:
    """Logs a text that wasn't logged before: a run reads its data several times."""
    logger.info("%s", text)


def _patch_pictures(examples: Sequence[Example]) -> list[Example]:
    """The pictures that give a PATCH: a tenth of each source and split, at least one, chosen by a hash of the path."""
    groups: dict[tuple[str, str], list[Example]] = {}
    for e in sorted(examples, key=lambda e: hashlib.sha256(e.path.encode()).digest()):
        groups.setdefault((e.source, e.split), []).append(e)
    return [e for group in groups.values() for e in group[: max(1, len(group) // _PATCH_EVERY)]]


def table_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of FOLDER/cells.csv. Their `split` is one of SPLITS, or "" where the table gives none.

    Raises:
        UserError: if the table can't be read or lacks a column, or if a row has no path, no label or an unknown split.
    """
    path = folder / "cells.csv"
    rows = csv_table.rows(path, ("path", "label"))
    for row in rows:
        if empty := [name for name in ("path", "label") if not row[name]]:
            raise UserError(f"{path} has a row without {empty[0]}: {','.join(row.values())}; fill it in.")
        name = row.get("split", "")
        row["split"] = layout.split_of(name) or ""
        if name and not row["split"]:
            raise UserError(f"{path} has the split {name!r}; the splits are {', '.join(SPLITS)}.")
    return rows


@functools.lru_cache(maxsize=8)
def _table_examples(folder: Path, size: int, changed: int) -> _Found:
    """The examples of FOLDER/cells.csv, parsed again only when the table has changed.

    size, changed: the table's size in bytes, and when it was last written, in nanoseconds. They show a change.
    """
    rows = table_rows(folder)
    examples = tuple(
        Example(
            path=row["path"],
            label=class_names.label(row["label"]),
            split=row["split"],
            source=row.get("source") or folder.resolve().name,
            cell=row.get("cell") or "",
            original=(row.get("original_label") or "").partition(":")[0].lower(),
        )
        for row in rows
    )
    first: dict[str, Example] = {}
    for e in examples:
        if (earlier := first.setdefault(e.path, e)) != e:
            raise UserError(f"{folder / 'cells.csv'} has two rows for {earlier.path} that differ; remove one.")
    taken = class_names.told({row["label"]: class_names.label(row["label"]) for row in rows})
    return _Found(examples, tuple(row.get("film") or row.get("cell") or "" for row in rows), tuple(taken))


def _content_digest(file: Path) -> str:
    """sha256 of a file. Raises UserError if it can't be read."""
    try:
        status = file.stat()
        return _digest(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{file} can't be read: {reason(error)}.") from error


@functools.lru_cache(maxsize=100_000)
def _digest(file: Path, size: int, changed: int) -> str:
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


def counts_table(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Table:
    """The numbers of pictures by source and split (rows) and label (columns). counts: from `describe`."""
    names = {label for splits in counts.values() for each in splits.values() for label in each}
    order = (*SPLITS, "fields")
    first = ("fields", *LABELS)
    columns = [*(label for label in first if label in names), *sorted(names - set(first))]
    rows = [
        [source, split, *(str(counts[source][split].get(label, 0)) for label in columns)]
        for source in sorted(counts)
        for split in sorted(counts[source], key=order.index)
    ]
    return Table(["source", "split", *columns], rows)
