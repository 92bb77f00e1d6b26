"""Finds the labelled pictures of a folder, whatever its layout: folders of classes, splits, folds and patients."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.errors import UserError
from edge.frames import expand
from edge.site.class_names import are_classes
from edge.system.paths import clean

_SPLITS = (
    ("train", r"train(ing)?"),
    ("val", r"val(id(ation)?)?|dev"),
    ("test", r"test(ing)?|holdout"),
)
_MORE = r"([\W_].*|set|data|images?|s|\d+)?"  # what may follow: "Test-A", "train_images", "trainset"
_ELSEWHERE = "test-b"  # Raabin's pictures from a second microscope
_FOLD = re.compile(r"(fold|cv)[\W_]*\d+", re.IGNORECASE)
_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Labelled:
    """A picture in a folder of its class.

    Attributes:
        path: of its file.
        name: of the class, as the folder writes it, without control characters.
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

    def leave_out(self, names: list[str], why: str) -> None:
        """Notes that the pictures in some folders are left out."""
        if names:
            self.notes.append(f"Left out, as {why}: {', '.join(map(clean, names))}.")


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
        UserError: where it isn't a folder or can't be read, or where folders of classes and of splits lie side by side.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    for table in sorted(folder.glob("*/cells.csv")):
        raise UserError(f"{folder} holds no cells.csv, but {table.parent} does; name that folder.")
    layout = Layout(name=clean(folder.resolve().name))
    _read(_Tree(folder), layout, Labelled("", ""))
    layout.pictures.sort(key=lambda each: each.path)
    return layout


def hint(folder: Path) -> str:
    """What to do where no labelled pictures are found; it completes a sentence."""
    kinds = {".csv", ".tsv", ".xls", ".xlsx", ".ods"}
    tables = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in kinds and file.name != "cells.csv")
    return f"save its table {', '.join(tables)} as cells.csv" if tables else "docs/data.md shows what can be read"


def left_out(folder: Path, used: Iterable[str]) -> Counter[str]:
    """The files below a folder that are none of those `used` (paths), counted by what they are."""
    known = {os.path.normpath(path) for path in used}
    pictures = {os.path.normpath(path) for path in expand([str(folder)])}
    counts: Counter[str] = Counter()
    for here, _, names in os.walk(folder):
        hidden = any(map(_hidden, Path(here).relative_to(folder).parts))
        for name in names:
            path = os.path.normpath(Path(here, name))
            if hidden or _hidden(name):
                counts["hidden or system file(s), such as .DS_Store, Thumbs.db, __MACOSX"] += 1
            elif path not in known:
                suffix = clean(Path(name).suffix.lower())
                kind = f"file(s) of the kind {suffix}" if suffix else "file(s) without an ending"
                counts["other picture(s)" if path in pictures else kind] += 1
    return counts


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM


class _Tree:
    """A folder with the pictures below it, and the folders in it that hold pictures, at any depth.

    Attributes:
        path: of the folder.
        pictures: paths of all pictures below it.
        folders: sorted by name.
    """

    def __init__(self, path: Path, pictures: list[Path] | None = None) -> None:
        self.path = path
        self.pictures = _pictures(path) if pictures is None else pictures
        inside: dict[str, list[Path]] = {}
        depth = len(path.parts)
        for picture in self.pictures:
            if len(picture.parts) > depth + 1:
                inside.setdefault(picture.parts[depth], []).append(picture)
        self.folders = [_Tree(path / name, inside[name]) for name in sorted(inside)]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def leads(self) -> bool:
        """Whether folders of classes, splits or folds lie below it."""
        names = [child.name for child in self.folders]
        if are_classes(names) or any(split_of(name) or _FOLD.fullmatch(name) for name in names):
            return True
        return any(child.leads for child in self.folders)


