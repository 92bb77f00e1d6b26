"""Brings published pictures into the project's layout: cells.csv and a picture for each cell.

No film and no cell is in two splits, so that the test split is new to the network.
"""

import csv
import hashlib
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from edge import frames
from edge.errors import UserError, reason
from edge.system.progress import Progress, silent
from train.data import dataset, kaggle, near_duplicates
from train.data.dataset import SPLITS

FEWEST = 10  # a class needs at least this many pictures
_FOLDS = 7  # the data is divided into this many parts; one becomes val, one test, the others train
_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "test-a": "test"}
_ELSEWHERE = "test-b"  # Raabin's second microscope; its pictures are only used for testing
_COLUMNS = ("path", "label", "source", "split", "film", "cell", "original_label")
# The film at the start of a Raabin file's name; the field and the cell follow.
_RAABIN = re.compile(r"(\d{2}-\d{1,2}-\d{1,2}-\d+|20\d{6})_")


@dataclass(frozen=True)
class Picture:
    """A labelled picture as it was published. Unknown attributes are "".

    Attributes:
        file: on disk.
        label: its class, in lower case and in the singular.
        split: "train", "val" or "test".
        source: name of the data set.
        film: name of the film.
        cell: name of the physical cell.
        original_label: the class as the data set writes it.
        fixed: whether the picture must stay in its split.
    """

    file: Path
    label: str
    split: str = ""
    source: str = ""
    film: str = ""
    cell: str = ""
    original_label: str = ""
    fixed: bool = False


@dataclass
class Report:
    """What `prepare` did; it is written to OUT/data.json.

    Attributes:
        counts: pictures by source, split and label.
        unreadable: why pictures can't be read, by file; they were left out.
        contradictory: files of pictures with two different labels; they were left out.
        alike: pairs of pictures that look the same.
        crossed: pictures in another split than most others of their film or cell, or than most of their look-alikes.
        resplit: whether new splits were made, because `crossed` isn't 0 or because a split was missing.
        warnings: sentences for the user.
    """

    counts: dict
    unreadable: dict[str, str]
    contradictory: list[str]
    alike: int
    crossed: int
    resplit: bool
    warnings: list[str]


def prepare(
    source: str, out: Path, labels: list[str] | None = None, seed: int = 0, progress: Progress = silent
) -> Report:
    """Writes OUT/cells.csv, OUT/cells/SOURCE/SPLIT/LABEL/* and OUT/data.json.

    Args:
        source: a folder in one of the layouts of `find`, or kaggle:OWNER/NAME.
        out: a new folder.
        labels: the classes to take; None for all.
        seed: seed of the random choice of new splits.
        progress: see edge.system.progress.

    Raises:
        UserError: if the source has no labelled pictures, if a class has fewer than 10 or is missing from a split, or
            if `out` isn't empty or can't be written.
    """
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise UserError(f"{out} exists and isn't empty; name a new folder.")
    if source.startswith(kaggle.PREFIX):
        folder, name = kaggle.download(source), kaggle.name(source)  # kagglehub names the folder after a version
    else:
        folder, name = Path(source), ""
    published = [p for p in find(folder, name) if labels is None or p.label in labels]
    if not published:
        raise UserError(f"{folder} holds no labelled pictures; docs/data.md shows the layouts that can be read.")
    pictures, prints, unreadable, contradictory = _read(published, progress)
    _enough(pictures, labels)
    links = near_duplicates.pairs(prints)
    groups = _groups(pictures, links)
    crossed = _crossed(pictures, groups)
    declared = {p.split for p in pictures}
    resplit = bool(crossed) or not set(SPLITS) <= declared
    if resplit:
        pictures = _split(pictures, groups, seed)
    missing = [f"no {label} in {split}" for split in SPLITS for label in sorted({p.label for p in pictures})
               if not any(p.split == split and p.label == label for p in pictures)]  # fmt: skip
    if missing:
        raise UserError(f"{source} can't be split: {', '.join(missing)}; it has too few films or cells.")
    report = Report(
        counts=dataset.describe(pictures),
        unreadable=unreadable,
        contradictory=contradictory,
        alike=len(links),
        crossed=crossed,
        resplit=resplit,
        warnings=_warnings(unreadable, contradictory, crossed, declared),
    )
    _write(pictures, out, report)
    return report


