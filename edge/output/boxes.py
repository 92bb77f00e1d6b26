"""Pictures with a box around each of their cells, in the forms of other tools: COCO, YOLO, Label Studio and QuPath.

>>> from edge.output.boxes import Kinds, coco
>>> with coco(Path("cells.json"), Kinds(("lymphocyte", "monocyte"), (), "slide 7")) as add:
...     add(picture)
"""

import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.decide import REVIEW
from edge.errors import must_be_new, writing
from edge.output.annotate import colour
from edge.system import whole
from edge.system.paths import below

UNKNOWN = "white cell"  # an open cell: `train data` takes the name for a white cell of unknown type
_CORNERS = 32  # of the polygon that stands for an ellipse; a multiple of 4, so that it touches its box


@dataclass(frozen=True)
class Boxed:
    """A cell in its picture.

    Attributes:
        id: which no other cell of the export has.
        number: as other results of the same pictures have it.
        label: what it is; "" while that is open, None if a person says that it is no cell.
        box: left, top, width, height, as shares of the picture's width and height.
        answer: the machine's: a label or "review"; "" if a person added the cell.
        reason: of the answer; "" for none.
        probabilities: by label, 0 to 1.
        red_cell: diameter of a red cell, pixels of the picture.
        by: who decided; "" for the machine.
        verdicts: what each reader says.
    """

    id: int
    number: int
    label: str | None
    box: tuple[float, float, float, float]
    answer: str
    reason: str
    probabilities: Mapping[str, float]
    red_cell: float
    by: str = ""
    verdicts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Marked:
    """A picture with its cells.

    Attributes:
        id: which no other picture of the export has.
        name: of its files in the export, without their endings; no other one has the same.
        ending: of the picture's file, such as ".jpg".
        width, height: pixels.
        cells: all that were found in it.
        about: where it comes from, such as its source; for the tools that keep such facts.
        model: which model answered.
        content: the picture's file; None where the tool opens the user's own.
    """

    id: int
    name: str
    ending: str
    width: int
    height: int
    cells: Sequence[Boxed]
    about: Mapping[str, str | int]
    model: str
    content: bytes | None

    @property
    def file(self) -> str:
        """The name of the picture's file."""
        return f"{self.name}{self.ending}"


@dataclass(frozen=True)
class Kinds:
    """What the cells of an export may be.

    Attributes:
        classes: what Boxed.label may be, in the order of the classes' numbers; UNKNOWN follows them.
        choices: what a person who labels may choose.
        title: of the export.
    """

    classes: Sequence[str]
    choices: Sequence[str]
    title: str

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.classes, UNKNOWN)

    def number(self, label: str) -> int:
        """The number of a label's class, from 0."""
        return self.names.index(label or UNKNOWN)


Add = Callable[[Marked], None]


