"""Finds the labelled pictures of a folder, whatever its layout: folders of classes, splits, folds and patients."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.errors import UserError, reason
from edge.frames import SUFFIXES, expand
from edge.site.class_names import are_classes
from edge.system.paths import printable

_SPLITS = (
    ("train", r"train(ing)?"),
    ("val", r"val(id(ation)?)?|dev"),
    ("test", r"test(ing)?|holdout"),
)
_MORE = r"([\W_].*|set|data|images?|s|\d+)?"  # what may follow: "Test-A", "train_images", "trainset"
_ELSEWHERE = "test-b"  # Raabin's pictures from a second microscope
_FOLD = re.compile(r"(fold|cv)[\W_]*(\d+)", re.IGNORECASE)
_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Labelled:
    """A picture in a folder of its class.

    Attributes:
        path: of its file.
        name: of the class, as the folder writes it, but printable.
        split: "train", "val" or "test"; "" where the layout says nothing.
        source: folder that holds splits of its own beside other such folders; "" where there is one data set.
        group: folder of what may not be in two splits, such as a patient; "" where there is none.
        elsewhere: whether it comes from a second microscope, which is only for testing.
    """

    path: str
    name: str
    split: str = ""
    source: str = ""
    group: str = ""
    elsewhere: bool = False


@dataclass
class Layout:
    """What a folder holds.

    Attributes:
        pictures: in the order of their paths.
        name: of the folder that holds all of them; that of the data set, unless the user names it.
        sure: whether a folder has the name of a usual white cell. Else the folders that hold the pictures may be
            anything.
        notes: sentences about how the layout was read.
    """

    pictures: list[Labelled] = field(default_factory=list)
    name: str = ""
    sure: bool = False
    notes: list[str] = field(default_factory=list)

    def leave_out(self, folders: list[Path], why: str) -> None:
        """Notes that the pictures in some folders are left out."""
        if folders:
            self.notes.append(f"Left out, as {why}: {', '.join(printable(each.name) for each in folders)}.")


def split_of(name: str) -> str | None:
    """The split that a name means: "Training" is "train", "valid" is "val"; None where it means none.

    >>> split_of("Training"), split_of("valid"), split_of("Test-A"), split_of("trainee")
    ('train', 'val', 'test', None)
    """
    plain = name.strip().lower()
    return next((split for split, words in _SPLITS if re.fullmatch(f"({words}){_MORE}", plain)), None)


def find(folder: Path) -> Layout:
    """The labelled pictures below a folder.

    It may hold folders of classes; folders of splits, folds or patients with those in them; and folders of patients
    within the classes. All this may lie in one more folder.

    Raises:
        UserError: where it isn't a folder, or where folders of classes and of splits lie side by side.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    for table in sorted(folder.glob("*/cells.csv")):
        raise UserError(f"{folder} holds no cells.csv, but {table.parent} does; name that folder.")
    layout = Layout(name=folder.resolve().name)
    try:
        _read(folder, layout, Labelled("", ""))
    except OSError as error:
        raise UserError(f"{folder} can't be read: {reason(error)}.") from error
    layout.pictures.sort(key=lambda each: each.path)
    return layout


def tables(folder: Path) -> str:
    """The names of the tables in a folder, for a message; "" if there are none."""
    kinds = {".csv", ".tsv", ".xls", ".xlsx", ".ods"}
    return ", ".join(sorted(file.name for file in folder.iterdir() if file.suffix.lower() in kinds))


