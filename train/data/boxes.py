"""Reads boxes around cells as programs for marking pictures write them: COCO, Pascal VOC, YOLO."""

import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from edge.errors import UserError, reason
from edge.frames import expand
from edge.site import layout

_NAMES = ("data.yaml", "data.yml", "classes.txt", "obj.names", "labels.txt", "_darknet.labels")  # of YOLO's classes
_NUMBERS = r"[\d.eE+-]+"


@dataclass(frozen=True)
class NamedBox:
    """A box with the name of its class, as the file writes it; x, y are of its upper left corner."""

    name: str
    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, self.width, self.height))):
            raise ValueError(f"a box of {self.name!r} has a number that is none")


@dataclass(frozen=True)
class Marked:
    """A picture with marked cells.

    Attributes:
        file: of the picture.
        by: the files that the boxes come from.
        boxes: around its cells.
        shares: whether the boxes' numbers are shares of the picture's width and height; else they are pixels.
    """

    file: Path
    by: tuple[Path, ...]
    boxes: tuple[NamedBox, ...]
    shares: bool = False


def form(folder: Path) -> str | None:
    """How the boxes of a folder are written: "COCO", "Pascal VOC", "YOLO"; None where there are none.

    Raises:
        UserError: if a file can't be read.
    """
    return _found(folder, _Pictures(folder))[0]


def _found(folder: Path, pictures: "_Pictures") -> tuple[str | None, list[Path]]:
    """The form of a folder's boxes, and the files with boxes."""
    try:
        for name, (files, _) in _FORMS.items() if pictures.files else ():
            if found := list(files(folder, pictures)):
                return name, found
    except OSError as error:
        raise UserError(f"{error.filename} can't be read: {reason(error)}.") from error
    return None, []


def read(folder: Path) -> list[Marked]:
    """The marked pictures of a folder, sorted by path; a picture that no file speaks of isn't among them.

    Raises:
        UserError: if a file of boxes can't be read, or names a picture that isn't there.
    """
    pictures = _Pictures(folder)
    name, files = _found(folder, pictures)
    if not name:
        return []
    _, reader = _FORMS[name]
    marked: dict[Path, list[Marked]] = defaultdict(list)
    for file in files:
        try:
            for each in reader(file, pictures):
                marked[each.file].append(each)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ElementTree.ParseError) as error:
            raise UserError(f"{file} can't be read as {name}: {_why(error)}.") from error
        except RecursionError as error:
            raise UserError(f"{file} can't be read as {name}: it is nested too deeply.") from error
    return [
        Marked(
            file,
            tuple(path for each in group for path in each.by),
            tuple(dict.fromkeys(box for each in group for box in each.boxes)),
            group[0].shares,
        )
        for file, group in sorted(marked.items())
    ]


