"""A session's fields with a box around each of their cells, as COCO, YOLO and Label Studio read them."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.records import CountedCell
from edge.count.verdicts import NOT_A_CELL, RED, UNSURE, VERDICTS, WHITE
from edge.decide import REVIEW
from edge.errors import must_be_new, writing
from edge.system import whole
from edge.system.paths import below
from edge.system.run_id import cell_id

UNKNOWN = "white cell"  # an open or unsure cell: `train data` takes the name for a white cell of unknown type
NAMES = (*WHITE, RED, UNKNOWN)  # in the order of the classes' numbers


@dataclass(frozen=True)
class Boxed:
    """A cell in the picture of its field.

    Attributes:
        cell: as it was found.
        label: one of NAMES; NOT_A_CELL if a person says so.
        by: who decided; "" for the machine.
        box: left, top, width, height, as shares of the field's width and height.
    """

    cell: CountedCell
    label: str
    by: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Marked:
    """A field that has a picture.

    Attributes:
        number: in the session.
        name: of the picture's file.
        jpeg: the picture, shrunk as the session keeps it.
        width, height: of the picture, pixels.
        cells: all that were found in it, also those that were counted in another field.
    """

    number: int
    name: str
    jpeg: bytes
    width: int
    height: int
    cells: tuple[Boxed, ...]


def coco(journal: Journal, file: Path) -> tuple[int, int]:
    """Writes FILE, JSON of COCO, and the pictures into a folder beside it, named after it ("x.json" -> "x-pictures").

    Returns:
        The number of fields that were written, and of those left out because their picture was dropped to save space.

    Raises:
        UserError: if there is something at one of these paths, or if they can't be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []

    def add(field: Marked) -> None:
        size = {"width": field.width, "height": field.height}
        images.append({"id": field.number, "file_name": f"{_pictures(file).name}/{field.name}", **size})
        for each in field.cells:
            if each.label != NOT_A_CELL:
                x, y, width, height = (
                    round(share * side, 2)
                    for share, side in zip(each.box, 2 * (field.width, field.height), strict=True)
                )
                box = {"bbox": [x, y, width, height], "area": round(width * height, 2), "iscrowd": 0}
                about = {"id": each.cell.id, "image_id": field.number, "category_id": NAMES.index(each.label) + 1}
                annotations.append({**about, **box, "answer": each.cell.answer, "reader": each.by})

    def document() -> dict[str, Any]:
        return {
            "info": {"description": f"session {journal.id}"},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)],
        }

    return _written(journal, file, add, document)


def label_studio(journal: Journal, file: Path) -> tuple[int, int]:
    """Writes FILE, tasks of Label Studio, and the pictures into a folder beside it. Returns and raises: as `coco`.

    The machine's answers are predictions; what each reader says is an annotation. Label Studio finds the pictures if
    its folder of local files is the one that FILE is in. `labelling.xml` beside the pictures is the labelling interface
    that the tasks need.
    """
    tasks: list[dict[str, Any]] = []
    verdicts = journal.verdicts()

    def add(field: Marked) -> None:
        numbers = {each.cell.id for each in field.cells}
        machine = [_region(field, each, each.cell.answer) for each in field.cells if not each.cell.added]
        readers = {
            name: [_region(field, each, said[each.cell.id].kind, name) for each in field.cells if each.cell.id in said]
            for name, said in verdicts.items()
            if numbers & set(said)
        }
        tasks.append(
            {
                "data": {
                    "image": f"/data/local-files/?d={_pictures(file).name}/{field.name}",
                    "session": journal.id,
                    "field": field.number,
                },
                "predictions": [{"model_version": _model(journal, field), "result": machine}],
                "annotations": [{"result": regions} for regions in readers.values()],
            }
        )

    counts = _written(journal, file, add, lambda: tasks)
    labels = "".join(f'    <Label value="{name}"/>\n' for name in (*VERDICTS, REVIEW))
    (_pictures(file) / "labelling.xml").write_text(
        '<View>\n  <Image name="image" value="$image"/>\n  <RectangleLabels name="label" toName="image">\n'
        f"{labels}  </RectangleLabels>\n</View>\n"
    )
    return counts


