"""The labelled white cells of marked camera fields.

Unless it is told to (train.data.field_examples), a classifier learns nothing from the microscopes of these fields. So
the fields show how it does on a new microscope.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import crop
from edge.cell import Cell
from edge.classify import find_cells
from edge.decide import OTHER
from edge.errors import UserError
from edge.frames import Picture, Unreadable
from edge.locate import Locator
from edge.system.progress import Progress, silent
from train.data import crop_scale, fields
from train.data.fields import Box, Field


@dataclass(frozen=True)
class FieldCells:
    """The labelled cells that the locator found. Lists and arrays have one entry for each of n cells.

    Attributes:
        crops: uint8 [n, size, size, 3].
        truth: class indices, int64 [n].
        sources: names of data sets.
        kinds: the data sets' own labels.
        cells: names of physical cells.
        missed: by source, how many labelled cells the locator did not find.
    """

    crops: np.ndarray
    truth: np.ndarray
    sources: list[str]
    kinds: list[str]
    cells: list[str]
    missed: dict[str, int]


def read(
    folder: Path,
    size: int,
    policy: str,
    labels: Sequence[str],
    ruler: str = "run",
    progress: Progress = silent,
    half: bool = False,
) -> FieldCells:
    """The labelled cells of a data folder's fields.csv, found by the runner's own locator.

    Args:
        folder: the data folder; without a fields.csv there are no cells.
        size: width and height of the crops in pixels.
        policy: how the crops are made, a key of edge.crop.POLICIES.
        labels: cells with other labels are left out; if OTHER is among them, cells of every known type are kept.
        ruler: one of train.data.crop_scale.RULERS; the fields of a source are one run.
        progress: see edge.system.progress.
        half: whether only the measuring half of the fields is read, because a network learned from the other half.

    Raises:
        UserError: if a field can't be read.
    """
    marked = fields.read(folder)
    boxes = {each.path: [(box, _label(box.label, labels)) for box in each.boxes] for each in marked}
    labelled = {path: [pair for pair in pairs if pair[1]] for path, pairs in boxes.items()}
    wanted = [each for each in (fields.halves(marked)[1] if half else marked) if labelled[each.path]]
    by_path: dict[str, list[tuple[np.ndarray, Box, str] | None]] = {}
    for field, picture, cells in _located(folder, marked, wanted, policy, ruler, progress):
        by_path[field.path] = [
            (crop.crop(picture, cell, size, policy), box, label) if cell else None
            for box, label in labelled[field.path]
            for cell in [_in_box(box, cells)]
        ]
    pairs = [(field, each) for field in wanted for each in by_path[field.path]]
    rows = [(field, *each) for field, each in pairs if each]
    missed: dict[str, int] = {}
    for field in (field for field, each in pairs if each is None):
        missed[field.source] = missed.get(field.source, 0) + 1
    return FieldCells(
        crops=np.stack([each[1] for each in rows]) if rows else np.zeros((0, size, size, 3), np.uint8),
        truth=np.array([labels.index(label) for *_, label in rows], np.int64),
        sources=[field.source for field, *_ in rows],
        kinds=[box.label for _, _, box, _ in rows],
        cells=[box.cell or f"{field.path} {box.x} {box.y}" for field, _, box, _ in rows],
        missed=missed,
    )


def _located(
    folder: Path, marked: Sequence[Field], wanted: Sequence[Field], policy: str, ruler: str, progress: Progress
) -> Iterator[tuple[Field, Picture, list[Cell]]]:
    """The wanted fields with their pictures and all their cells, source after source."""
    if not wanted:
        return
    search, locator = crop_scale.search(ruler), Locator()
    located = "cell" if policy == "whole-image" else policy
    for source in sorted({field.source for field in wanted}):
        run = [str(folder / field.path) for field in marked if field.source == source]
        files = {str(folder / field.path): field for field in wanted if field.source == source}
        for found in find_cells(list(files), located, search, run, progress, locator):
            if isinstance(found, Unreadable):
                raise UserError(f"{found.source} {found.error}")
            yield files[found.picture.source], found.picture, crop_scale.scaled(found.cells, ruler)


def _in_box(box: Box, cells: Sequence[Cell]) -> Cell | None:
    """The cell in a box that is nearest to the middle of the box; None if there is none."""
    return min((cell for cell in cells if box.holds(cell)), key=box.off_centre, default=None)


def _label(kind: str, labels: Sequence[str]) -> str:
    """The label of a cell of that kind; "" if none of the labels fits or if the kind isn't known."""
    if kind in labels:
        return kind
    return OTHER if OTHER in labels and kind not in ("", "unknown", "none") else ""