def left_out(folder: Path, used: Iterable[str]) -> Counter[str]:
    """The files below a folder that are none of those `used` (paths), counted by what they are."""
    known = {os.path.normpath(path) for path in used}
    counts: Counter[str] = Counter()
    for here, _, names in os.walk(folder):
        hidden = any(_hidden(part) for part in Path(here).relative_to(folder).parts)
        for name in names:
            suffix = Path(name).suffix.lower()
            if hidden or _hidden(name):
                counts["hidden or system file(s), such as .DS_Store, Thumbs.db, __MACOSX"] += 1
            elif os.path.normpath(Path(here, name)) not in known:
                kind = f"file(s) of the kind {suffix}" if suffix else "file(s) without an ending"
                counts["other picture(s)" if suffix in SUFFIXES else kind] += 1
    return counts


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder that hold pictures, at any depth."""
    inside = [child for child in sorted(folder.iterdir()) if child.is_dir() and not _hidden(child.name)]
    return [child for child in inside if _holds_pictures(child)]


def _holds_pictures(folder: Path) -> bool:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        if any(Path(here, name).suffix.lower() in SUFFIXES and not _hidden(name) for name in names):
            return True
    return False


def _read(folder: Path, layout: Layout, so_far: Labelled) -> None:
    """Adds a folder's pictures to the layout. so_far: what the folders above say about them."""
    folders = _folders(folder)
    splits = {child: split for child in folders if (split := split_of(child.name))}
    folds = {child: int(m[2]) for child in folders if (m := _FOLD.fullmatch(child.name))}
    if are_classes(child.name for child in folders):
        if splits or folds:
            one = next(iter(splits or folds))
            raise UserError(f"{folder} holds {one.name} beside folders of classes; move these into the splits.")
        layout.sure = True
        _classes(folders, layout, so_far)
    elif splits:
        _splits(splits, layout, so_far)
        layout.leave_out([child for child in folders if child not in splits], "they are no splits")
    elif folds:
        _folds(folds, layout, so_far)
    elif leading := [child for child in folders if _leads(child)]:
        layout.leave_out([child for child in folders if child not in leading], "no folders of classes are in them")
        if len(leading) == 1:  # one more folder on top
            layout.name = layout.name if so_far.split else leading[0].name
            _read(leading[0], layout, so_far)
            return
        for child in leading:
            has_splits = any(split_of(each.name) for each in _folders(child))
            below = replace(so_far, source=child.name) if has_splits else replace(so_far, group=child.name)
            _read(child, layout, below)
    else:
        _classes(folders, layout, so_far)


def _leads(folder: Path) -> bool:
    """Whether folders of classes, splits or folds lie below a folder."""
    names = [child.name for child in _folders(folder)]
    if are_classes(names) or any(split_of(name) or _FOLD.fullmatch(name) for name in names):
        return True
    return any(_leads(folder / name) for name in names)


def _splits(splits: dict[Path, str], layout: Layout, so_far: Labelled) -> None:
    for child, split in splits.items():
        before = len(layout.pictures)
        _read(child, layout, replace(so_far, split=split, elsewhere=child.name.lower() == _ELSEWHERE))
        if len(layout.pictures) == before:
            layout.notes.append(f"Left out: {child.name}, because its pictures lie in no folders of classes.")


def _classes(folders: Iterable[Path], layout: Layout, so_far: Labelled) -> None:
    """Adds the pictures of folders of classes.

    Folders within them are splits, if all have such names. Else they are groups, unless pictures lie beside them.
    """
    found = {folder: [Path(path) for path in expand([str(folder)])] for folder in folders}
    inner = {path: path.relative_to(folder).parts[:-1] for folder, paths in found.items() for path in paths}
    names = {parts[0] if parts else "" for parts in inner.values()}
    by_split = all(split_of(name) for name in names)
    grouped = len(set(inner.values()) - {()}) > 1
    for folder, paths in found.items():
        beside = any(not inner[path] for path in paths)
        for path in paths:
            each = replace(so_far, path=str(path), name=printable(folder.name))
            if by_split:
                each = replace(each, split=split_of(inner[path][0]) or "")
            elif grouped and not beside:
                each = replace(each, group=each.group or "/".join(inner[path]))
            layout.pictures.append(each)


def _folds(folds: dict[Path, int], layout: Layout, so_far: Labelled) -> None:
    """Adds the pictures of folds: the last one is for testing, the one before for val."""
    ordered = sorted(folds, key=lambda child: folds[child])
    if any(split_of(child.name) for child in _folders(ordered[0])):  # each fold holds all pictures, split anew
        layout.leave_out(ordered[1:], f"{ordered[0].name} has splits of its own")
        _read(ordered[0], layout, so_far)
        return
    splits = ["train"] * (len(ordered) - 1) + ["test"]
    if len(ordered) > 2:
        splits[-2] = "val"
    for child, split in zip(ordered, splits, strict=True):
        _read(child, layout, replace(so_far, split=so_far.split or split))
    roles = ", ".join(f"{child.name} is {split}" for child, split in zip(ordered, splits, strict=True))
    layout.notes.append(f"The folds become splits: {roles}.")
