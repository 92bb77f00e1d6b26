"""Pictures from one microscope, labelled or not, and what a model predicts for their cells."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import classify
from edge.classify import Search
from edge.decide import OTHER
from edge.errors import UserError
from edge.frames import LeftOut, Unreadable
from edge.model import Model, Prediction
from edge.output.tables import Table
from edge.quality import picture_doubt
from edge.site import class_names, layout
from edge.system import csv_table
from edge.system.progress import Progress, silent

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cells:
    """What a model predicts for n pictures, each of one cell.

    Attributes:
        kinds: probabilities, float64 [n, kinds].
        features: inputs of the network's last layer, float64 [n, m]; m is 0 where the model file doesn't show them.
        distance: Mahalanobis distance from the training cells, float64 [n]; 1 is usual.
        truth: number of the true label, int64 [n]; -1 where it isn't known.
        physical: number of the physical cell in the picture, int64 [n]; pictures of the same cell share it.
        doubts: what is wrong with each picture, in a few words; "" where nothing is.
    """

    kinds: np.ndarray
    features: np.ndarray
    distance: np.ndarray
    truth: np.ndarray
    physical: np.ndarray
    doubts: tuple[str, ...]

    @classmethod
    def of(
        cls,
        predictions: Sequence[Prediction],
        truth: Sequence[int] | np.ndarray,
        physical: Sequence[int] | range | np.ndarray,
        doubts: Sequence[str] = (),
    ) -> "Cells":
        """The predictions for n pictures, at least one, as arrays. The other arguments are like the attributes.

        Raises:
            UserError: if the network gave no probabilities for a picture.
        """
        if not all(np.isfinite(each.kinds).all() and math.isfinite(each.distance) for each in predictions):
            raise UserError("The network's answers to some pictures are no numbers; use another model file.")
        return cls(
            np.stack([each.kinds for each in predictions]).astype(np.float64),
            np.stack([each.features for each in predictions]).astype(np.float64),
            np.array([each.distance for each in predictions], np.float64),
            np.asarray(truth, np.int64),
            np.asarray(physical, np.int64),
            tuple(doubts) or ("",) * len(predictions),
        )

    def __len__(self) -> int:
        return len(self.truth)

    def at(self, which: np.ndarray) -> "Cells":
        """Some of the pictures. which: bool [n], or numbers of pictures."""
        rows = np.arange(len(self))[which]
        return Cells(
            self.kinds[rows],
            self.features[rows],
            self.distance[rows],
            self.truth[rows],
            self.physical[rows],
            tuple(self.doubts[i] for i in rows),
        )

    def count(self, label: int) -> int:
        """The number of physical cells with that label."""
        return len(np.unique(self.physical[self.truth == label]))


@dataclass(frozen=True)
class PictureLabel:
    """What a person says about one picture.

    Attributes:
        label: one of the model's labels.
        cell: name of the physical cell; "" where it isn't known.
    """

    label: str
    cell: str = ""


@dataclass(frozen=True)
class LabelledPictures:
    """Labelled pictures on disk.

    Attributes:
        labels: what a person says about each picture, by its path.
        table: each class as the folder names it, the label that it was taken for ("left out", where the model can't
            give it), and its number of pictures.
        notes: sentences about how the folder was read, and what else is left out.
    """

    labels: dict[str, PictureLabel]
    table: Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelledPrediction:
    """What a model predicts for one picture of a cell that a person labelled.

    Attributes:
        source: where the picture is, for messages.
        label: one of the model's labels.
        keys: what only pictures of the same cell share, such as their content; see `physical_cells`.
        prediction: the model's.
        doubt: what is wrong with the picture, in a few words; "" for nothing.
        held: whether no profile may ever learn from this cell; see edge.site.held.
    """

    source: str
    label: str
    keys: Sequence[str]
    prediction: Prediction
    doubt: str = ""
    held: bool = False


def find(folder: Path, labels: Sequence[str], said: Mapping[str, str] | None = None) -> LabelledPictures:
    """The labelled pictures of a folder.

    Args:
        folder: it holds a table cells.csv with the columns path, label and, where it is known, cell; or folders of
            classes in one of the layouts of edge.site.layout, whose splits make no difference.
        labels: what the model can answer. Where OTHER is one of them, every further class counts as OTHER.
        said: the labels of classes by their names, as the user gave them.

    Raises:
        UserError: where the folder holds neither, and where the meaning of a class would be a guess.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; it must hold a folder of pictures for each class.")
    table = folder / "cells.csv"
    notes: list[str] = []
    if table.is_file():
        rows = [
            (str(folder / row["path"]), row["label"], row.get("cell", ""))
            for row in csv_table.rows(table, ("path", "label"))
        ]
    else:
        read = layout.find(folder)
        rows, notes = [(each.path, each.name, "") for each in read.pictures], read.notes
    own = {name: label for _, name, _ in rows for label in labels if name.lower() == label.lower()}
    classes = class_names.mapping((name for _, name, _ in rows if name not in own), said) | own
    if OTHER in labels:
        classes = {name: label if label in labels else OTHER for name, label in classes.items()}
    found: dict[str, PictureLabel] = {}
    for path, name, cell in rows:
        if classes[name] in labels:
            label = PictureLabel(classes[name], cell)
            if found.setdefault(path, label) != label:
                raise UserError(f"{table} has two rows for {path} that differ; remove one.")
    if not found:
        has = f" (its classes: {', '.join(classes)}); name them with --label NAME={labels[0]}" if classes else ""
        raise UserError(
            f"{folder} holds no pictures in folders named {' and '.join(labels[:2])} or in a cells.csv{has}."
        )
    counts = Counter(name for _, name, _ in rows)
    taken = [[name, classes[name] if classes[name] in labels else "left out", str(counts[name])] for name in counts]
    rest = layout.left_out(folder, [*(path for path, _, _ in rows), str(table)])
    notes += [f"Left out: {count} {what}." for what, count in sorted(rest.items())]
    return LabelledPictures(found, Table(["class", "label", "pictures"], sorted(taken)), tuple(notes))


