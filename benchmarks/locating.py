"""Measures how many white cells the locator finds, how often it marks something else, and how fast it is."""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge import frames
from edge.cell import single
from edge.crop import crop
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Locator
from edge.output.tables import Table
from edge.share import Share, share
from edge.simulator import drawing
from edge.system.progress import Progress, followed, silent
from train.data import dataset
from train.data import fields as marked_fields
from train.data.fields import Box, Field

BORDER = 3  # pixels; a marked box this near to the border counts as cut by it
_CROP = 96  # pixels; width of the crops that are made to measure the time
_CENTRED = 0.1  # share of the width; a cell found within this distance of the middle counts as centred


@dataclass(frozen=True)
class FieldFigures:
    """Camera fields of one source.

    Attributes:
        fields: number of fields.
        size: width and height in pixels, such as "640x480".
        recall: share of the marked cells that were found; cells cut by the border don't count.
        precision: share of the found places that are marked cells.
        milliseconds: median time per field, including the crops.
    """

    fields: int
    size: str
    recall: Share
    precision: Share
    milliseconds: float


@dataclass(frozen=True)
class SingleFigures:
    """Pictures of one cell, of one source.

    Attributes:
        centred: share of the pictures in which a cell is found no farther than a tenth of the width from the middle.
        milliseconds: median time per picture, including the crop.
    """

    centred: Share
    milliseconds: float


@dataclass(frozen=True)
class EmptyFigures:
    """Parts of fields that show no white cell.

    Attributes:
        patches: number of such parts.
        found: number of parts in which a cell is found by mistake.
    """

    patches: int
    found: int


@dataclass(frozen=True)
class TouchingFigures:
    """Drawn fields with cells that touch or overlap.

    Attributes:
        fields: share of the fields in which the right number of cells is found.
        cells: share of the cells that are found.
    """

    fields: Share
    cells: Share


@dataclass(frozen=True)
class Locating:
    """All figures of `benchmark locating`.

    Attributes:
        locator_sha256: hash of the locator's model file.
        fields: camera fields, by source.
        singles: pictures of one cell, by source.
        empty: parts of fields without a white cell.
        touching: drawn cells that touch.
    """

    locator_sha256: str
    fields: dict[str, FieldFigures]
    singles: dict[str, SingleFigures]
    empty: EmptyFigures
    touching: TouchingFigures


def locating(folder: Path, locator: Locator, progress: Progress = silent) -> Locating:
    """Measures a locator.

    It is tested on the half of the marked fields that `train locator` doesn't use, on the test cells, and on drawn
    fields.

    Raises:
        UserError: if the data set has no marked fields.
    """
    measured = measured_fields(folder)
    sources: dict[str, list[Field]] = defaultdict(list)
    for field in measured:
        sources[field.source].append(field)
    return Locating(
        locator_sha256=locator.sha256,
        fields={name: fields(folder, each, locator, progress) for name, each in sources.items()},
        singles=singles(folder, locator, progress),
        empty=empty(folder, measured, locator, progress=progress),
        touching=touching(locator, progress=progress),
    )


def measured_fields(folder: Path) -> list[Field]:
    """The half of the marked fields that is used to measure locators. Raises UserError if there are none."""
    measured = marked_fields.halves(marked_fields.read(folder))[1]
    if not measured:
        raise UserError(
            f"{folder / marked_fields.TABLE} is missing or empty; it must list the white cells of camera fields."
        )
    return measured


def within(box: Box, width: int, height: int) -> bool:
    """Whether a marked cell lies wholly inside a picture. width, height: size of the picture in pixels."""
    return (
        box.x > BORDER
        and box.y > BORDER
        and box.x + box.width < width - BORDER
        and box.y + box.height < height - BORDER
    )  # fmt: skip