def yolo(journal: Journal, folder: Path) -> tuple[int, int]:
    """Writes FOLDER/images, FOLDER/labels and FOLDER/data.yaml. Returns and raises: as `coco`."""
    with whole.new_folder(folder) as partial:
        for name in ("images", "labels"):
            (partial / name).mkdir()
        fields, counts = _fields(journal)
        for field in fields:
            below(partial, "images", field.name).write_bytes(field.jpeg)
            lines = []
            for each in field.cells:
                if each.label != NOT_A_CELL:
                    x, y, width, height = each.box
                    shares = (x + width / 2, y + height / 2, width, height)
                    lines.append(f"{NAMES.index(each.label)} " + " ".join(f"{share:.6f}" for share in shares) + "\n")
            below(partial, "labels", f"{Path(field.name).stem}.txt").write_text("".join(lines))
        names = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
        (partial / "data.yaml").write_text(
            f"# One slide is one split: train and val should come from different sessions.\n"
            f"train: images\nval: images\nnames:\n{names}"
        )
    return counts


def _pictures(file: Path) -> Path:
    return file.with_name(f"{file.stem}-pictures")


def _written(
    journal: Journal, file: Path, add: Callable[[Marked], None], document: Callable[[], object]
) -> tuple[int, int]:
    """Writes the pictures and calls `add` for each field, then writes what `document` returns as JSON to the file."""
    must_be_new(file)
    must_be_new(_pictures(file))
    fields, counts = _fields(journal)
    with whole.new_folder(_pictures(file)) as partial:
        for field in fields:
            below(partial, field.name).write_bytes(field.jpeg)
            add(field)
    with writing(file):
        text = json.dumps(document(), ensure_ascii=False, indent=1) + "\n"
        whole.write_whole(file, lambda part: part.write_text(text, encoding="utf-8"))
    return counts


def _fields(journal: Journal) -> tuple[Iterator[Marked], tuple[int, int]]:
    """The fields that have cells and a picture, in order; their number, and that of those whose picture was dropped."""
    by_field: dict[int, list[CountedCell]] = {}
    judged = {each.cell.id: (each.label, each.by) for each in outcome(journal).judged}
    labels: dict[int, tuple[str, str]] = {}
    for cell in journal.cells():
        if cell.id not in judged and cell.repeats is None:
            continue  # a person added it and took it back
        # A cell that was seen again is in its field, too; it has the label of the one that counts.
        labels[cell.id] = judged.get(cell.id) or labels.get(cell.repeats or 0, ("", ""))
        by_field.setdefault(cell.field, []).append(cell)
    kept = [number for number in sorted(by_field) if journal.field_picture(number) is not None]
    fields = (_marked(journal, number, by_field[number], labels) for number in kept)
    return fields, (len(kept), len(by_field) - len(kept))


def _marked(journal: Journal, number: int, found: list[CountedCell], labels: Mapping[int, tuple[str, str]]) -> Marked:
    jpeg, about = journal.field_picture(number), journal.field(number)
    assert jpeg is not None
    with Image.open(io.BytesIO(jpeg)) as picture:
        size = picture.size
    cells = []
    for cell in found:
        label, by = labels[cell.id]
        box = _shares(cell.box, about.width, about.height)
        if box[2] > 0 and box[3] > 0:
            cells.append(Boxed(cell, UNKNOWN if label in ("", UNSURE) else label, by, box))
    return Marked(number, f"{cell_id(journal.id, number)}.jpg", jpeg, *size, tuple(cells))


def _shares(box: tuple[int, int, int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """A box cut at the border of its field, as shares of the field's size."""
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(width, box[0] + box[2]), min(height, box[1] + box[3])
    return left / width, top / height, (right - left) / width, (bottom - top) / height


def _region(field: Marked, each: Boxed, label: str, reader: str = "") -> dict[str, Any]:
    """A rectangle of Label Studio; its numbers are percent."""
    value = dict(zip(("x", "y", "width", "height"), (round(100 * share, 4) for share in each.box), strict=True))
    score = {} if reader else {"score": max(each.cell.probabilities.values(), default=0.0)}
    note = {"meta": {"text": [reader]}} if reader else {}
    return {
        "id": f"cell-{each.cell.id}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": field.width,
        "original_height": field.height,
        "image_rotation": 0,
        "value": {**value, "rotation": 0, "rectanglelabels": [label]},
        **score,
        **note,
    }


def _model(journal: Journal, field: Marked) -> str:
    run = journal.field(field.number).run
    return next((each.model for each in journal.runs() if each.id == run), "")