def find(folder: Path, name: str = "") -> list[Picture]:
    """The labelled pictures of a folder, sorted by path.

    It knows four layouts:

    - a table cells.csv;
    - Train, Test-A and Test-B with class folders, as in Raabin's data set on Kaggle;
    - train, val and test with class folders;
    - class folders alone.

    Args:
        folder: where the pictures are.
        name: name of the source, if the table doesn't give it; by default the folder's name.

    Raises:
        UserError: if it is not a folder, or if its table can't be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    if (folder / "cells.csv").is_file():
        return sorted(_table(folder, name or folder.name), key=lambda p: p.file)
    parts = [
        child for child in sorted(folder.iterdir()) if child.is_dir() and child.name.lower() in {*_PARTS, _ELSEWHERE}
    ]
    if not parts:
        inner = [child for child in folder.iterdir() if child.is_dir()]
        if len(inner) == 1 and any(
            c.is_dir() for c in inner[0].iterdir()
        ):  # the archive holds one folder with everything in it
            return find(inner[0], name)
    name = name or folder.resolve().name
    pictures: list[Picture] = []
    for part in parts:
        elsewhere = part.name.lower() == _ELSEWHERE
        split = "test" if elsewhere else _PARTS[part.name.lower()]
        pictures += _classes(part, split, f"{name}-b" if elsewhere else name, elsewhere)
    return sorted(pictures if parts else _classes(folder, "", name), key=lambda p: p.file)


def _table(folder: Path, name: str) -> Iterator[Picture]:
    for row in dataset.table(folder, {"path", "label"}):
        split, source, film, cell, original = (
            row.get(k) or "" for k in ("split", "source", "film", "cell", "original_label")
        )
        yield Picture(folder / row["path"], row["label"], split, source or name, film, cell, original)


def _classes(folder: Path, split: str, source: str, fixed: bool = False) -> Iterator[Picture]:
    for child in sorted(folder.iterdir()):
        if child.is_dir():
            label = child.name.lower().removesuffix("s")
            for path in frames.expand([str(child)]):
                film = _RAABIN.match(Path(path).name)
                yield Picture(Path(path), label, split, source, film[1] if film else "", "", child.name, fixed)


def _read(published: list[Picture], progress: Progress) -> tuple[list[Picture], np.ndarray, dict[str, str], list[str]]:
    """Reads each picture once.

    Returns:
        The pictures that can be used; their fingerprints, bool [n, 256]; by file, why a picture is unreadable; and the
        files of identical pictures with different labels.
    """
    pictures: list[Picture] = []
    prints: list[np.ndarray] = []
    unreadable: dict[str, str] = {}
    copies: dict[str, list[Picture]] = defaultdict(list)
    for number, picture in enumerate(published):
        progress("Reading pictures", number + 1, len(published))
        frame = frames.read(str(picture.file))
        if isinstance(frame, frames.Unreadable):
            unreadable[str(picture.file)] = frame.error
            continue
        copies[hashlib.sha256(frame.image.tobytes()).hexdigest()].append(picture)
        pictures.append(picture)
        prints.append(near_duplicates.fingerprint(frame.image))
    contradictory = {p.file for same in copies.values() if len({p.label for p in same}) > 1 for p in same}
    kept = [i for i, p in enumerate(pictures) if p.file not in contradictory]
    return (
        [pictures[i] for i in kept],
        np.array([prints[i] for i in kept]).reshape(len(kept), -1),
        unreadable,
        sorted(map(str, contradictory)),
    )


def _enough(pictures: list[Picture], labels: list[str] | None) -> None:
    counts = Counter(p.label for p in pictures)
    few = [f"{label} ({counts[label]})" for label in sorted({*counts, *(labels or ())}) if counts[label] < FEWEST]
    if few:
        raise UserError(f"Too few pictures to learn from: {', '.join(few)}; each class needs {FEWEST}.")


def _groups(pictures: list[Picture], links: list[tuple[int, int]]) -> list[int]:
    """Each picture's group number: the same for pictures of one film or cell, or that look the same (`links`)."""
    first: dict[tuple[str, str, str], int] = {}
    links = list(links)
    for i, picture in enumerate(pictures):
        for name in ("film", "cell"):
            known = getattr(picture, name)
            if known:
                links.append((first.setdefault((picture.source, name, known), i), i))
    return near_duplicates.groups(len(pictures), links)


def _crossed(pictures: list[Picture], groups: list[int]) -> int:
    """How many pictures are in another split than most of their group."""
    splits: dict[int, Counter[str]] = defaultdict(Counter)
    for picture, group in zip(pictures, groups, strict=True):
        splits[group][picture.split] += 1
    return sum(sum(each.values()) - max(each.values()) for each in splits.values())


def _split(pictures: list[Picture], groups: list[int], seed: int) -> list[Picture]:
    """The pictures in new splits. No group is in two splits, and each class has about the same share in every split.

    Pictures that are fixed to their split stay there.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    free = [i for i, p in enumerate(pictures) if not p.fixed]
    labels, members = [pictures[i].label for i in free], [groups[i] for i in free]
    count = min(_FOLDS, len(set(members)))
    if count < len(SPLITS):
        raise UserError(f"All pictures come from {count} films or cells, too few for {len(SPLITS)} splits.")
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(free, labels, members)
    result = list(pictures)
    for number, (_, places) in enumerate(folds):
        split = {0: "test", 1: "val"}.get(number, "train")
        for place in places:
            i = free[place]
            result[i] = replace(pictures[i], split=split)
    return result


def _warnings(unreadable: dict, contradictory: list[str], crossed: int, declared: set[str]) -> list[str]:
    warnings = []
    if unreadable:
        warnings.append(f"{len(unreadable)} pictures can't be read and were left out.")
    if contradictory:
        warnings.append(f"{len(contradictory)} pictures have two labels and were left out.")
    if crossed and declared != {""}:
        warnings.append(
            f"{crossed} pictures were in another split than their film, cell or look-alikes, so all were split anew."
        )
    return warnings


def _write(pictures: list[Picture], out: Path, report: Report) -> None:
    """Copies the pictures unchanged, and writes cells.csv last. So a folder with cells.csv is complete."""
    rows = []
    taken: set[str] = set()
    try:
        for p in pictures:
            place = f"cells/{p.source}/{p.split}/{p.label}"
            name, number = p.file.name, 1
            while f"{place}/{name}" in taken:
                number += 1
                name = f"{p.file.stem}-{number}{p.file.suffix}"
            path = f"{place}/{name}"
            taken.add(path)
            (out / place).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(p.file, out / path)
            rows.append({"path": path} | {k: getattr(p, k) for k in _COLUMNS[1:]})
        (out / "data.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
        with (out / "cells.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: row["path"]))
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error