def _pictures(folder: Path) -> list[Path]:
    """The pictures below a folder, without those of hidden and system folders."""
    found = [Path(path) for path in expand([str(folder)])]
    for path in found:
        if not path.suffix and path.is_dir():
            raise UserError(f"{path} can't be read, or leads out of {folder}; open it to you, or remove it.")
    return [path for path in found if not any(map(_hidden, path.parts[len(folder.parts) :]))]


def _read(folder: _Tree, layout: Layout, so_far: Labelled) -> None:
    """Adds a folder's pictures to the layout. so_far: what the folders above say about them."""
    splits = [child for child in folder.folders if split_of(child.name)]
    folds = [child for child in folder.folders if _FOLD.fullmatch(child.name)]
    leading = [child for child in folder.folders if child.leads]
    if are_classes(child.name for child in folder.folders):
        if splits or folds:
            one = (splits or folds)[0].name
            raise UserError(f"{folder.path} holds {one} beside folders of classes; move these into the splits.")
        layout.sure = True
        _classes(folder.folders, layout, so_far)
    elif splits:
        _splits(splits, layout, so_far)
        layout.leave_out([child.name for child in folder.folders if child not in splits], "they are no splits")
    elif folds:
        _folds(folds, layout, so_far)
    elif leading:
        others = [child.name for child in folder.folders if child not in leading]
        layout.leave_out(others, "no folders of classes are in them")
        if len(leading) == 1:  # one more folder on top
            layout.name = layout.name if so_far.split else clean(leading[0].name)
            _read(leading[0], layout, so_far)
            return
        for child in leading:
            has_splits = any(split_of(each.name) for each in child.folders)
            below = replace(so_far, source=clean(child.name)) if has_splits else replace(so_far, group=child.name)
            _read(child, layout, below)
    else:
        _classes(folder.folders, layout, so_far)


def _splits(splits: Iterable[_Tree], layout: Layout, so_far: Labelled) -> None:
    for child in splits:
        before = len(layout.pictures)
        elsewhere = child.name.lower() == _ELSEWHERE
        _read(child, layout, replace(so_far, split=split_of(child.name) or "", elsewhere=elsewhere))
        if len(layout.pictures) == before:
            layout.leave_out([child.name], "its pictures lie in no folders of classes")


def _classes(folders: Iterable[_Tree], layout: Layout, so_far: Labelled) -> None:
    """Adds the pictures of folders of classes.

    Folders within them are splits, if all have such names. Else they are groups, unless pictures lie beside them.
    """
    inner = {path: path.parts[len(folder.path.parts) : -1] for folder in folders for path in folder.pictures}
    names = {parts[0] if parts else "" for parts in inner.values()}
    by_split = all(split_of(name) for name in names)
    grouped = len(set(inner.values()) - {()}) > 1
    for folder in folders:
        beside = any(not inner[path] for path in folder.pictures)
        for path in folder.pictures:
            each = replace(so_far, path=str(path), name=clean(folder.name))
            if by_split:
                each = replace(each, split=split_of(inner[path][0]) or "")
            elif grouped and not beside:
                each = replace(each, group=each.group or "/".join(inner[path]))
            layout.pictures.append(each)


def _folds(folds: list[_Tree], layout: Layout, so_far: Labelled) -> None:
    """Adds the pictures of folds: the last one is for testing, the one before for val."""
    ordered = sorted(folds, key=lambda child: int(re.sub(r"\D", "", child.name)))
    if any(split_of(child.name) for child in ordered[0].folders):  # each fold holds all pictures, split anew
        layout.leave_out([child.name for child in ordered[1:]], f"{ordered[0].name} has splits of its own")
        _read(ordered[0], layout, so_far)
        return
    splits = ["train"] * (len(ordered) - 1) + ["test"]
    if len(ordered) > 2:
        splits[-2] = "val"
    for child, split in zip(ordered, splits, strict=True):
        _read(child, layout, replace(so_far, split=so_far.split or split))
    roles = ", ".join(f"{child.name} is {split}" for child, split in zip(ordered, splits, strict=True))
    layout.notes.append(f"The folds become splits: {roles}.")
