"""Labelled pictures of one microscope -> what a model sees in them."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge import classify
from edge.classify import Search
from edge.decide import OTHER
from edge.errors import UserError, reason
from edge.frames import Unreadable, expand
from edge.model import Model, Prediction
from edge.quality import picture_doubt


@dataclass(frozen=True)
class Cells:
    """n pictures of cells, as a model sees them.

    kinds: its probabilities, float64 [n, kinds]; features: float64 [n, m], m 0 where the file doesn't show them;
    distance: float64 [n]; truth: numbers of labels, int64 [n], -1 where it isn't known; cells: which physical cell each
    picture is of, int64 [n]; doubts: what speaks against each picture.
    """

    kinds: np.ndarray
    features: np.ndarray
    distance: np.ndarray
    truth: np.ndarray
    cells: np.ndarray
    doubts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    def at(self, which: np.ndarray) -> "Cells":
        """Those of them, by bool [n] or by numbers."""
        rows = np.arange(len(self))[which]
        return Cells(
            self.kinds[rows],
            self.features[rows],
            self.distance[rows],
            self.truth[rows],
            self.cells[rows],
            tuple(self.doubts[i] for i in rows),
        )

    def count(self, label: int) -> int:
        """Physical cells with that label."""
        return len(np.unique(self.cells[self.truth == label]))


def cells(
    seen: Sequence[Prediction],
    truth: Sequence[int] | np.ndarray,
    physical: Sequence[int] | range | np.ndarray,
    doubts: Sequence[str] = (),
) -> Cells:
    """What a model saw of n pictures, at least one, as arrays; physical: a number a physical cell."""
    return Cells(
        np.stack([each.kinds for each in seen]).astype(np.float64),
        np.stack([each.features for each in seen]).astype(np.float64),
        np.array([each.distance for each in seen], np.float64),
        np.asarray(truth, np.int64),
        np.asarray(physical, np.int64),
        tuple(doubts) or ("",) * len(seen),
    )


@dataclass
class Pictures:
    """Labelled pictures on disk: path -> (label, name of the physical cell, "" where it isn't known).

    passed: how many have a label that the model can't give.
    """

    labels: dict[str, tuple[str, str]] = field(default_factory=dict)
    passed: int = 0


def find(folder: Path, labels: Sequence[str]) -> Pictures:
    """The pictures of a folder with a folder a class, capitalised and in the plural as it may be, or with a cells.csv
    (columns path, label and, if known, cell). Where OTHER is one of `labels`, every further class is that.

    Raises UserError where there is neither.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; it must hold a folder of pictures a class.")
    if (folder / "cells.csv").is_file():
        rows = _table(folder / "cells.csv")
    else:
        classes = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
        rows = [(path, child.name, "") for child in classes for path in expand([str(child)])]
    found = Pictures()
    for path, name, cell in rows:
        label = name.strip().lower().removesuffix("s")
        label = OTHER if label not in labels and OTHER in labels else label
        if label in labels:
            found.labels[path] = (label, cell)
        else:
            found.passed += 1
    if not found.labels:
        raise UserError(f"{folder} holds no pictures in folders named {' and '.join(labels[:2])}, and no cells.csv.")
    return found


def _table(file: Path) -> list[tuple[str, str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as text:
            reader = csv.DictReader(text)
            columns, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} is not a readable table: {reason(error)}.") from error
    missing = {"path", "label"} - columns
    if missing:
        raise UserError(f"{file} lacks the column {', '.join(sorted(missing))}.")
    return [(str(file.parent / (r["path"] or "")), r["label"] or "", r.get("cell") or "") for r in rows]


def predict(found: Pictures, model: Model, whole: bool = False) -> tuple[Cells, list[Unreadable]]:
    """What the model makes of one cell of each picture; and the pictures that can't be read.

    Pictures with the same content show the same cell, and so do those that name the same one. whole: the picture is the
    cell. Raises UserError for a cell with two labels, and where no picture can be read.
    """
    seen, truth, doubts, keys, unreadable = [], [], [], [], []
    for each in classify.find_cells(list(found.labels), model.policy, Search(single=True, whole=whole)):
        if isinstance(each, Unreadable):
            unreadable.append(each)
            continue
        path, cell = each.picture.source, each.cells[0]
        label, name = found.labels[path]
        seen.append(classify.predict(model, each.picture, cell))
        truth.append(model.labels.index(label))
        doubts.append(picture_doubt(each.picture, cell))
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        keys.append((path, [f"content {content}"] + ([f"name {name}"] if name else [])))
    if not seen:
        raise UserError(f"None of the {len(unreadable)} labelled pictures can be read: {unreadable[0].error}")
    numbers = _same([each for _, each in keys])
    first: dict[int, int] = {}
    for i, number in enumerate(numbers):
        other = first.setdefault(number, i)
        if truth[other] != truth[i]:
            labels = model.labels[truth[other]], model.labels[truth[i]]
            raise UserError(f"{keys[other][0]} and {keys[i][0]} show one cell, but are called {' and '.join(labels)}.")
    return cells(seen, truth, numbers, doubts), unreadable


def _same(keys: Sequence[Sequence[str]]) -> list[int]:
    """Which physical cell each picture is of: those that share a key, over others as well."""
    root: dict[str, str] = {}

    def of(key: str) -> str:
        while root.setdefault(key, key) != key:
            key = root[key]
        return key

    for each in keys:
        for key in each[1:]:
            root[of(key)] = of(each[0])
    numbers: dict[str, int] = {}
    return [numbers.setdefault(of(each[0]), len(numbers)) for each in keys]


def unlabelled(files: Sequence[str], model: Model, whole: bool = False) -> tuple[Cells | None, list[Unreadable]]:
    """Every cell in these pictures, None where there is none; and the pictures that can't be read."""
    seen, doubts, unreadable = [], [], []
    for each in classify.find_cells(files, model.policy, Search(whole=whole)):
        if isinstance(each, Unreadable):
            unreadable.append(each)
            continue
        for cell in each.cells:
            seen.append(classify.predict(model, each.picture, cell))
            doubts.append(picture_doubt(each.picture, cell))
    return cells(seen, [-1] * len(seen), range(len(seen)), doubts) if seen else None, unreadable