def fields(folder: Path, measured: Sequence[Field], locator: Locator, progress: Progress = silent) -> FieldFigures:
    """Figures of camera fields.

    A marked cell counts as found if the middle of a located nucleus lies in its box. A second nucleus in the same box
    counts as wrong. In the interval of the recall, a physical cell that was photographed several times counts once.
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    right = count = 0
    times = []
    for field in followed(measured, f"Fields of {measured[0].source}", progress):
        frame = frames.load(folder / field.path)
        start = time.perf_counter()
        cells = locator.cells(frame)
        for cell in cells:
            crop(frame, cell, _CROP)
        times.append(time.perf_counter() - start)
        found = {next((box for box in field.boxes if box.holds(cell)), None) for cell in cells} - {None}
        right, count = right + len(found), count + len(cells)
        for i, box in enumerate(field.boxes):
            if within(box, frame.width, frame.height):
                hits[box.cell or f"{field.path}#{i}"].append(box in found)
    return FieldFigures(
        fields=len(measured),
        size=f"{frame.width}x{frame.height}",
        recall=_share_of_cells(hits),
        precision=share(right, count),
        milliseconds=1000 * statistics.median(times),
    )


def _share_of_cells(hits: dict[str, list[bool]]) -> Share:
    """The share of photographs in which the cell was found. In its interval each physical cell counts once.

    hits: whether the cell was found, for each of its photographs, by physical cell.
    """
    photographs = [hit for each in hits.values() for hit in each]
    cells = share(round(sum(sum(each) / len(each) for each in hits.values())), len(hits))
    return replace(share(sum(photographs), len(photographs)), low=cells.low, high=cells.high, cells=len(hits))


def singles(folder: Path, locator: Locator, progress: Progress = silent) -> dict[str, SingleFigures]:
    """Figures of the test pictures of one cell, by source. Cells of all types are included."""
    hits: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    times: dict[str, list[float]] = defaultdict(list)
    examples = dataset.only(dataset.read(folder, labels=None), "test")
    for example in followed(examples, "Pictures of one cell", progress):
        frame = frames.load(folder / example.path)
        start = time.perf_counter()
        cells = locator.cells(frame)
        chosen = single(frame, cells)[0]
        crop(frame, chosen, _CROP)
        times[example.source].append(time.perf_counter() - start)
        x, y = chosen.centre
        off_centre = np.hypot(x - frame.width / 2, y - frame.height / 2) / frame.width
        hits[example.source][example.cell or example.path].append(bool(cells) and bool(off_centre <= _CENTRED))
    return {
        name: SingleFigures(_share_of_cells(each), 1000 * statistics.median(times[name])) for name, each in hits.items()
    }


def empty(
    folder: Path, measured: Sequence[Field], locator: Locator, count: int = 200, progress: Progress = silent
) -> EmptyFigures:
    """Figures of square parts of fields that touch no marked box. count: number of parts, if that many are found."""
    rng = random.Random(0)
    order = sorted(measured, key=lambda field: field.path)
    taken = found = tries = 0
    while taken < count and tries < 100 * count:
        tries += 1
        field = rng.choice(order)
        frame = frames.load(folder / field.path)
        side = min(frame.height, frame.width) * 2 // 5
        x, y = rng.randrange(frame.width - side), rng.randrange(frame.height - side)
        if any(b.x < x + side and x < b.x + b.width and b.y < y + side and y < b.y + b.height for b in field.boxes):
            continue
        taken += 1
        progress("Empty places", taken, count)
        found += bool(locator.cells(Frame(frame.window(x, y, x + side, y + side), field.path, 0, 0.0)))
    return EmptyFigures(taken, found)


def touching(locator: Locator, count: int = 100, progress: Progress = silent) -> TouchingFigures:
    """Figures of drawn fields in which cells touch or overlap."""
    rng = np.random.default_rng(0)
    right = cells = found_cells = 0
    for _ in followed(range(count), "Drawn fields", progress):
        image, truth = drawing.field(rng, 6, 3)
        found = locator.cells(Frame(image, "drawn", 0, 0.0))
        right += len(found) == len(truth)
        cells += len(truth)
        found_cells += sum(any(np.hypot(f.centre[0] - t.x, f.centre[1] - t.y) < t.radius for f in found) for t in truth)
    return TouchingFigures(share(right, count), share(found_cells, cells))


def table(result: Locating) -> str:
    """The result as text for a terminal."""
    of_fields = [
        [name, str(f.fields), f.size, str(f.recall), str(f.recall.cells), str(f.precision), f"{f.milliseconds:.1f}"]
        for name, f in result.fields.items()
    ]
    of_singles = [[name, str(s.centred), f"{s.milliseconds:.1f}"] for name, s in result.singles.items()]
    tables = (
        Table(["camera fields of", "fields", "size", "recall", "cells", "precision", "ms with crops"], of_fields),
        Table(["pictures of one cell of", "cell found in the middle", "ms with crop"], of_singles),
        Table(
            ["drawn cells that touch", "share"],
            [
                ["fields counted right", str(result.touching.fields)],
                ["cells found", str(result.touching.cells)],
            ],
        ),
    )
    empty = f"A cell is found in {result.empty.found} of {result.empty.patches} parts of fields without a white cell."
    return "\n\n".join([*(each.text() for each in tables), empty])
