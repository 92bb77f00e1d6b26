"""Examples from marked camera fields: places without a white cell, and white cells.

Most places are chosen to be hard: red cells (dark, overlapping or out of focus), platelets and stain, above all what
the locator's network takes for a nucleus. Only the half of the fields that `train locator` learns from is used; figures
are measured on the other half.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edge import frames, locate
from edge.decide import OTHER
from edge.errors import UserError
from edge.normalise import DENSITY
from edge.stain import ABSORBANCE
from edge.system import csv_table
from edge.system.progress import Progress, silent
from train.data import array_cache, crop_cache, dataset, fields
from train.data.array_cache import Spec
from train.data.dataset import PATCH, Example, Place
from train.data.fields import Box, Field

FIELDS = ("other", "all")
"""What is learned from camera fields. other: places without a white cell, and other cells; all: names as well."""
TABLE = "red_cells.csv"
_VAL = 0.15  # of the fields of a source go to the val split, at least; the others go to train
_MARKS, _DARK, _RED_CELLS = 2, 3, 3  # places of each sort per field, at most
_FAINT = 4  # marks of the locator's network are multiplied by this, so that what it hardly takes for a nucleus counts
_SIZES = (0.5, 1.1)  # diameter of a mark on what is no nucleus, in red-cell diameters
_LARGEST = 2.0  # in the same unit; larger marks are taken to be as large
_WHITE = 1.4  # the same of a white cell's nucleus, if the locator finds none in its box
_BAND = 0.12  # of the height: this near to the border, white cells are often left unmarked
# Some white cells in the fields are left unmarked. A mark at least _PLATELET red cells wide may be one if it absorbs at
# least _AZURE times as much red light as blue light or, if the mark is _SURE (0 to 255), _BLUE times as much as green
# light. Found by looking at the 140 surest marks outside of boxes: it holds for 14 white cells and a few clumps of
# platelets, and for no red cell.
_PLATELET, _AZURE, _BLUE, _SURE = 0.7, 2.0, 0.9, 200
_SURROUND = 40  # level (0 to 255) of the brightest channel; what is darker is the eyepiece's surround
_VERSION = 1  # of how places are chosen; those of another version in the cache are not used


def read(folder: Path, what: str, progress: Progress = silent) -> list[Example]:
    """The examples of the learning half of a data folder's marked fields, in the splits train and val.

    No place is nearer than a red cell's diameter to a marked box. A box of unknown type gives no example.

    Args:
        folder: the data folder, with a fields.csv.
        what: one of FIELDS.
        progress: see edge.system.progress.

    Raises:
        UserError: if there are no fields, or if one can't be read.
    """
    learned = fields.halves(fields.read(folder))[0]
    if not learned:
        raise UserError(f"{folder / fields.TABLE} is missing or empty; --fields needs marked camera fields.")
    red_cells = _red_cells(folder)
    val = _val(learned)
    examples: list[Example] = []
    for field, places in zip(learned, _places(folder, learned, progress), strict=True):
        split = "val" if (field.source, field.film) in val else "train"
        rng = _rng(field.path)
        near = places.red_cell
        known = [xy for xy in red_cells.get(field.path, ()) if not _near_box(field.boxes, *xy, near)]
        chosen = [known[i] for i in rng.permutation(len(known))[:_RED_CELLS]]
        places_here = [*places.found, *(_place(x, y, rng.uniform(*_SIZES), near) for x, y in chosen)]
        patch = Example(field.path, OTHER, split, field.source, kind=PATCH)
        examples += [replace(patch, cell=_name(field, at), place=at) for at in places_here]
        for box in field.boxes:
            label = box.label if box.label in dataset.LABELS else OTHER
            if box.label in ("", "unknown", "none") or (what == "other" and label != OTHER):
                continue
            at = Place(box.x + box.width / 2, box.y + box.height / 2, max(box.width, box.height) / 2, _WHITE)
            cell = box.cell or _name(field, at)
            examples.append(Example(field.path, label, split, field.source, cell, box.label, place=at))
    return examples


def _val(learned: Sequence[Field]) -> set[tuple[str, str]]:
    """The films of the val split, with their sources: in the order of a hash, until there are enough fields.

    Films with lymphocytes or monocytes come last: a source has too few of them to spare one.
    """
    val: set[tuple[str, str]] = set()
    named = {(f.source, f.film) for f in learned for box in f.boxes if box.label in dataset.LABELS}
    for source in {field.source for field in learned}:
        films = Counter(field.film for field in learned if field.source == source)
        hashes = {film: hashlib.sha256(film.encode()).hexdigest() for film in films}
        count = 0
        for film in sorted(films, key=lambda film: ((source, film) in named, hashes[film]))[:-1]:
            if count < _VAL * films.total():
                val.add((source, film))
                count += films[film]
    return val


def _name(field: Field, at: Place) -> str:
    return f"{field.path} {at.x:.0f} {at.y:.0f}"


def _rng(path: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(path.encode()).hexdigest()[:16], 16))


def _near_box(boxes: Sequence[Box], x: float, y: float, apart: float) -> bool:
    """Whether a point lies in a box, or nearer to it than `apart`; all in pixels."""
    return any(
        b.x - apart < x < b.x + b.width + apart and b.y - apart < y < b.y + b.height + apart for b in boxes
    )  # fmt: skip


def _place(x: float, y: float, nucleus: float, red_cell: float) -> Place:
    """A place without a white cell. x, y, red_cell: in pixels of the field; nucleus: in red-cell diameters."""
    return Place(x, y, nucleus * red_cell / 2, nucleus)


def _red_cells(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """The middles of the red cells in FOLDER/red_cells.csv, by the field's path; empty without that table."""
    table = folder / TABLE
    found: dict[str, list[tuple[float, float]]] = {}
    if not table.exists():
        return found
    for row in csv_table.rows(table, ("path", "x", "y")):
        try:
            x, y = float(row["x"]), float(row["y"])
        except ValueError:
            x = y = math.nan
        if not math.isfinite(x + y):
            raise UserError(f"{table} has a row without two numbers: {','.join(row.values())}.")
        found.setdefault(row["path"], []).append((x, y))
    return found