@contextmanager
def coco(file: Path, kinds: Kinds) -> Iterator[Add]:
    """Writes FILE, JSON of COCO, and the pictures into a folder beside it, named after it ("x.json" -> "x-pictures").

    What is written appears at the end of the `with` block, if all went well.

    Raises:
        UserError: if there is something at one of these paths, or if they can't be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []

    def add(picture: Marked) -> None:
        _write_picture(folder, picture)
        size = {"width": picture.width, "height": picture.height}
        name = {"file_name": f"{_pictures(file).name}/{picture.file}"}
        images.append({"id": picture.id, **name, **size, **picture.about})
        for each in picture.cells:
            if each.label is not None:
                x, y, width, height = _pixels(each, picture)
                box = {"bbox": [x, y, width, height], "area": round(width * height, 2), "iscrowd": 0}
                about = {"id": each.id, "image_id": picture.id, "category_id": kinds.number(each.label) + 1}
                annotations.append({**about, **box, "answer": each.answer, "reader": each.by})

    with _beside(file) as folder:
        yield add
    categories = [{"id": number, "name": name} for number, name in enumerate(kinds.names, 1)]
    info = {"description": kinds.title}
    _write_json(file, {"info": info, "images": images, "annotations": annotations, "categories": categories})


@contextmanager
def label_studio(file: Path, kinds: Kinds) -> Iterator[Add]:
    """Writes FILE, tasks of Label Studio, and the pictures into a folder beside it. Raises: as `coco`.

    The machine's answers are predictions; what each reader says is an annotation. Label Studio finds the pictures if
    its folder of local files is the one that FILE is in. `labelling.xml` beside the pictures is the labelling interface
    that the tasks need.
    """
    from urllib.parse import quote
    from xml.sax.saxutils import quoteattr

    tasks: list[dict[str, Any]] = []

    def add(picture: Marked) -> None:
        _write_picture(folder, picture)
        cells = picture.cells
        machine = [_region(picture, each, each.answer) for each in cells if each.answer]
        readers = dict.fromkeys(name for each in cells for name in each.verdicts)
        annotations = [
            {"result": [_region(picture, each, each.verdicts[name], name) for each in cells if name in each.verdicts]}
            for name in readers
        ]
        image = f"/data/local-files/?d={quote(f'{_pictures(file).name}/{picture.file}')}"
        tasks.append(
            {
                "data": {"image": image, **picture.about},
                "predictions": [{"model_version": picture.model, "result": machine}],
                "annotations": annotations,
            }
        )

    with _beside(file) as folder:
        yield add
        labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in (*kinds.choices, REVIEW))
        (folder / "labelling.xml").write_text(
            '<View>\n  <Image name="image" value="$image"/>\n  <RectangleLabels name="label" toName="image">\n'
            f"{labels}  </RectangleLabels>\n</View>\n",
            encoding="utf-8",
        )
    _write_json(file, tasks)


@contextmanager
def yolo(folder: Path, kinds: Kinds) -> Iterator[Add]:
    """Writes FOLDER/images, FOLDER/labels and FOLDER/data.yaml. Raises: as `coco`."""
    with whole.new_folder(folder) as partial:
        for name in ("images", "labels"):
            (partial / name).mkdir()

        def add(picture: Marked) -> None:
            _write_picture(partial / "images", picture)
            lines = []
            for each in picture.cells:
                if each.label is not None:
                    x, y, width, height = each.box
                    shares = (x + width / 2, y + height / 2, width, height)
                    lines.append(f"{kinds.number(each.label)} " + " ".join(f"{share:.6f}" for share in shares) + "\n")
            below(partial, "labels", f"{picture.name}.txt").write_text("".join(lines))

        yield add
        # A string of JSON is one of YAML, too.
        names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(kinds.names))
        (partial / "data.yaml").write_text(
            "# One slide is one split: train and val should come from different slides.\n"
            f"train: images\nval: images\nnames:\n{names}"
        )


@contextmanager
def geojson(folder: Path, kinds: Kinds) -> Iterator[Add]:
    """Writes FOLDER/NAME.geojson for each picture, as QuPath imports it, and the picture, if it has content.

    An ellipse in each cell's box, in pixels of the picture, is a detection of QuPath. Its id is the same each time.
    Raises: as `coco`.
    """
    with whole.new_folder(folder) as partial:

        def add(picture: Marked) -> None:
            if picture.content is not None:
                _write_picture(partial, picture)
            features = [_feature(picture, each) for each in picture.cells if each.label is not None]
            size = {"width": picture.width, "height": picture.height}
            document = {"type": "FeatureCollection", "features": features, "picture": {**picture.about, **size}}
            _write_json(below(partial, f"{picture.name}.geojson"), document, indent=None)

        yield add


Write = Callable[[Path, Kinds], AbstractContextManager[Add]]
# By the name of the option that asks for it.
FORMS: Mapping[str, Write] = {"coco": coco, "yolo": yolo, "label_studio": label_studio, "geojson": geojson}


def _pictures(file: Path) -> Path:
    return file.with_name(f"{file.stem}-pictures")


def _beside(file: Path) -> AbstractContextManager[Path]:
    """The folder for the pictures of a new file."""
    must_be_new(file)
    must_be_new(_pictures(file))
    return whole.new_folder(_pictures(file))


def _write_picture(folder: Path, picture: Marked) -> None:
    assert picture.content is not None
    below(folder, picture.file).write_bytes(picture.content)


def _write_json(file: Path, document: object, indent: int | None = 1) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=indent) + "\n"
    with writing(file):  # a source's name may hold bytes that aren't valid text
        whole.write_whole(file, lambda part: part.write_text(text, encoding="utf-8", errors="backslashreplace"))


def _pixels(each: Boxed, picture: Marked) -> list[float]:
    """Left, top, width and height in pixels."""
    sides = (picture.width, picture.height) * 2
    return [round(share * side, 2) for share, side in zip(each.box, sides, strict=True)]


def _region(picture: Marked, each: Boxed, label: str, reader: str = "") -> dict[str, Any]:
    """A rectangle of Label Studio; its numbers are percent."""
    value = dict(zip(("x", "y", "width", "height"), (round(100 * share, 4) for share in each.box), strict=True))
    score = {} if reader else {"score": max(each.probabilities.values(), default=0.0)}
    note = {"meta": {"text": [reader]}} if reader else {}
    return {
        "id": f"cell-{each.id}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": picture.width,
        "original_height": picture.height,
        "image_rotation": 0,
        "value": {**value, "rotation": 0, "rectanglelabels": [label]},
        **score,
        **note,
    }


def _feature(picture: Marked, each: Boxed) -> dict[str, Any]:
    """A detection of QuPath."""
    name = each.label or REVIEW
    source = json.dumps([*picture.about.values(), each.number])
    texts = {"answer": each.answer, "reason": each.reason, "reader": each.by}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, source)),
        # QuPath makes an ellipse of the polygon's bounds; other readers see the polygon.
        "geometry": {"type": "Polygon", "coordinates": [_ellipse(*_pixels(each, picture))], "isEllipse": True},
        "properties": {
            "objectType": "detection",
            "name": f"#{each.number}",
            "classification": {"name": name, "color": list(colour(name))},
            "measurements": {**each.probabilities, "red cell, pixels": round(each.red_cell, 1)},
            "metadata": {key: text for key, text in texts.items() if text},
        },
    }


def _ellipse(left: float, top: float, width: float, height: float) -> list[list[float]]:
    """The corners of a polygon that touches the middle of each side of a box; the last is the first again."""
    angles = [2 * math.pi * number / _CORNERS for number in range(_CORNERS)]
    ring = [
        [round(left + width / 2 * (1 + math.cos(a)), 2), round(top + height / 2 * (1 + math.sin(a)), 2)] for a in angles
    ]
    return [*ring, ring[0]]
