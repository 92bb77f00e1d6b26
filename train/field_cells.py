"""Labelled white cells of marked camera fields: microscopes that no classifier learns from, to measure it on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import crop, frames
from edge.errors import UserError
from train import crop_scale, data, fields


@dataclass(frozen=True)
class Sites:
    """crops: uint8 [n, size, size, 3]; truth: class numbers, int64 [n]; sources: n names; kinds: what the fields call
    each; cells: n names of physical cells; missed: how many labelled cells the locator didn't find, by source; they are
    in none of the others.
    """

    crops: np.ndarray
    truth: np.ndarray
    sources: list[str]
    kinds: list[str]
    cells: list[str]
    missed: dict[str, int]


def read(folder: Path, size: int, policy: str, labels: Sequence[str], ruler: str = "run") -> Sites:
    """The cells with one of `labels` in the folder's fields.csv, found by the runner's own locator, each source in one
    run; where OTHER is one of them, cells of every other known type as well. ruler: of train.crop_scale.

    Empty where there are none. Raises UserError for a field that can't be read.
    """
    every = fields.read(folder)
    finders = {
        source: crop_scale.finder("cell", ruler, [str(folder / each.path) for each in every if each.source == source])
        for source in sorted({each.source for each in every})
    }
    crops, truth, sources, kinds, cells, missed = [], [], [], [], [], dict[str, int]()
    for field in every:
        named = [(box, _label(box.label, labels)) for box in field.boxes]
        boxes = [(box, label) for box, label in named if label]
        if not boxes:
            continue
        frame = frames.read(str(folder / field.path))
        if isinstance(frame, frames.Unreadable):
            raise UserError(f"{folder / field.path} {frame.error}")
        found = finders[field.source](frame)
        for box, label in boxes:
            inside = [cell for cell in found if box.holds(cell)]
            if not inside:
                missed[field.source] = missed.get(field.source, 0) + 1
                continue
            cell = min(inside, key=box.off_centre)
            crops.append(crop.crop(frame, cell, size, policy))
            truth.append(labels.index(label))
            sources.append(field.source)
            kinds.append(box.label)
            cells.append(box.cell or f"{field.path} {box.x} {box.y}")
    pixels = np.stack(crops) if crops else np.zeros((0, size, size, 3), np.uint8)
    return Sites(pixels, np.array(truth, np.int64), sources, kinds, cells, missed)


def _label(kind: str, labels: Sequence[str]) -> str:
    """What a cell of that kind is to be called, "" where that isn't known."""
    if kind in labels:
        return kind
    return data.OTHER if data.OTHER in labels and kind not in ("", "unknown", "none") else ""
