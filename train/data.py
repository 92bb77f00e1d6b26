"""Labelled pictures on disk -> Examples -> crops ready for a network."""

import csv
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import click
import numpy as np

from edge import classify, crop, frames, locate, red_cells
from edge.cell import Cell, emptiest, single
from edge.decide import OTHER
from edge.errors import UserError, reason
from train import crop_scale

LABELS = ("lymphocyte", "monocyte")
PATCH = "patch"  # a place where there is no white cell, as a kind
_PATCHES = 10  # pictures, of which one lends its emptiest place
SPLITS = ("train", "val", "test")
_SHARES = (70, 15, 15)  # of train, val and test where a data set has no splits of its own


@dataclass(frozen=True)
class Example:
    """One labelled picture of a cell.

    path: as written in the data set, relative to its folder; cell: the physical cell (the same one may have been
    photographed more than once), empty where it isn't known; kind: the data set's own label, or PATCH: the place of
    that picture that lies farthest from any cell.
    """

    path: str
    label: str
    split: str
    source: str
    cell: str = ""
    kind: str = ""


def labels(other: str) -> tuple[str, ...]:
    """What a network's answers can be. other: of train.settings."""
    return LABELS if other == "none" else (*LABELS, OTHER)


def kinds(examples: Iterable[Example], other: str) -> tuple[str, ...]:
    """What a network learns to tell apart, its labels or, of "kinds", LABELS, each other type of cell, and PATCH."""
    if other != "kinds":
        return labels(other)
    found = {e.kind for e in examples if e.label == OTHER} - {PATCH}
    return (*LABELS, *sorted(found), PATCH)


def read(data: Path, labels: Sequence[str] | None = LABELS) -> list[Example]:
    """The examples of a data folder, sorted by path: `cells.csv`, `SPLIT/CLASS/*` or `CLASS/*`.

    Pictures of other classes are left out (with labels=None, none are); where OTHER is a label they are that class,
    together with PATCHes, which need no data. Folders without splits are split by the content of their files, so that
    copies of a file stay together. Raises UserError for a folder that holds none of these, or where a class is missing
    from a split.
    """
    if not data.is_dir():
        raise UserError(f"{data} is not a folder; --data wants one with cells.csv or with one folder a class.")
    if (data / "cells.csv").is_file():
        examples = _read_table(data)
    elif any((data / split).is_dir() for split in SPLITS):
        examples = [e for split in SPLITS for e in _read_classes(data, data / split, split)]
    else:
        examples = _split_by_content(data, _read_classes(data, data, ""))
    if labels is not None and OTHER in labels:
        examples = [replace(e, label=e.label if e.label in labels else OTHER, kind=e.label) for e in examples]
        examples += [replace(e, label=OTHER, kind=PATCH, cell="") for e in _lenders(examples)]
    examples = sorted((e for e in examples if labels is None or e.label in labels), key=lambda e: (e.path, e.kind))
    counts = Counter((e.split, e.label) for e in examples)
    for split in SPLITS:
        for label in labels or ():
            if not counts[split, label]:
                raise UserError(f"{data} holds no {label} in its {split} split; each class needs pictures in each.")
    return examples