def predict_labelled(
    pictures: LabelledPictures, model: Model, whole: bool = False, progress: Progress = silent
) -> tuple[Cells, list[Unreadable]]:
    """The cells in labelled pictures, as `predict_pictures` and `together` give them.

    Returns:
        The cells, and the pictures that can't be used: those that can't be read, and those of a cell with two labels.

    Raises:
        UserError: where no picture can be used.
    """
    found, unreadable = predict_pictures(pictures, model, whole, progress)
    cells, _, contradictory = together(found, model.labels)
    return cells, unreadable + contradictory


def predict_pictures(
    pictures: LabelledPictures, model: Model, whole: bool = False, progress: Progress = silent
) -> tuple[list[LabelledPrediction], list[Unreadable]]:
    """What the model predicts for one cell in each picture.

    Args:
        pictures: as `find` returns them.
        model: a model with or without a profile.
        whole: take each picture as the cell, instead of the cell nearest to the picture's middle.
        progress: see edge.system.progress.

    Returns:
        The predictions, and the pictures that can't be read.

    Raises:
        UserError: where no picture can be read.
    """
    unreadable: list[Unreadable] = []
    search = Search(single=True, whole=whole, red_cell=model.ruler)
    found = [
        LabelledPrediction(path, label.label, _keys(path, label.cell), prediction, doubt)
        for path, prediction, doubt in _predictions(list(pictures.labels), model, search, unreadable, progress)
        for label in [pictures.labels[path]]
    ]
    if not found:
        raise UserError(f"None of the {len(unreadable)} labelled pictures can be read: {unreadable[0].error}")
    return found, unreadable


def together(found: Sequence[LabelledPrediction], labels: Sequence[str]) -> tuple[Cells, np.ndarray, list[Unreadable]]:
    """Finds out which pictures show the same physical cell.

    Args:
        found: predictions, at least one.
        labels: the model's.

    Returns:
        The cells; which of their pictures show a cell that is held out, bool [n]; and the pictures of cells with two
        labels, which aren't among them.

    Raises:
        UserError: where all labels contradict each other.
    """
    physical = physical_cells([each.keys for each in found])
    known: dict[int, dict[str, str]] = {}  # of each cell, its labels, each with the first picture that has it
    for each, number in zip(found, physical, strict=True):
        known.setdefault(number, {}).setdefault(each.label, each.source)
    contradictory: list[Unreadable] = []
    for each, number in zip(found, physical, strict=True):
        if len(known[number]) > 1:
            said = " and ".join(f"{label} ({first})" for label, first in known[number].items())
            why = f"shows a cell that is labelled {said}; correct one of the labels."
            contradictory.append(Unreadable(each.source, why))
    if len(contradictory) == len(found):
        raise UserError(f"All labels contradict each other: {found[-1].source} {contradictory[-1].error}")
    sure = np.array([len(known[number]) == 1 for number in physical])
    held = np.isin(physical, [number for each, number in zip(found, physical, strict=True) if each.held])
    truth = [labels.index(each.label) for each in found]
    cells = Cells.of([each.prediction for each in found], truth, physical, [each.doubt for each in found])
    return cells.at(sure), held[sure], contradictory


def predict_unlabelled(
    files: Sequence[str], model: Model, whole: bool = False, progress: Progress = silent
) -> tuple[Cells | None, list[Unreadable]]:
    """What the model predicts for every cell in picture files. For the arguments see `predict_labelled`.

    Returns:
        The cells, or None where there are none, and the pictures that can't be read.
    """
    unreadable: list[Unreadable] = []
    found = list(_predictions(files, model, Search(whole=whole, red_cell=model.ruler), unreadable, progress))
    if not found:
        return None, unreadable
    _, predictions, doubts = zip(*found, strict=True)
    return Cells.of(predictions, [-1] * len(found), range(len(found)), doubts), unreadable


def _predictions(
    files: Sequence[str], model: Model, search: Search, unreadable: list[Unreadable], progress: Progress
) -> Iterator[tuple[str, Prediction, str]]:
    """For each cell: path, prediction, and the picture's fault. Adds pictures that can't be read to `unreadable`."""
    ruler = None
    for each in classify.predict_files(files, model, search, progress):
        if isinstance(each, Unreadable):
            unreadable += [] if isinstance(each, LeftOut) else [each]
            continue
        ruler = each.found.ruler
        picture = each.found.picture
        for cell, prediction in zip(each.found.cells, each.predictions, strict=True):
            yield picture.source, prediction, picture_doubt(picture, cell)
    if ruler and (complaint := ruler.complaint()):
        logger.info("%s", complaint)


def _keys(path: str, cell: str) -> list[str]:
    """What pictures of the same cell may share: their content and the cell's name, where it is known."""
    content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return [f"content {content}"] + ([f"name {cell}"] if cell else [])


def physical_cells(keys: Sequence[Sequence[str]]) -> list[int]:
    """The number of the physical cell in each picture, from 0.

    Two pictures show the same cell if they share a key, or if a chain of pictures with shared keys joins them.

    >>> physical_cells([["a"], ["b", "n"], ["c", "n"], ["a", "m"]])
    [0, 1, 1, 0]
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for each in keys:
        for key in each[1:]:
            parent[root(key)] = root(each[0])
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(each[0]), len(numbers)) for each in keys]
