"""Camera fields with a marked box around each white cell.

Half of them teach the locator (train.locator.field_lessons), the other half measure it.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.cell import Cell
from edge.errors import UserError
from edge.site import class_names
from edge.system import csv_table

TABLE = "fields.csv"


@dataclass(frozen=True)
class Box:
    """A marked white cell. Lengths are in pixels of the field.

    Attributes:
        x, y: of the upper left corner.
        width, height: of the box.
        cell: name of the physical cell; "" if it isn't known.
        label: type of the cell as the data set writes it; "" if it isn't known.
    """

    x: int
    y: int
    width: int
    height: int
    cell: str
    label: str = ""

    def holds(self, cell: Cell) -> bool:
        """Whether the middle of a located nucleus lies in the box."""
        x, y = cell.centre
        return self.x <= x <= self.x + self.width and self.y <= y <= self.y + self.height

    def off_centre(self, cell: Cell) -> float:
        """The distance of a located nucleus from the middle of the box, in pixels."""
        return math.hypot(cell.centre[0] - self.x - self.width / 2, cell.centre[1] - self.y - self.height / 2)


@dataclass(frozen=True)
class Field:
    """A camera field on disk.

    Attributes:
        path: relative to the data folder.
        film: name of the blood film; `halves` keeps the fields of a film together.
        boxes: one around each of its white cells.
    """

    path: str
    film: str
    boxes: tuple[Box, ...]

    @property
    def source(self) -> str:
        """The data set that the field comes from: the name of its folder."""
        return Path(self.path).parent.name


def read(folder: Path, name: str = TABLE) -> list[Field]:
    """The fields of a data folder's fields.csv, or of the table of another name; none if there is no such table.

    Its columns are path, label, x, y, width, height, film and cell. It has a row for each box. A field without white
    cells has one row without a box.

    Raises:
        UserError: if the table can't be read, or if a row is no box.
    """
    table = folder / name
    if not table.exists():
        return []
    marked: dict[str, list[Box]] = {}
    films: dict[str, str] = {}
    for row in csv_table.rows(table, ("path", "x", "y", "width", "height")):
        boxes = marked.setdefault(row["path"], [])
        films[row["path"]] = row.get("film") or row["path"]
        if row["width"]:
            try:
                x, y, w, h = (round(float(row[k])) for k in ("x", "y", "width", "height"))
            except (ValueError, OverflowError) as error:
                raise UserError(f"{table} has a box without four numbers: {','.join(row.values())}.") from error
            if min(w, h) <= 0 or not row["path"]:
                raise UserError(f"{table} has a box without an extent or a picture: {','.join(row.values())}.")
            label = class_names.label(row.get("label", ""))
            if one := class_names.guess(label):
                raise UserError(f"{table} has the label {label!r}, which may be {one} or not; write {one} or other.")
            boxes.append(Box(x, y, w, h, row.get("cell", ""), label))
    return [Field(path, films[path], tuple(boxes)) for path, boxes in marked.items()]


def halves(fields: Iterable[Field]) -> tuple[list[Field], list[Field]]:
    """The fields to learn from, and the fields to measure on; no film and no physical cell is in both.

    Within each source, films are taken in the order of a hash, and each goes to the half that is smaller so far. So the
    halves are the same on every machine.
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
    """Groups of fields that share a film or a physical cell with each other."""
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