def _lenders(examples: Sequence[Example]) -> list[Example]:
    """Every tenth picture of each source and split, by the content of its name, at least one."""
    groups: dict[tuple[str, str], list[Example]] = {}
    for e in sorted(examples, key=lambda e: hashlib.sha256(e.path.encode()).digest()):
        groups.setdefault((e.source, e.split), []).append(e)
    return [e for group in groups.values() for e in group[: max(1, len(group) // _PATCHES)]]


def table(data: Path, needed: set[str]) -> list[dict[str, str]]:
    """The rows of DATA/cells.csv. Raises UserError where it can't be read or lacks a needed column."""
    table = data / "cells.csv"
    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table} is not a readable table: {reason(error)}.") from error
    missing = needed - columns
    if missing:
        raise UserError(f"{table} lacks the column {', '.join(sorted(missing))}.")
    return rows


def _read_table(data: Path) -> list[Example]:
    rows = table(data, {"path", "label", "split"})
    return [Example(r["path"], r["label"], r["split"], r.get("source") or data.name, r.get("cell") or "") for r in rows]


def _read_classes(data: Path, folder: Path, split: str) -> list[Example]:
    """Every picture below folder/CLASS; class folders may be capitalised and in the plural."""
    found = []
    for child in sorted(folder.iterdir()) if folder.is_dir() else []:
        label = child.name.lower().removesuffix("s")
        if child.is_dir():
            paths = (Path(p).relative_to(data).as_posix() for p in frames.expand([str(child)]))
            found += [Example(path, label, split, data.resolve().name) for path in paths]
    return found


def _split_by_content(data: Path, examples: Iterable[Example]) -> list[Example]:
    result = []
    for e in examples:
        digest = hashlib.sha256((data / e.path).read_bytes()).hexdigest()
        place = int(digest, 16) % sum(_SHARES)
        split = SPLITS[0] if place < _SHARES[0] else SPLITS[1] if place < _SHARES[0] + _SHARES[1] else SPLITS[2]
        result.append(Example(e.path, e.label, split, e.source, digest[:16]))
    return result


def only(examples: Iterable[Example], split: str) -> list[Example]:
    return [e for e in examples if e.split == split]


def trained_on(examples: Iterable[Example], source: str | None) -> list[Example]:
    """What a run that learns from one source alone may see: its train and val split, and everybody's test split.

    Raises UserError where there is no such source. Of None, everything.
    """
    examples = list(examples)
    if source and source not in {e.source for e in examples}:
        known = ", ".join(sorted({e.source for e in examples}))
        raise UserError(f"There is no source {source!r} in the data; there are {known}.")
    return [e for e in examples if not source or e.source == source or e.split == "test"]


def split_hash(examples: Iterable[Example]) -> str:
    """sha256 over who is in which split under which label: equal hashes mean equal splits."""
    return _hash([e.path, e.label, e.split] for e in examples)


def list_hash(examples: Iterable[Example]) -> str:
    """sha256 over a list of pictures."""
    return _hash([e.path] for e in examples)


def _hash(rows: Iterable[list[str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-classify"


def crops(
    data: Path,
    examples: Sequence[Example],
    size: int,
    policy: str = "cell",
    cache: Path | None = None,
    ruler: str = "run",
) -> np.ndarray:
    """The model's inputs, through the runner's own locator and crop -> uint8 [len(examples), size, size, 3].

    As `edge-classify --single` takes them: the cell nearest to the middle, the whole picture where none is found; each
    split of a source is one run. ruler: of train.crop_scale.

    A memory map of a file in `cache` (default: the user's cache folder), made once and keyed by all that its pixels
    depend on; so memory doesn't grow with the data set. Raises UserError for pictures that can't be read.
    """
    sight = None if policy == "whole-image" else _locator()
    key = [policy, crop.POLICIES[policy], sight, size]

    def cut(frame: frames.Frame, cell: Cell) -> np.ndarray:
        return crop.crop(frame, cell, size, policy)

    return _cached(data, examples, "crops", key, ("|u1", (size, size, 3)), policy, cut, ruler, cache)


def nuclei(data: Path, examples: Sequence[Example], ruler: str = "run") -> np.ndarray:
    """The diameter of each example's nucleus in shares of the "cell" crop's width, float32 [len(examples)]; kept as
    crops() are. Raises UserError as crops() does.
    """

    def measure(frame: frames.Frame, cell: Cell) -> np.ndarray:
        return np.asarray(crop.nucleus(cell), np.float32)

    return _cached(data, examples, "nuclei", [_locator()], ("<f4", ()), "cell", measure, ruler)


def digest(array: np.ndarray) -> str:
    """sha256 of a memory map's file: what is made of it is known by its content, as a copied data set has new times."""
    with Path(array.filename).open("rb") as content:  # type: ignore[attr-defined]
        return hashlib.file_digest(content, "sha256").hexdigest()


def _locator() -> str:
    return hashlib.sha256(locate.SHIPPED.read_bytes()).hexdigest() + f" {red_cells.VERSION}"


def _cached(
    data: Path,
    examples: Sequence[Example],
    name: str,
    key: list,
    kind: tuple[str, tuple[int, ...]],
    policy: str,
    cut: Callable[[frames.Frame, Cell], np.ndarray],
    ruler: str,
    cache: Path | None = None,
) -> np.ndarray:
    """`cut` of every example's picture and of the cell that the policy finds in it, each of a dtype and shape, as one
    memory map in the cache.
    """
    stamps = [(e.path, *_stamp(data / e.path), *([PATCH] if e.kind == PATCH else [])) for e in examples]
    runs = _runs(data, examples) if policy != "whole-image" else {}
    whole = json.dumps([str(data.resolve()), *key, ruler, stamps, sorted(runs.items())])
    file = (cache or cache_folder()) / f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:24]}.npy"
    if not file.exists():
        finders: dict[tuple[str, str], classify.Finder] = {}

        def made(example: Example, frame: frames.Frame) -> np.ndarray:
            of = example.source, example.split
            if of not in finders:  # opens the locator: only where there is something to make
                finders[of] = crop_scale.finder(policy, ruler, [str(data / path) for path in runs.get(of, ())])
            found = finders[of](frame)
            return cut(frame, emptiest(frame, found) if example.kind == PATCH else single(frame, found)[0])

        _write(data, examples, made, kind, file)
    return np.load(file, mmap_mode="r")


def _runs(data: Path, examples: Sequence[Example]) -> dict[tuple[str, str], list[str]]:
    """The paths of each source's and split's pictures, of all kinds, whichever of them `examples` are: what the runner
    would be given of one microscope.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for each in read(data, labels=None) if data.is_dir() else examples:
        found.setdefault((each.source, each.split), []).append(each.path)
    return found


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError as error:
        raise UserError(f"{file} is listed but can't be read: {reason(error)}.") from error
    return status.st_size, status.st_mtime_ns


def _write(
    data: Path,
    examples: Sequence[Example],
    made: Callable[[Example, frames.Frame], np.ndarray],
    kind: tuple[str, tuple[int, ...]],
    file: Path,
) -> None:
    bad = []
    with (
        array(file, kind[0], (len(examples), *kind[1])) as out,
        click.progressbar(examples, label="Reading pictures", file=sys.stderr) as bar,
    ):
        for example in bar:
            frame = frames.read(str(data / example.path))
            if isinstance(frame, frames.Unreadable):
                bad.append(f"{frame.source} {frame.error}")
            else:
                out.write(made(example, frame).tobytes())
        if bad:
            raise UserError(f"{len(bad)} of {len(examples)} pictures can't be read; remove them: " + " ".join(bad[:5]))


@contextmanager
def array(file: Path, kind: str, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """A .npy file in the cache, whose content is written to what this gives; it is there when all of it is.

    Raises UserError where it can't be written.
    """
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Written in order rather than through a map: on a full disk a map ends the process without a word.
        with partial.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
            yield out
        partial.rename(file)
    except OSError as error:
        raise UserError(f"The cache {file.parent} can't be written: {reason(error)}; set XDG_CACHE_HOME.") from error
    finally:
        partial.unlink(missing_ok=True)


def targets(examples: Sequence[Example], labels: Sequence[str] = LABELS) -> np.ndarray:
    """Class numbers, int64 [len(examples)]: of the examples' labels, or where `labels` are kinds(), of their kinds."""
    return np.array([labels.index(e.kind if PATCH in labels else e.label) for e in examples], dtype=np.int64)


def weights(examples: Sequence[Example], labels: Sequence[str] = LABELS) -> np.ndarray:
    """Class weights within each source, float32 [len(examples)], mean 1; labels: as in targets().

    Every (source, class) pair weighs the same in sum, but where there are kinds() a name twice as much as each of them.
    Weights over classes alone would teach the network which source is rich in which class, instead of what a monocyte
    looks like.
    """
    classes = targets(examples, labels)
    share = [2.0 if PATCH in labels and n < len(LABELS) else 1.0 for n in range(len(labels))]
    pairs = [(e.source, n) for e, n in zip(examples, classes, strict=True)]
    counts = Counter(pairs)
    total = sum(share[n] for _, n in counts)
    return np.array([len(examples) * share[n] / (total * counts[s, n]) for s, n in pairs], dtype=np.float32)


class Labelled(Protocol):
    """An Example, or what will become one."""

    @property
    def source(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def label(self) -> str: ...


def describe(examples: Iterable[Labelled]) -> dict:
    """Counts a source, split and class, for reports."""
    counts: dict = {}
    for e in examples:
        split = counts.setdefault(e.source, {}).setdefault(e.split, {})
        split[e.label] = split.get(e.label, 0) + 1
    return counts
