"""Labelled pictures -> crops and nuclei ready for a network, made once and kept in the cache.

Crops are made by `edge`: its locator and its preprocessing. In each split of each source, the red cells of all
pictures are measured together, as in one run of `edge-classify`. One call decodes each picture once, however many
arrays are made from it; again only if its pixels didn't fit into the store (edge.kept).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edge import crop, locate, red_cells
from edge.cell import Cell, emptiest, single, whole_image
from edge.classify import find_cells
from edge.errors import UserError, reason
from edge.frames import Picture, Unreadable
from edge.system.progress import Progress, silent
from train.data import array_cache, crop_scale, dataset
from train.data.array_cache import Spec
from train.data.dataset import PATCH, Example

_WHOLE = "whole-image"
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
    its picture that lies farthest from all cells.

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
    whole = not wanted.nuclei and set(wanted.policies) <= {_WHOLE}
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
    """The paths of all pictures, of every class, by source and split: each group is like a run at one microscope."""
    runs: Runs = {}
    for each in dataset.read(folder, labels=None) if folder.is_dir() else examples:
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
        marks = [[PATCH] if e.kind == PATCH else [] for e in self.examples]
        return [(e.path, *_stamp(self.folder / e.path), *mark) for e, mark in zip(self.examples, marks, strict=True)]

    def read(self, whole: bool, progress: Progress) -> Iterator[tuple[list[int], Picture | Unreadable, list[Cell]]]:
        """Decodes and locates each picture once.

        Args:
            whole: whether each picture is taken as one cell, so that none are located.
            progress: see edge.system.progress.

        Yields:
            The numbers of the picture's examples, the picture, and all its cells.
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
                    yield numbers[found.source], found, []
                else:
                    yield numbers[found.picture.source], found.picture, crop_scale.scaled(found.cells, self.ruler)
            done += len(numbers)


def _stamp(file: Path) -> tuple[int, int]:
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

    def of(self, picture: Picture, cells: Sequence[Cell], patch: bool) -> np.ndarray:
        """The row of one example. cells: all cells of the picture; patch: whether the example is a PATCH."""
        cells = whole_image(picture) if self.whole else cells
        return self.row(picture, emptiest(picture, cells) if patch else single(picture, cells)[0])


def _crops_array(pictures: _Pictures, size: int, policy: str) -> _Array:
    whole = policy == _WHOLE
    what = [policy, crop.POLICIES[policy], None if whole else _locator(), size]
    key = _key(pictures, what, {} if whole else pictures.runs)
    spec = Spec("crops", key, "|u1", (len(pictures.examples), *crop.shape(size, policy)))
    return _Array(spec, whole, lambda picture, cell: crop.crop(picture, cell, size, policy))


def _nuclei_array(pictures: _Pictures) -> _Array:
    spec = Spec("nuclei", _key(pictures, [_locator()], pictures.runs), "<f4", (len(pictures.examples),))
    return _Array(spec, False, lambda picture, cell: np.asarray(crop.nucleus(cell), np.float32))


def _key(pictures: _Pictures, what: list, runs: Runs) -> list:
    """Everything that the content of an array depends on."""
    return [str(pictures.folder.resolve()), *what, pictures.ruler, pictures.stamps, sorted(runs.items())]


def _locator() -> str:
    """The version of the locator and of the ruler with which crops are made."""
    return hashlib.sha256(locate.SHIPPED.read_bytes()).hexdigest() + f" {red_cells.VERSION}"


def _part(progress: Progress, done: int, total: int) -> Progress:
    """Reports the progress within one group as progress through the pictures of all groups."""
    return lambda what, steps, _: progress(what, min(done + steps, total), total)


def _write(pictures: _Pictures, arrays: Sequence[tuple[_Array, Path]], progress: Progress) -> None:
    """Makes arrays and writes them to the cache, all in one pass over the pictures."""
    bad: list[str] = []
    with ExitStack() as stack:
        targets = [(each, stack.enter_context(array_cache.writing(each.spec, file))) for each, file in arrays]
        for numbers, picture, cells in pictures.read(all(each.whole for each, _ in arrays), progress):
            if isinstance(picture, Unreadable):
                bad.append(f"{picture.source} {picture.error}")
                continue
            for number in numbers:
                patch = pictures.examples[number].kind == PATCH
                for array, rows in targets:
                    rows.put(number, array.of(picture, cells, patch))
        if bad:
            count = len(pictures.examples)
            shown = " ".join(bad[:_SHOWN])
            raise UserError(f"{len(bad)} of {count} pictures can't be read; remove them: {shown}")
