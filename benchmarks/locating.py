"""Does the locator find the white cells, all of them and nothing else, and how fast?"""

import csv
import random
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge import frames, simulate
from edge.cell import Cell, single
from edge.crop import crop
from edge.errors import UserError, reason
from edge.frames import Frame
from edge.locate import Locator
from train import data, evaluate

_BORDER = 3  # pixels: a marked box so near to the border is cut by it
_CROP = 96


@dataclass(frozen=True)
class Box:
    """A marked white cell: pixels, and which physical cell it is."""

    x: int
    y: int
    width: int
    height: int
    cell: str

    def holds(self, cell: Cell) -> bool:
        x, y = cell.centre
        return self.x <= x <= self.x + self.width and self.y <= y <= self.y + self.height


def locating(folder: Path, locator: Locator) -> dict:
    """All the locator's figures on a data folder with cells.csv and fields.csv -> {"fields", "singles", ...}."""
    marked = read_fields(folder)
    sources: dict[str, list[str]] = defaultdict(list)
    for path in marked:
        sources[Path(path).parent.name].append(path)
    return {
        "locator_sha256": locator.sha256,
        "fields": {name: fields(folder, {p: marked[p] for p in paths}, locator) for name, paths in sources.items()},
        "singles": singles(folder, locator),
        "empty": empty(folder, marked, locator),
        "touching": touching(locator),
    }


def read_fields(folder: Path) -> dict[str, list[Box]]:
    """fields.csv -> the marked boxes a picture; an empty list where there is no white cell."""
    table: dict[str, list[Box]] = {}
    try:
        with (folder / "fields.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                boxes = table.setdefault(row["path"], [])
                if row["width"]:
                    x, y, w, h = (int(row[k]) for k in ("x", "y", "width", "height"))
                    boxes.append(Box(x, y, w, h, row["cell"] or f"{row['path']}#{len(boxes)}"))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{folder / 'fields.csv'} is not a readable table of fields: {reason(error)}.") from error
    return table


def fields(folder: Path, marked: dict[str, list[Box]], locator: Locator) -> dict:
    """Recall over the marked cells that no border cuts, precision over what was found, milliseconds a field.

    A cell is found where a nucleus' centre lies in its box; a second centre in one box is wrong. In recall's interval
    a physical cell that was photographed several times counts once.
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    right = found = 0
    times = []
    for path, boxes in marked.items():
        frame = frames.load(folder / path)
        start = time.perf_counter()
        cells = locator.cells(frame)
        for cell in cells:
            crop(frame, cell, _CROP)
        times.append(time.perf_counter() - start)
        met = {next((b for b in boxes if b.holds(cell)), None) for cell in cells} - {None}
        right, found = right + len(met), found + len(cells)
        height, width = frame.image.shape[:2]
        for box in boxes:
            within = box.x > _BORDER and box.y > _BORDER
            if within and box.x + box.width < width - _BORDER and box.y + box.height < height - _BORDER:
                hits[box.cell].append(box in met)
    return {
        "fields": len(marked),
        "size": f"{width}x{height}",
        "recall": _by_cell(hits),
        "precision": evaluate.share(right, found),
        "milliseconds": 1000 * statistics.median(times),
    }


def _by_cell(hits: dict[str, list[bool]]) -> dict:
    """A share over photographs, its interval over physical cells."""
    photographs = [hit for each in hits.values() for hit in each]
    share = evaluate.share(sum(photographs), len(photographs))
    cells = evaluate.share(round(sum(sum(each) / len(each) for each in hits.values())), len(hits))
    return share | {"cells": len(hits), "low": cells["low"], "high": cells["high"]}


def singles(folder: Path, locator: Locator) -> dict:
    """On pictures of one cell, of all types, test split: is the centre found within 10 % of the width of the middle?"""
    result: dict = {}
    hits: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    times: dict[str, list[float]] = defaultdict(list)
    for example in data.only(data.read(folder, labels=None), "test"):
        frame = frames.load(folder / example.path)
        start = time.perf_counter()
        cells = locator.cells(frame)
        chosen = single(frame, cells)[0]
        crop(frame, chosen, _CROP)
        times[example.source].append(time.perf_counter() - start)
        height, width = frame.image.shape[:2]
        off = np.hypot(chosen.centre[0] - width / 2, chosen.centre[1] - height / 2) / width
        hits[example.source][example.cell or example.path].append(bool(cells) and off <= 0.1)
    for name, each in hits.items():
        result[name] = {"centred": _by_cell(each), "milliseconds": 1000 * statistics.median(times[name])}
    return result


def empty(folder: Path, marked: dict[str, list[Box]], locator: Locator, count: int = 200) -> dict:
    """On patches of fields that no marked box touches: in how many is a cell found all the same?"""
    rng = random.Random(0)
    paths = sorted(marked)
    taken = found = tries = 0
    while taken < count and tries < 100 * count:
        tries += 1
        path = rng.choice(paths)
        frame = frames.load(folder / path)
        height, width = frame.image.shape[:2]
        side = min(height, width) * 2 // 5
        x, y = rng.randrange(width - side), rng.randrange(height - side)
        if any(b.x < x + side and x < b.x + b.width and b.y < y + side and y < b.y + b.height for b in marked[path]):
            continue
        taken += 1
        found += bool(locator.cells(Frame(frame.image[y : y + side, x : x + side], path, 0, 0.0)))
    return {"patches": taken, "found": found}


def touching(locator: Locator, count: int = 100) -> dict:
    """Drawn fields with cells that touch or overlap: in how many is the count right, and how many cells are found?"""
    rng = np.random.default_rng(0)
    right = cells = met = 0
    for _ in range(count):
        image, truth = simulate.field(rng, 6, 3)
        found = locator.cells(Frame(image, "drawn", 0, 0.0))
        right += len(found) == len(truth)
        cells += len(truth)
        met += sum(any(np.hypot(f.centre[0] - t.x, f.centre[1] - t.y) < t.radius for f in found) for t in truth)
    return {"fields": evaluate.share(right, count), "cells": evaluate.share(met, cells)}


def table(result: dict) -> str:
    lines = []
    for name, f in result["fields"].items():
        r, p = f["recall"], f["precision"]
        lines.append(
            f"{name:10} {f['fields']} fields, {f['size']}: recall {_text(r)} (intervals over {r['cells']} cells), "
            f"precision {_text(p)}, {f['milliseconds']:.1f} ms with crops"
        )
    for name, s in result["singles"].items():
        lines.append(
            f"{name:10} the cell in the middle: {_text(s['centred'])}, {s['milliseconds']:.1f} ms with its crop"
        )
    e, t = result["empty"], result["touching"]
    lines.append(f"{'empty':10} {e['found']} of {e['patches']} patches without a white cell hold a find")
    lines.append(
        f"{'drawn':10} touching cells: fields counted right {_text(t['fields'])}, cells met {_text(t['cells'])}"
    )
    return "\n".join(lines)


def _text(s: dict) -> str:
    return f"{s['value']:.3f} [{s['low']:.3f}, {s['high']:.3f}] {s['right']}/{s['count']}" if s["count"] else "-"
