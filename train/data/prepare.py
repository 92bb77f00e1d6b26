"""Brings published pictures into the project's layout: cells.csv and a picture for each cell.

No film and no cell is in two splits, so that the test split is new to the network.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from edge import frames
from edge.errors import UserError
from edge.site import class_names, layout
from edge.system import csv_table, whole
from edge.system.progress import Progress, silent
from train.data import boxes, copying, dataset, fields, kaggle, marked_pictures, near_duplicates
from train.data.dataset import SPLITS

FEWEST = 10  # a class needs at least this many pictures
_LEAK = (
    "{crossed} pictures were in another split than their film, patient, cell or look-alikes. A test on them would be "
    "too good, so the given splits ({given}) were dropped, and all pictures split anew."
)
_FOLDS = 7  # the data is divided into this many parts; one becomes val, one test, the others train
_COLUMNS = ("path", "label", "source", "split", "film", "cell", "original_label")
# The film at the start of a Raabin file's name; the field and the cell follow.
_RAABIN = re.compile(r"(\d{2}-\d{1,2}-\d{1,2}-\d+|20\d{6})_")


@dataclass(frozen=True)
class Picture:
    """A labelled picture as it was published. Unknown attributes are "".

    Attributes:
        file: on disk.
        label: its class; first as the data set writes it, then what that means.
        split: "train", "val" or "test".
        source: name of the data set.
        film: name of the film, or of the patient.
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
        counts: pictures by source, split and label; for marked fields, their boxes by source, "fields" and label.
        unreadable: why pictures can't be read, by file; they were left out.
        contradictory: files of pictures with two different labels; they were left out.
        alike: pairs of pictures that look the same.
        crossed: pictures in another split than most others of their film or cell, or than most of their look-alikes.
        resplit: whether new splits were made, because `crossed` isn't 0 or because a split was missing.
        warnings: sentences for the user.
        classes: the label that each class was taken for, by the name that the source gives it.
        left_out: a line for each kind of thing that was left out.
        table: the file that was written, "cells.csv" or "fields.csv".
    """

    counts: dict
    unreadable: dict[str, str]
    contradictory: list[str]
    alike: int
    crossed: int
    resplit: bool
    warnings: list[str]
    classes: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    table: str = "cells.csv"


@dataclass(frozen=True)
class Wishes:
    """What the user asks for.

    Attributes:
        labels: the classes to take; None for all.
        said: the labels of classes by the names that the source gives them; they need no entry where that is plain.
        seed: seed of the random choice of new splits.
    """

    labels: Sequence[str] | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


def prepare(source: str, out: Path, wishes: Wishes = Wishes(), progress: Progress = silent) -> Report:
    """Writes OUT/cells.csv, OUT/cells/SOURCE/SPLIT/LABEL/* and OUT/data.json.

    For pictures with boxes around cells, see train.data.marked_pictures.

    Args:
        source: a folder with cells.csv, in one of the layouts of edge.site.layout, or with boxes in one of the forms of
            train.data.boxes; or kaggle:OWNER/NAME.
        out: a new folder. It appears when all is written.
        wishes: what the user asks for.
        progress: see edge.system.progress.

    Raises:
        UserError: if the source has no labelled pictures, if a class has fewer than 10 or is missing from a split, if
            the meaning of a class would be a guess, or if `out` isn't empty or can't be written.
    """
    with whole.new_folder(out) as partial:
        report = _written(source, partial, wishes, progress)
        (partial / "data.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    return report


def _written(source: str, out: Path, wishes: Wishes, progress: Progress) -> Report:
    if source.startswith(kaggle.PREFIX):
        folder, name = kaggle.download(source), kaggle.name(source)  # kagglehub names the folder after a version
    else:
        folder, name = Path(source), ""
    if folder.is_file():
        raise UserError(f"{folder} is a file; unpack it, and name the folder.")
    has_table = (folder / "cells.csv").is_file()
    read = layout.Layout() if has_table else layout.find(folder)
    if not has_table and not read.sure and boxes.form(folder):
        return _fields(folder, name, out, wishes, progress)
    published = _table(folder, name) if has_table else _in_folders(read, name)
    return _cells(folder, published, read.notes, out, wishes, progress)


def _fields(folder: Path, name: str, out: Path, wishes: Wishes, progress: Progress) -> Report:
    """Writes marked fields to OUT/fields.csv."""
    marked = marked_pictures.read(folder, name or folder.resolve().name, wishes.said, progress)
    marked_pictures.write(marked, out)
    rest = layout.left_out(folder, map(str, marked.files))
    return Report(
        counts=marked.counts,
        unreadable=marked.unreadable,
        contradictory=[],
        alike=0,
        crossed=0,
        resplit=False,
        warnings=marked.notes,
        classes=marked.classes,
        left_out=[*marked.left_out, *(f"{count} {what}" for what, count in sorted(rest.items()))],
        table=fields.TABLE,
    )


def _cells(
    folder: Path, published: list[Picture], notes: list[str], out: Path, wishes: Wishes, progress: Progress
) -> Report:
    """Writes pictures of single cells to OUT/cells.csv. notes: sentences about how they were found."""
    meant = class_names.mapping((p.label for p in published), wishes.said)
    every = [replace(p, label=meant[p.label], original_label=p.original_label or p.label) for p in published]
    taken = [p for p in every if wishes.labels is None or p.label in wishes.labels]
    absent = [label for label in wishes.labels or () if label not in meant.values()]
    if absent and meant:
        raise UserError(
            f"{folder} holds no {' and no '.join(absent)}; its classes: {', '.join(meant)}. If one of them is, say "
            f"--label NAME={absent[0]}."
        )
    if not taken:
        raise UserError(f"{folder} holds no pictures in folders of classes or in a cells.csv; {layout.hint(folder)}.")
    pictures, prints, unreadable, contradictory = _read(taken, progress)
    _enough(pictures, wishes.labels)
    links = near_duplicates.pairs(prints)
    groups = _groups(pictures, links)
    splits, made, more = dataset.completed([p.split for p in pictures])
    pictures = [replace(p, split=split) for p, split in zip(pictures, splits, strict=True)]
    if crossed := _crossed(pictures, groups):
        given = ", ".join(sorted(set(splits), key=SPLITS.index))
        more, made = [_LEAK.format(crossed=crossed, given=given)], list(SPLITS)
    if made:
        pictures = _split(pictures, groups, wishes.seed, made)
    missing = [f"no {label} in {split}" for split in SPLITS for label in sorted({p.label for p in pictures})
               if not any(p.split == split and p.label == label for p in pictures)]  # fmt: skip
    if missing:
        raise UserError(f"{folder} can't be split: {', '.join(missing)}; it has too few films, patients or cells.")
    others = Counter(p.label for p in every) - Counter(p.label for p in taken)
    rest = layout.left_out(folder, [str(p.file) for p in every] + [str(folder / "cells.csv")])
    report = Report(
        counts=dataset.describe(pictures),
        unreadable=unreadable,
        contradictory=contradictory,
        alike=len(links),
        crossed=crossed,
        resplit=bool(made),
        warnings=[*notes, *more],
        classes=meant,
        left_out=[
            *(f"{count} {label} (--classes takes others)" for label, count in sorted(others.items())),
            *([f"{len(unreadable)} pictures that can't be read"] if unreadable else []),
            *([f"{len(contradictory)} pictures that have two labels"] if contradictory else []),
            *(f"{count} {what}" for what, count in sorted(rest.items())),
        ],
    )
    _write(pictures, out)
    return report


def _table(folder: Path, name: str) -> list[Picture]:
    """The pictures of FOLDER/cells.csv, sorted by path. name: of the source, if the table doesn't give it."""
    pictures = []
    for row in dataset.table_rows(folder):
        split, source, film, cell, original = (
            row.get(k) or "" for k in ("split", "source", "film", "cell", "original_label")
        )
        source = source or name or folder.resolve().name
        pictures.append(Picture(folder / row["path"], row["label"], split, source, film, cell, original))
    return sorted(pictures, key=lambda p: p.file)


def _in_folders(read: layout.Layout, name: str) -> list[Picture]:
    """The pictures of folders of classes. name: of the source; "" for that of the folder."""
    pictures = []
    for each in read.pictures:
        raabin = _RAABIN.match(Path(each.path).name)
        source, film = dataset.source_name(each, name or read.name), raabin[1] if raabin else each.group
        pictures.append(Picture(Path(each.path), each.name, each.split, source, film, "", each.name, each.elsewhere))
    return pictures


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
    if not pictures:
        file, why = next(iter(unreadable.items()))
        raise UserError(f"None of the {len(unreadable)} pictures can be read: {file!r} {why}")
    contradictory = {p.file for same in copies.values() if len({p.label for p in same}) > 1 for p in same}
    kept = [i for i, p in enumerate(pictures) if p.file not in contradictory]
    return (
        [pictures[i] for i in kept],
        np.array([prints[i] for i in kept]).reshape(len(kept), -1),
        unreadable,
        sorted(map(str, contradictory)),
    )


def _enough(pictures: list[Picture], labels: Sequence[str] | None) -> None:
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


def _split(pictures: list[Picture], groups: list[int], seed: int, made: Sequence[str]) -> list[Picture]:
    """The pictures in new splits. No group is in two splits, and each class has about the same share in every split.

    made: the splits to make. If one of them isn't train, all are taken from there; pictures that are fixed to their
    split stay.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    free = [i for i, p in enumerate(pictures) if not p.fixed and ("train" in made or p.split == "train")]
    labels, members = [pictures[i].label for i in free], [groups[i] for i in free]
    count = min(_FOLDS, len(set(members)))
    if count < len({*made, "train"}):
        raise UserError(f"All pictures come from {count} films, patients or cells, too few for new splits.")
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(free, labels, members)
    result = list(pictures)
    names = [split for split in ("test", "val") if split in made]
    for (_, places), split in zip(folds, names + ["train"] * count, strict=False):
        for place in places:
            i = free[place]
            result[i] = replace(pictures[i], split=split)
    return result


def _write(pictures: list[Picture], out: Path) -> None:
    """Copies the pictures unchanged, and writes cells.csv."""
    taken: set[Path] = set()
    rows = [
        {"path": copying.copy(p.file, out, ("cells", p.source, p.split, p.label), taken)}
        | {name: getattr(p, name) for name in _COLUMNS[1:]}
        for p in pictures
    ]
    csv_table.write(out / "cells.csv", _COLUMNS, sorted(rows, key=lambda row: str(row["path"])))