@dataclass(frozen=True)
class _Places:
    """Places of one field that hold no white cell.

    Attributes:
        red_cell: diameter of the red cells by this field alone, pixels of the field.
        found: what the locator's network marks most, and dark places.
    """

    red_cell: float
    found: tuple[Place, ...]


def _places(folder: Path, learned: Sequence[Field], progress: Progress) -> Iterator[_Places]:
    """The places of each field. They are found once and kept in the cache."""
    locator: list[locate.Locator] = []

    def make(_: int, first: int) -> np.ndarray:
        locator[:] = locator or [locate.Locator()]
        return _found(folder, learned[first], locator[0])[None]

    boxes = [[(b.x, b.y, b.width, b.height) for b in field.boxes] for field in learned]
    files = [[field.path, *crop_cache.stamp(folder / field.path)] for field in learned]
    key = [_VERSION, str(folder.resolve()), crop_cache.locator_version(), files, boxes]
    spec = Spec("places", key, "<f8", (len(learned), 1 + _MARKS + _DARK, 3))
    [rows] = array_cache.kept(spec, 1, make, 1, "Places without a white cell", progress)
    for row in rows:
        red_cell = float(row[0, 0])
        at = [_place(float(x), float(y), float(n), red_cell) for x, y, n in row[1:] if not np.isnan(x)]
        yield _Places(red_cell, tuple(at))


def _found(folder: Path, field: Field, locator: locate.Locator) -> np.ndarray:
    """A row of the cache: the red cells' diameter, then x, y and nucleus of each place, or NaN; float64 [n, 3]."""
    located = locator.see(frames.load(folder / field.path))
    assert located.trace
    small, marks, scale = located.trace.small, located.trace.marks, located.scale
    red_cell = located.measure(None).diameter / scale
    height, width = small.shape[:2]
    reach = max(1, round(red_cell))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    free = cv2.erode((small.max(axis=-1) > _SURROUND).astype(np.uint8), disc) > 0
    margin = max(reach // 2, round(_BAND * height))
    free[:margin], free[-margin:], free[:, :margin], free[:, -margin:] = (False,) * 4
    for box in field.boxes:
        left, top = (max(0, int(v / scale - red_cell)) for v in (box.x, box.y))
        right, bottom = ((v + side) / scale + red_cell for v, side in ((box.x, box.width), (box.y, box.height)))
        free[top : int(bottom) + 1, left : int(right) + 1] = False
    absorbed = ABSORBANCE[small]
    absorbed = absorbed - np.percentile(absorbed.reshape(-1, 3), 10, axis=0)  # the lightest tenth is clear background
    found: list[tuple[float, float, float]] = []

    def take(x: float, y: float, nucleus: float, size: float, sure: bool) -> None:
        """Takes a place if it is free, and with it what is nearer than a red cell, unless it may be a white cell.

        x, y: pixels of the shrunk field; nucleus: the diameter that the place gets, in red cells; size: that of what is
        there, or more; sure: whether the locator's network is sure that it is a nucleus.
        """
        if not free[min(int(y), height - 1), min(int(x), width - 1)]:
            return
        free[_disc(small, x, y, red_cell)] = False
        red, green, blue = np.median(absorbed[_disc(small, x, y, max(1.5, 0.3 * nucleus * red_cell))], axis=0)
        stained = red >= _AZURE * blue or (sure and red >= _BLUE * green)
        if not (stained and size >= _PLATELET):
            found.append((scale * x, scale * y, min(max(nucleus, _SIZES[0]), _LARGEST)))

    wide = np.minimum(marks.astype(np.uint16) * _FAINT, 255).astype(np.uint8)
    strengths = {n: int(marks[int(n.y), int(n.x)]) for n in locate.nuclei(wide)}
    for n in sorted(strengths, key=lambda n: (-strengths[n], n.y, n.x)):
        if len(found) < _MARKS or strengths[n] >= _SURE:
            size = 2 * n.diameter / red_cell
            take(2 * (n.x + 0.5), 2 * (n.y + 0.5), size, size, strengths[n] >= _SURE)
    del found[_MARKS:]
    rng = _rng(field.path)
    side = max(1, round(0.6 * red_cell))
    dark = cv2.blur(DENSITY[small[..., 1]].astype(np.float32), (side, side))
    for number in range(_DARK):
        if not free.any():
            break
        # The darkest place first: where red cells overlap. Then any that is darker than half of the field.
        least = dark[free].max() if number == 0 else np.quantile(dark[free], 0.6)
        ys, xs = np.nonzero(free & (dark >= least))
        at = rng.integers(len(ys))
        take(float(xs[at]), float(ys[at]), rng.uniform(*_SIZES), 1.0, False)
    row = np.full((1 + _MARKS + _DARK, 3), np.nan)
    row[0] = scale * red_cell
    row[1 : 1 + len(found)] = np.array(found).reshape(-1, 3)
    return row


def _disc(small: np.ndarray, x: float, y: float, radius: float) -> np.ndarray:
    """A mask of the pixels of the shrunk field that are within `radius` pixels of a point, bool [h, w]."""
    ys, xs = np.ogrid[: small.shape[0], : small.shape[1]]
    return (xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= radius**2
