"""Camera fields with a box round each white cell: half of them teach the locator, the other half measure it."""

import csv
import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge import frames
from edge.cell import Cell
from edge.errors import UserError, reason
from edge.locate import shrink
from train import nuclei, red_cell_diameter

TABLE = "fields.csv"
_SIDE = 720  # pixels: no lesson needs more
_BAND = 0.12  # of the height: cells that the border cuts are often left unmarked, so nothing is learned there
_EDGE = 3  # pixels: a marked box so near to the border is cut by it
_ROUND = 1.6  # boxes: the square round a marked cell in which its nucleus is looked for


@dataclass(frozen=True)
class Box:
    """A marked white cell: pixels; which physical cell it is, and of what kind, empty where that isn't known."""

    x: int
    y: int
    width: int
    height: int
    cell: str
    label: str = ""

    def holds(self, cell: Cell) -> bool:
        x, y = cell.centre
        return self.x <= x <= self.x + self.width and self.y <= y <= self.y + self.height

    def off_centre(self, cell: Cell) -> float:
        """How far the cell's nucleus lies from the box's middle, in pixels."""
        return math.hypot(cell.centre[0] - self.x - self.width / 2, cell.centre[1] - self.y - self.height / 2)


@dataclass(frozen=True)
class Field:
    """A picture on disk, relative to its data folder, and all its white cells."""

    path: str
    film: str
    boxes: tuple[Box, ...]

    @property
    def source(self) -> str:
        return Path(self.path).parent.name


@dataclass(frozen=True)
class Marked:
    """A field as a lesson: RGB uint8 [h, w, 3]; outline: uint8 [h, w] of train.nuclei; red cells: pixels, 0 unknown."""

    source: str
    image: np.ndarray
    outline: np.ndarray
    red_cell: float


def read(folder: Path) -> list[Field]:
    """The fields of a data folder's fields.csv (path, label, x, y, width, height, film, cell; one row a box, or one
    without a box for a field without a white cell); none where there is no such table. Raises UserError.
    """
    table = folder / TABLE
    if not table.exists():
        return []
    boxes: dict[str, list[Box]] = {}
    films: dict[str, str] = {}
    try:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                marked = boxes.setdefault(row["path"], [])
                films[row["path"]] = row.get("film") or row["path"]
                if row["width"]:
                    x, y, w, h = (int(row[k]) for k in ("x", "y", "width", "height"))
                    marked.append(Box(x, y, w, h, row.get("cell") or "", row.get("label") or ""))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{table} is not a readable table of fields: {reason(error)}.") from error
    return [Field(path, films[path], tuple(marked)) for path, marked in boxes.items()]


def halves(fields: Iterable[Field]) -> tuple[list[Field], list[Field]]:
    """-> the fields to learn from, and those to measure on: no film and no physical cell stands in both.

    Within each source, film after film in the order of a hash goes to the smaller half; the same on every machine.
    """
    learn: list[Field] = []
    measure: list[Field] = []
    sources: dict[str, list[Field]] = defaultdict(list)
    for field in fields:
        sources[field.source].append(field)
    for each in sources.values():
        one: list[Field] = []
        other: list[Field] = []
        for group in sorted(_groups(each), key=_hash):
            (one if len(one) < len(other) else other).extend(group)
        learn += one
        measure += other
    return learn, measure


def _hash(group: list[Field]) -> str:
    return min(hashlib.sha256(field.film.encode()).hexdigest() for field in group)


def _groups(fields: list[Field]) -> list[list[Field]]:
    """Fields that share a film, or a cell, with one another."""
    groups: list[tuple[set[str], list[Field]]] = []
    for field in fields:
        keys = {field.film} | {box.cell for box in field.boxes if box.cell}
        members = [field]
        for group in [g for g in groups if g[0] & keys]:
            groups.remove(group)
            keys |= group[0]
            members = group[1] + members
        groups.append((keys, members))
    return [members for _, members in groups]


def lessons(folder: Path, fields: Iterable[Field]) -> list[Marked]:
    """Raises UserError for a picture that can't be read."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray, float | None]]] = defaultdict(list)
    for field in fields:
        frame = frames.read(str(folder / field.path))
        if isinstance(frame, frames.Unreadable):
            raise UserError(f"{folder / field.path} {frame.error}")
        image = shrink(frame.image, _SIDE)
        scale = max(image.shape) / max(frame.image.shape)
        outline = _outline(image, [[round(v * scale) for v in (b.x, b.y, b.width, b.height)] for b in field.boxes])
        small = shrink(image, 320)
        mask = cv2.resize((outline > 0).astype(np.uint8) * 255, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        measured = red_cell_diameter.red_cell_diameter(small, mask)
        found[field.source].append((image, outline, measured and measured * max(image.shape) / max(small.shape)))
    result = []
    for source, each in found.items():  # of one microscope: the median is surer than what one field says
        rulers = [red_cell for *_, red_cell in each if red_cell]
        red_cell = float(np.median(rulers)) if rulers else 0.0
        result += [Marked(source, image, outline, red_cell) for image, outline, _ in each]
    return result


def _outline(image: np.ndarray, boxes: list[list[int]]) -> np.ndarray:
    height, width = image.shape[:2]
    result = np.zeros((height, width), np.uint8)
    band = round(_BAND * height)
    result[:band], result[-band:], result[:, :band], result[:, -band:] = (nuclei.IGNORE,) * 4
    for x, y, w, h in boxes:
        result[max(0, y) : y + h, max(0, x) : x + w] = nuclei.IGNORE
    for x, y, w, h in boxes:
        side = _ROUND * max(w, h)
        left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
        scale = nuclei.SIZE / side
        warp = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
        size = (nuclei.SIZE, nuclei.SIZE)
        window = cv2.warpAffine(image, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        found = nuclei.outline(window)
        if found is None and (x <= _EDGE or y <= _EDGE or x + w >= width - _EDGE or y + h >= height - _EDGE):
            continue  # cut by the border, it may lie anywhere
        if found is None:  # somewhere in the middle of its box it is
            core = cv2.circle(np.zeros(size, np.uint8), (nuclei.SIZE // 2,) * 2, nuclei.SIZE // 9, (1,), -1)
        else:
            core = (found == 1).astype(np.uint8)
        back = cv2.warpAffine(core, warp, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        inside = result[max(0, y) : y + h, max(0, x) : x + w]
        inside[back[max(0, y) : y + h, max(0, x) : x + w] == 1] = 1
        if found is not None:  # round a nucleus that is known, its cell is none
            ring = inside == nuclei.IGNORE
            others = cv2.warpAffine(found, warp, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
            inside[ring & (others[max(0, y) : y + h, max(0, x) : x + w] == 0)] = 0
    return result