def _why(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else reason(error)


class _Pictures:
    """The pictures of a folder, found again by the names that other files give them."""

    def __init__(self, folder: Path) -> None:
        self.files = [Path(path) for path in expand([str(folder)])]
        self._stems: dict[str, list[Path]] = defaultdict(list)
        for path in self.files:
            self._stems[path.stem].append(path)

    def named(self, stem: str) -> bool:
        """Whether there is a picture of that name."""
        return stem in self._stems

    def of(self, name: str, file: Path) -> Path | None:
        """The picture of a name, with or without its ending, that a file of boxes speaks of; None if it is missing.

        Of several, it is the one whose path has most in common with that of the file. It is in no other split.

        Raises:
            ValueError: if two of them are as near.
        """
        named = Path(name.replace("\\", "/"))
        found = [
            path for path in self._stems.get(named.stem, ()) if not _splits(file) or _splits(path) == _splits(file)
        ]
        found = [path for path in found if path.name == named.name] or found
        near = [len(Path(os.path.commonpath([path, file])).parts) for path in found]
        best = [path for path, shared in zip(found, near, strict=True) if shared == max(near)]
        if len(best) > 1:
            raise ValueError(f"its picture {name!r} may be {best[0]} or {best[1]}")
        return best[0] if best else None

    def needed(self, name: str, file: Path) -> Path:
        """As `of`. Raises ValueError if the picture is missing, too."""
        found = self.of(name, file)
        if not found:
            raise ValueError(f"its picture {name!r} is missing")
        return found


def _splits(path: Path) -> list[str]:
    """The splits that a path's folders are named after."""
    return [split for part in path.parts[:-1] if (split := layout.split_of(part))]


def _coco_files(folder: Path, _: _Pictures) -> Iterable[Path]:
    for file in sorted(folder.rglob("*.json")):
        head = file.read_bytes()
        if all(key in head for key in (b'"images"', b'"annotations"', b'"categories"')):
            yield file


def _coco(file: Path, pictures: _Pictures) -> Iterable[Marked]:
    document = json.loads(file.read_text(encoding="utf-8-sig"))
    names = {each["id"]: str(each["name"]) for each in document["categories"]}
    boxes: dict[object, list[NamedBox]] = defaultdict(list)
    for each in document["annotations"]:
        x, y, width, height = map(float, each["bbox"])
        boxes[each["image_id"]].append(NamedBox(names[each["category_id"]], x, y, width, height))
    for each in document["images"]:
        yield Marked(pictures.needed(str(each["file_name"]), file), (file,), tuple(boxes[each["id"]]))


def _voc_files(folder: Path, _: _Pictures) -> Iterable[Path]:
    return (file for file in sorted(folder.rglob("*.xml")) if b"<annotation" in file.read_bytes())


def _voc(file: Path, pictures: _Pictures) -> Iterable[Marked]:
    content = file.read_bytes()
    if b"<!DOCTYPE" in content or b"\0" in content:  # its entities could fill the memory or name other files
        raise ValueError("it isn't plain UTF-8, or it declares a document type, which isn't read")
    root = ElementTree.fromstring(content)
    picture = pictures.of(file.stem, file) or pictures.needed(root.findtext("filename") or file.stem, file)
    boxes = []
    for each in root.iter("object"):
        left, top, right, bottom = (float(each.findtext(f"bndbox/{side}") or "") for side in _SIDES)
        boxes.append(NamedBox((each.findtext("name") or "").strip(), left, top, right - left, bottom - top))
    yield Marked(picture, (file,), tuple(boxes))


_SIDES = ("xmin", "ymin", "xmax", "ymax")


def _yolo_files(folder: Path, pictures: _Pictures) -> Iterable[Path]:
    for file in sorted(folder.rglob("*.txt")):
        if file.name not in _NAMES and pictures.named(file.stem):
            text = file.read_text(encoding="utf-8", errors="replace").strip()
            if not text or re.fullmatch(rf"\d+(\s+{_NUMBERS}){{4,}}\s*", text.splitlines()[0]):
                yield file


def _yolo(file: Path, pictures: _Pictures) -> Iterable[Marked]:
    named = _yolo_named(file)
    text = named.read_text(encoding="utf-8-sig")
    names = _yaml_names(text) if named.suffix in (".yaml", ".yml") else text.strip().splitlines()
    boxes = []
    for line in filter(str.strip, file.read_text(encoding="utf-8").splitlines()):
        number, *numbers = line.split()
        values = list(map(float, numbers))
        if len(values) == 4:
            x, y, width, height = values
            x, y = x - width / 2, y - height / 2
        else:  # the corners of an outline
            xs, ys = values[::2], values[1::2]
            x, y, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        if not 0 <= int(number) < len(names):
            raise ValueError(f"class {number} has no name; {len(names)} are named")
        boxes.append(NamedBox(names[int(number)].strip(), x, y, width, height))
    yield Marked(pictures.needed(file.name, file), (file, named), tuple(boxes), True)


def _yolo_named(file: Path) -> Path:
    """The file that names the classes, in the nearest folder above: data.yaml, classes.txt or another."""
    for named in (place / name for place in file.parents for name in _NAMES):
        if named.is_file():
            return named
    raise ValueError("no data.yaml or classes.txt beside or above it names the classes")


def _yaml_names(text: str) -> list[str]:
    """The `names` of a data.yaml: [a, b], or a line each."""
    section = re.search(r"^names:\s*(\[[^\]]*\]|(?:\n?[ \t]*(?:-|\d+:)[^\n]*)+)", text, re.MULTILINE)
    if not section:
        raise ValueError("data.yaml has no names")
    body = section[1]
    parts = body.strip("[]").split(",") if body.startswith("[") else re.findall(r"(?:-|\d+:)[ \t]*([^\n]*)", body)
    return [part.split(" #")[0].strip().strip("'\"") for part in parts]


_FORMS: dict[str, tuple[Callable[[Path, _Pictures], Iterable[Path]], Callable[[Path, _Pictures], Iterable[Marked]]]] = {
    "COCO": (_coco_files, _coco),
    "Pascal VOC": (_voc_files, _voc),
    "YOLO": (_yolo_files, _yolo),
}
