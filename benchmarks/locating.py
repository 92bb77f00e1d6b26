"""Does the locator find the white cells, all of them and nothing else, and how fast?"""

import random
import statistics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from edge import frames
from edge.cell import single
from edge.crop import crop
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Locator
from edge.simulator import drawing
from train import data
from train import fields as marked_fields
from train.evaluation import evaluate
from train.fields import Field

_BORDER = 3  # pixels: a marked box so near to the border is cut by it
_CROP = 96


def locating(folder: Path, locator: Locator) -> dict:
    """All the locator's figures on a data folder with cells.csv and fields.csv -> {"fields", "singles", ...}.

    Of the fields the half that `train locator` doesn't learn from. Raises UserError where there are none.
    """
    _, measured = marked_fields.halves(marked_fields.read(folder))
    if not measured:
        raise UserError(
            f"{folder / marked_fields.TABLE} is needed: it says where the white cells of camera fields are."
        )
    sources: dict[str, list[Field]] = defaultdict(list)
    for field in measured:
        sources[field.source].append(field)
    return {
        "locator_sha256": locator.sha256,
        "fields": {name: fields(folder, each, locator) for name, each in sources.items()},
        "singles": singles(folder, locator),
        "empty": empty(folder, measured, locator),
        "touching": touching(locator),
    }


def fields(folder: Path, measured: list[Field], locator: Locator) -> dict:
    """Recall over the marked cells that no border cuts, precision over what was found, milliseconds a field.

    A cell is found where a nucleus' centre lies in its box; a second centre in one box is wrong. In recall's interval
    a physical cell that was photographed several times counts once.
    """
    hits: dict[str, list[bool]] = defaultdict(list)
    right = found = 0
    times = []
    for field in measured:
        frame = frames.load(folder / field.path)
        start = time.perf_counter()
        cells = locator.cells(frame)
        for cell in cells:
            crop(frame, cell, _CROP)
        times.append(time.perf_counter() - start)
        met = {next((b for b in field.boxes if b.holds(cell)), None) for cell in cells} - {None}
        right, found = right + len(met), found + len(cells)
        height, width = frame.image.shape[:2]
        for i, box in enumerate(field.boxes):
            within = box.x > _BORDER and box.y > _BORDER
            if within and box.x + box.width < width - _BORDER and box.y + box.height < height - _BORDER:
                hits[box.cell or f"{field.path}#{i}"].append(box in met)
    return {
        "fields": len(measured),
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


def empty(folder: Path, measured: list[Field], locator: Locator, count: int = 200) -> dict:
    """On patches of fields that no marked box touches: in how many is a cell found all the same?"""
    rng = random.Random(0)
    order = sorted(measured, key=lambda field: field.path)
    taken = found = tries = 0
    while taken < count and tries < 100 * count:
        tries += 1
        field = rng.choice(order)
        frame = frames.load(folder / field.path)
        height, width = frame.image.shape[:2]
        side = min(height, width) * 2 // 5
        x, y = rng.randrange(width - side), rng.randrange(height - side)
        if any(b.x < x + side and x < b.x + b.width and b.y < y + side and y < b.y + b.height for b in field.boxes):
            continue
        taken += 1
        found += bool(locator.cells(Frame(frame.image[y : y + side, x : x + side], field.path, 0, 0.0)))
    return {"patches": taken, "found": found}


def touching(locator: Locator, count: int = 100) -> dict:
    """Drawn fields with cells that touch or overlap: in how many is the count right, and how many cells are found?"""
    rng = np.random.default_rng(0)
    right = cells = met = 0
    for _ in range(count):
        image, truth = drawing.field(rng, 6, 3)
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
