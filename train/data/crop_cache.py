"""Labelled pictures -> crops and nuclei ready for a network, made once and kept in the cache.

Crops are made by `edge`: its locator and its preprocessing. In each split of each source, the red cells of all
pictures are measured together, as in one run of `edge-classify`. One call decodes each picture once, however many
arrays are made from it; again only if its pixels didn't fit into the store (edge.kept).
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from edge import crop, locate, red_cells
from edge.cell import Cell, emptiest, single, whole_image
from edge.classify import Found, find_cells
from edge.errors import UserError, reason
from edge.frames import Picture, Unreadable
from edge.system.progress import Progress, silent
from train.data import array_cache, crop_scale, dataset, fields
from train.data.array_cache import Spec
from train.data.dataset import PATCH, Example, Place

_WHOLE = "whole-image"
_CELL = 1.5  # diameter of an invented cell in diameters of its nucleus, as the locator takes it
_SHOWN = 5  # an error names at most this many unreadable pictures


@dataclass(frozen=True)
class Wanted:
    """What is made of each picture.

    Attributes:
        size: width and height of the crops in pixels.
        policies: how the crops are made, keys of edge.crop.POLICIES.
        nuclei: whether nuclei are measured too.
        ruler: one of train.data.crop_scale.RULERS.
    """

    size: int
    policies: tuple[str, ...] = ("cell",)
    nuclei: bool = False
    ruler: str = "run"


@dataclass(frozen=True)
class Made:
    """Memory maps with a row for each example.

    Attributes:
        crops: by policy, uint8 [n, size, size, 3].
        nuclei: diameter of each nucleus in shares of the width of a "cell" crop, float32 [n]; None if not wanted.
    """

    crops: dict[str, np.ndarray]
    nuclei: np.ndarray | None = None


def crops(
    folder: Path,
    examples: Sequence[Example],
    size: int,
    policy: str = "cell",
    cache: Path | None = None,
    ruler: str = "run",
    progress: Progress = silent,
) -> np.ndarray:
    """The crops of one policy, uint8 [n, size, size, 3]; arguments and errors as for `make`."""
    wanted = Wanted(size, (policy,), ruler=ruler)
    return make(folder, examples, wanted, cache, progress).crops[policy]


def make(
    folder: Path,
    examples: Sequence[Example],
    wanted: Wanted,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Made:
    """The crop that `edge-classify --single` would give the network for each example.

    That is the cell nearest to the middle, or the whole picture if no cell is found. There is one crop, even if the
    ruler is uncertain. A PATCH example is the place of
    its picture that lies farthest from all cells. An example with a place is the cell that is located there, or an
    invented one; all marked fields of its source are then one run.

    Args:
        folder: the data folder.
        examples: pictures of that folder.
        wanted: what is made of each picture.
        cache: folder of the files; the user's cache by default. The name of a file contains a hash of everything that
            its content depends on.
        progress: see edge.system.progress.

    Raises:
        UserError: if pictures can't be read, or if the cache can't be written.
    """
    whole = not wanted.nuclei and set(wanted.policies) <= {_WHOLE} and not any(e.place for e in examples)
    pictures = _Pictures(folder, examples, {} if whole else _runs(folder, examples), wanted.ruler)
    arrays = [_crops_array(pictures, wanted.size, policy) for policy in wanted.policies]
    arrays += [_nuclei_array(pictures)] if wanted.nuclei else []
    files = [each.spec.file(cache) for each in arrays]
    missing = [pair for pair in zip(arrays, files, strict=True) if not pair[1].exists()]
    if missing:
        _write(pictures, missing, progress)
    maps = [np.load(file, mmap_mode="r") for file in files]
    cropped = dict(zip(wanted.policies, maps[: len(wanted.policies)], strict=True))
    return Made(cropped, maps[-1] if wanted.nuclei else None)


Runs = dict[tuple[str, str], list[str]]


def _runs(folder: Path, examples: Sequence[Example]) -> Runs:
    """The paths of all pictures, of every class, by source and split: each group is like a run at one microscope.

    The run of camera fields holds all marked fields of the source, learned from or not, as in train.data.field_cells.
    """
    runs: Runs = {}
    groups = {(e.source, e.split) for e in examples if e.place}
    marked = fields.read(folder) if groups else []
    runs |= {group: [field.path for field in marked if field.source == group[0]] for group in sorted(groups)}
    for each in dataset.every(folder) if folder.is_dir() else examples:
        runs.setdefault((each.source, each.split), []).append(each.path)
    return runs


@dataclass(frozen=True)
class _Pictures:
    """The pictures of some examples.

    Attributes:
        folder: the data folder.
        examples: several of them may be of one picture.
        runs: from `_runs`; empty if no cells are located.
        ruler: one of train.data.crop_scale.RULERS.
    """

    folder: Path
    examples: Sequence[Example]
    runs: Runs
    ruler: str

    @cached_property
    def stamps(self) -> list[tuple]:
        """What shows that a picture was changed or replaced: each example's path, file size and last change."""
        marks = [[PATCH] if e.kind == PATCH and not e.place else [] for e in self.examples]
        places = [list(astuple(e.place)) if e.place else [] for e in self.examples]
        return [
            (e.path, *stamp(self.folder / e.path), *mark, *place)
            for e, mark, place in zip(self.examples, marks, places, strict=True)
        ]

    def read(self, whole: bool, progress: Progress) -> Iterator[tuple[list[int], Found | Unreadable]]:
        """Decodes and locates each picture once.

        Args:
            whole: whether each picture is taken as one cell, so that none are located.
            progress: see edge.system.progress.

        Yields:
            The numbers of the picture's examples, and the picture with all its cells.
        """
        groups: dict[tuple[str, str], dict[str, list[int]]] = {}
        for number, e in enumerate(self.examples):
            groups.setdefault((e.source, e.split), {}).setdefault(str(self.folder / e.path), []).append(number)
        locator = None if whole else locate.Locator()
        search = crop_scale.search(self.ruler, keep_whole=True)  # a patch may lie anywhere in the picture
        done, total = 0, sum(map(len, groups.values()))
        for group, numbers in groups.items():
            run = [str(self.folder / path) for path in self.runs.get(group, ())]
            part = _part(progress, done, total)
            for found in find_cells(list(numbers), _WHOLE if whole else "cell", search, run, part, locator):
                if isinstance(found, Unreadable):
                    yield numbers[found.source], found
                else:
                    scaled = crop_scale.scaled(found.cells, self.ruler)
                    yield numbers[found.picture.source], replace(found, cells=scaled)
            done += len(numbers)


