"""Measures the locator on camera fields with something around them, and on mosaics of fields, as wide ones are."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.locating import measured_fields, within
from edge import frames
from edge.frames import Frame
from edge.locate import Located, Locator
from edge.output.tables import Table
from edge.share import Share, share
from edge.system.progress import Progress, silent
from train.data.fields import Box, Field

SOURCES = ("chula_rpi", "bccd")
_FIELDS = 60  # of each source, with each surround
_SIDES = (1, 2, 3, 4, 5, 6, 8)  # fields along each side of a mosaic
_MOSAICS = 4  # of each size
_SOURCE = "bccd"  # whose fields are put together


@dataclass(frozen=True)
class ChangedFigures:
    """Fields of one source that were changed in one way.

    Attributes:
        width: of a picture, in red cells; 0 if it wasn't measured.
        recall: share of the marked cells that were found. Only cells well inside count.
        beside: number of finds that no marked box holds.
        at_once: the same recall if the whole picture is taken as field and looked at once.
        beside_at_once: the same number for that.
    """

    width: float
    recall: Share
    beside: int
    at_once: Share
    beside_at_once: int


def _bars(image: np.ndarray) -> np.ndarray:
    """Where a field between two bars is lit, each a twentieth of the width: bool [height, width]."""
    x = np.arange(image.shape[1])[None, :] + np.zeros((image.shape[0], 1))
    return (x >= image.shape[1] // 20) & (x < image.shape[1] - image.shape[1] // 20)


def _disc(image: np.ndarray, part: float) -> np.ndarray:
    """Where a round field is lit. part: its diameter, as a share of the picture's diagonal."""
    height, width = image.shape[:2]
    ys, xs = np.mgrid[:height, :width]
    return np.hypot(xs + 0.5 - width / 2, ys + 0.5 - height / 2) <= part * np.hypot(height, width) / 2


def _strip(image: np.ndarray) -> np.ndarray:
    """Where a field above a strip is lit, which has a twelfth of the height."""
    y = np.arange(image.shape[0])[:, None] + np.zeros((1, image.shape[1]))
    return y < image.shape[0] - image.shape[0] // 12


Lit = Callable[[np.ndarray], np.ndarray]
SURROUNDS: dict[str, tuple[Lit, int | None]] = {  # where the field is lit, and the level around it; None for blurred
    "nothing": (lambda image: np.ones(image.shape[:2], bool), 0),
    "black bars of 5 %": (_bars, 0),
    "white bars of 5 %": (_bars, 255),
    "blurred bars of 5 %": (_bars, None),
    "black round 0.7 of the diagonal": (lambda image: _disc(image, 0.7), 0),
    "white round 0.7 of the diagonal": (lambda image: _disc(image, 0.7), 255),
    "black round 0.9 of the diagonal": (lambda image: _disc(image, 0.9), 0),
    "a black strip below": (_strip, 0),
}


@dataclass
class _Count:
    """Counts finds. `add` takes what was found, and the marked boxes; `inside` says which of them count."""

    found: int = 0
    boxes: int = 0
    beside: int = 0

    def add(self, located: Located, boxes: Sequence[Box], inside: Sequence[bool]) -> None:
        held = {
            i
            for i, box in enumerate(boxes)
            if any(box.x <= n.x <= box.x + box.width and box.y <= n.y <= box.y + box.height for n in located.nuclei)
        }
        self.found += sum(inside[i] for i in held)
        self.boxes += sum(inside)
        self.beside += sum(
            not any(box.x <= n.x <= box.x + box.width and box.y <= n.y <= box.y + box.height for box in boxes)
            for n in located.nuclei
        )


def changed_fields(folder: Path, locator: Locator, progress: Progress = silent) -> dict[str, dict[str, ChangedFigures]]:
    """Measures a locator on changed fields of the half of the marked fields that `train locator` doesn't use.

    Returns:
        The figures by source, with the suffix " mosaics" for mosaics, and by change.

    Raises:
        UserError: if the data set has no marked fields.
    """
    measured = measured_fields(folder)
    result: dict[str, dict[str, ChangedFigures]] = {}
    total = len(SOURCES) * len(SURROUNDS) + len(_SIDES)
    for source in SOURCES:
        fields = [field for field in measured if field.source == source]
        fields = fields[:: max(1, len(fields) // _FIELDS)][:_FIELDS]
        for name, (lit, level) in SURROUNDS.items():
            pictures = (_surrounded(folder, field, lit, level) for field in fields)
            result.setdefault(source, {})[name] = _figures(pictures, locator)
            progress("Changed fields", sum(len(each) for each in result.values()), total)
    fields = [field for field in measured if field.source == _SOURCE]
    for side in _SIDES:
        pictures = (_mosaic(folder, fields, side, number) for number in range(_MOSAICS))
        result.setdefault(f"{_SOURCE} mosaics", {})[f"{side} x {side} fields"] = _figures(pictures, locator)
        progress("Changed fields", sum(len(each) for each in result.values()), total)
    return result


_Changed = tuple[np.ndarray, list[Box], list[bool]]  # a picture, its marked boxes, and which of them are well inside


def _figures(pictures: Iterator[_Changed], locator: Locator) -> ChangedFigures:
    count, at_once = _Count(), _Count()
    widths = []
    for image, boxes, inside in pictures:
        frame = Frame(image, "changed", 0, 0.0)
        located = locator.locate(frame)
        widths.append(frame.width / located.measure(None).diameter)
        count.add(located, boxes, inside)
        at_once.add(locator.see(frame), boxes, inside)
    shares = [share(each.found, each.boxes) for each in (count, at_once)]
    return ChangedFigures(float(np.median(widths)), shares[0], count.beside, shares[1], at_once.beside)


def _surrounded(folder: Path, field: Field, lit: Lit, level: int | None) -> _Changed:
    image = frames.load(folder / field.path).image
    seen = lit(image)
    around = np.full_like(image, level) if level is not None else cv2.GaussianBlur(image, (0, 0), image.shape[1] / 25)
    inside = [
        within(box, image.shape[1], image.shape[0])
        and bool(seen[box.y : box.y + box.height, box.x : box.x + box.width].all())
        for box in field.boxes
    ]
    return np.where(seen[..., None], image, around), list(field.boxes), inside


def _mosaic(folder: Path, fields: Sequence[Field], side: int, number: int) -> _Changed:
    rng = random.Random(f"{side} {number}")
    rows, boxes, inside = [], [], []
    for row in range(side):
        chosen = [rng.choice(fields) for _ in range(side)]
        images = [frames.load(folder / field.path).image for field in chosen]
        for column, (field, image) in enumerate(zip(chosen, images, strict=True)):
            left, top = column * image.shape[1], row * image.shape[0]
            inside += [within(box, image.shape[1], image.shape[0]) for box in field.boxes]
            boxes += [Box(left + b.x, top + b.y, b.width, b.height, b.cell) for b in field.boxes]
        rows.append(np.hstack(images))
    return np.vstack(rows), boxes, inside


def table(result: dict[str, dict[str, ChangedFigures]]) -> str:
    """The result as text for a terminal."""
    rows = [
        [source, name, f"{f.width:.0f}", str(f.recall), str(f.beside), str(f.at_once), str(f.beside_at_once)]
        for source, changes in result.items()
        for name, f in changes.items()
    ]
    heads = ["fields of", "around them, or put together", "red cells wide", "recall", "beside", "at once", "beside"]
    return Table(heads, rows).text()
