"""Brings pictures with boxes around cells into the project's layout: fields.csv, red_cells.csv and the pictures."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edge import frames
from edge.errors import UserError
from edge.site import class_names, layout
from edge.system import csv_table
from edge.system.progress import Progress
from train.data import boxes, copying, field_examples, fields

RED_CELL, PLATELET, UNKNOWN = "red cell", "platelet", "unknown"
# What marks may be called that show no white cell, or one of unknown type.
_MARKS = {
    **dict.fromkeys(("rbc", "red blood cell", "red cell", "erythrocyte"), RED_CELL),
    **dict.fromkeys(("platelet", "plt", "thrombocyte"), PLATELET),
    **dict.fromkeys(("wbc", "white blood cell", "white cell", "leukocyte", "leucocyte"), UNKNOWN),
}
_BEYOND = 0.02  # of the picture's width or height: boxes may reach so far beyond it, as rounding makes them
_ROBOFLOW = ".rf."  # before it stands the name of the picture that several were made from


@dataclass(frozen=True)
class Mark:
    """A box around a cell: its label; x, y of its upper left corner, its width and height, in pixels."""

    label: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class MarkedFields:
    """Pictures with boxes around cells.

    Attributes:
        source: name of the data set.
        boxes: around cells, by picture; none around platelets.
        files: that were read: pictures, and those with boxes.
        classes: what each class was taken for, by the name that the source gives it.
        unreadable: why pictures can't be read, by file.
        notes: sentences for the user.
        left_out: a line for each kind of mark or picture that was left out.
    """

    source: str
    boxes: dict[Path, list[Mark]]
    files: set[Path]
    classes: dict[str, str]
    unreadable: dict[str, str]
    notes: list[str]
    left_out: list[str]

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Marks by source, "fields" and label."""
        labels = Counter(mark.label for marks in self.boxes.values() for mark in marks)
        return {self.source: {"fields": {"fields": len(self.boxes)} | dict(sorted(labels.items()))}}


def read(folder: Path, source: str, said: Mapping[str, str], progress: Progress) -> MarkedFields:
    """Reads the boxes of a folder, in one of the forms of train.data.boxes, and their pictures.

    Args:
        folder: where they are.
        source: name of the data set.
        said: the labels of classes by their names, as the user gave them.
        progress: see edge.system.progress.

    Raises:
        UserError: if boxes can't be read or lie outside of their picture, or if a class would be a guess.
    """
    marked = boxes.read(folder)
    names = dict.fromkeys(box.name for each in marked for box in each.boxes)
    plain = {name: mark for name in names if name not in said and (mark := _MARKS.get(class_names.label(name)))}
    classes = class_names.mapping((name for name in names if name not in plain), said) | plain
    found: dict[Path, list[Mark]] = {}
    unreadable: dict[str, str] = {}
    for number, each in enumerate(marked):
        progress("Reading pictures", number + 1, len(marked))
        frame = frames.read(str(each.file))
        if isinstance(frame, frames.Unreadable):
            unreadable[str(each.file)] = frame.error
        else:
            found[each.file] = [Mark(classes[box.name], *_pixels(each, box, frame)) for box in each.boxes]
    if not found:
        raise UserError(f"None of the {len(marked)} marked pictures of {folder} can be read.")
    platelets = sum(mark.label == PLATELET for marks in found.values() for mark in marks)
    return MarkedFields(
        source,
        {file: [mark for mark in marks if mark.label != PLATELET] for file, marks in found.items()},
        {file for each in marked for file in (each.file, *each.by)},
        classes,
        unreadable,
        _notes([file.relative_to(folder) for file in found], set(classes.values())),
        [f"{platelets} box(es) of platelets"] if platelets else [],
    )


def _pixels(marked: boxes.Marked, box: boxes.NamedBox, frame: frames.Frame) -> tuple[int, int, int, int]:
    """A box in pixels, cut at the border of its picture: x, y, width, height."""
    across, down = (frame.width, frame.height) if marked.shares else (1, 1)
    left, top, right, bottom = (
        round(value)
        for value in (box.x * across, box.y * down, (box.x + box.width) * across, (box.y + box.height) * down)
    )
    beyond = max(-left, right - frame.width) / frame.width, max(-top, bottom - frame.height) / frame.height
    if max(beyond) > _BEYOND or right <= left or bottom <= top:
        raise UserError(
            f"{marked.file} has {frame.width}x{frame.height} pixels, but its box of {box.name!r} goes from "
            f"{left},{top} to {right},{bottom}; correct the box or remove it."
        )
    left, top = max(left, 0), max(top, 0)
    return left, top, min(right, frame.width) - left, min(bottom, frame.height) - top


def _notes(files: Iterable[Path], labels: set[str]) -> list[str]:
    notes = []
    if given := sorted({part for file in files for part in file.parts[:-1] if layout.split_of(part)}):
        notes.append(
            f"{fields.TABLE} has no splits, so {', '.join(given)} aren't kept: one half of the fields teaches, "
            "and the other half measures."
        )
    if labels <= {RED_CELL, PLATELET}:
        notes.append("No box is around a white cell, so every field counts as one without white cells.")
    return notes


def write(marked: MarkedFields, out: Path) -> None:
    """Copies the pictures to OUT/fields/SOURCE, and writes OUT/fields.csv and, with red cells, OUT/red_cells.csv."""
    rows: list[dict[str, object]] = []
    red_cells: list[dict[str, object]] = []
    taken: set[Path] = set()
    for file, marks in marked.boxes.items():
        copy = copying.copy(file, out, ("fields", marked.source), taken)
        film = file.name.split(_ROBOFLOW)[0] if _ROBOFLOW in file.name else ""
        field = {"path": copy, "film": film}
        white = [mark for mark in marks if mark.label != RED_CELL]
        rows += [{**field, **asdict(mark)} for mark in white] or [{**field, "label": "none"}]
        for mark in marks:
            if mark.label == RED_CELL:
                red_cells.append({"path": copy, "x": mark.x + mark.width // 2, "y": mark.y + mark.height // 2})
    csv_table.write(out / fields.TABLE, ("path", "label", "x", "y", "width", "height", "film", "cell"), rows)
    if red_cells:
        csv_table.write(out / field_examples.TABLE, ("path", "x", "y"), red_cells)