def stamp(file: Path) -> tuple[int, int]:
    """A file's size in bytes and when it was last written, in nanoseconds."""
    try:
        status = file.stat()
    except OSError as error:
        raise UserError(f"{file} is listed but can't be read: {reason(error)}.") from error
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class _Array:
    """An array in the cache, and how its rows are made.

    Attributes:
        spec: of the array.
        whole: whether the picture itself is the cell.
        row: makes a row from a picture and a cell.
    """

    spec: Spec
    whole: bool
    row: Callable[[Picture, Cell], np.ndarray]

    def of(self, found: Found, example: Example, ruler: str) -> np.ndarray:
        """The row of one example. found: its picture with all cells; ruler: one of train.data.crop_scale.RULERS."""
        picture = found.picture
        if example.place:
            return self.row(picture, _at(found, example.place, ruler))
        cells = whole_image(picture) if self.whole else found.cells
        return self.row(picture, emptiest(picture, cells) if example.kind == PATCH else single(picture, cells)[0])


def _at(found: Found, place: Place, ruler: str) -> Cell:
    """The cell that is located at a place, or an invented one."""
    near = [cell for cell in found.cells if math.dist(cell.centre, (place.x, place.y)) <= place.reach]
    if near:
        return min(near, key=lambda cell: math.dist(cell.centre, (place.x, place.y)))
    nucleus = place.nucleus * found.red_cell
    half = _CELL * nucleus / 2
    left, top = max(0, int(place.x - half)), max(0, int(place.y - half))
    right, bottom = (
        min(found.picture.width, int(place.x + half) + 1),
        min(found.picture.height, int(place.y + half) + 1),
    )
    box = (left, top, max(1, right - left), max(1, bottom - top))
    cell = Cell(box, 0, (place.x, place.y), nucleus, 2 * half, found.red_cell, False, 0.0)
    return crop_scale.scaled([cell], ruler)[0]


def _crops_array(pictures: _Pictures, size: int, policy: str) -> _Array:
    whole = policy == _WHOLE
    located = not whole or any(e.place for e in pictures.examples)
    what = [policy, crop.POLICIES[policy], locator_version() if located else None, size]
    key = _key(pictures, what, pictures.runs if located else {})
    spec = Spec("crops", key, "|u1", (len(pictures.examples), size, size, 3))
    return _Array(spec, whole, lambda picture, cell: crop.crop(picture, cell, size, policy))


def _nuclei_array(pictures: _Pictures) -> _Array:
    spec = Spec("nuclei", _key(pictures, [locator_version()], pictures.runs), "<f4", (len(pictures.examples),))
    return _Array(spec, False, lambda picture, cell: np.asarray(crop.nucleus(cell), np.float32))


def _key(pictures: _Pictures, what: list, runs: Runs) -> list:
    """Everything that the content of an array depends on."""
    return [str(pictures.folder.resolve()), *what, pictures.ruler, pictures.stamps, sorted(runs.items())]


def locator_version() -> str:
    """The version of the locator and of the ruler with which crops are made."""
    return hashlib.sha256(locate.SHIPPED.read_bytes()).hexdigest() + f" {locate.VERSION} {red_cells.VERSION}"


def _part(progress: Progress, done: int, total: int) -> Progress:
    """Reports the progress within one group as progress through the pictures of all groups."""
    return lambda what, steps, _: progress(what, min(done + steps, total), total)


def _write(pictures: _Pictures, arrays: Sequence[tuple[_Array, Path]], progress: Progress) -> None:
    """Makes arrays and writes them to the cache, all in one pass over the pictures."""
    bad: list[str] = []
    with ExitStack() as stack:
        targets = [(each, stack.enter_context(array_cache.writing(each.spec, file))) for each, file in arrays]
        whole = all(each.whole for each, _ in arrays) and not any(e.place for e in pictures.examples)
        for numbers, found in pictures.read(whole, progress):
            if isinstance(found, Unreadable):
                bad.append(f"{found.source} {found.error}")
                continue
            for number in numbers:
                for array, rows in targets:
                    rows.put(number, array.of(found, pictures.examples[number], pictures.ruler))
        if bad:
            count = len(pictures.examples)
            shown = " ".join(bad[:_SHOWN])
            raise UserError(f"{len(bad)} of {count} pictures can't be read; remove them: {shown}")
