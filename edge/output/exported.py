"""Answers for picture files with boxes, in the forms of other tools; edge.output.boxes has them."""

import io
from collections import Counter
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image

from edge.cell import Cell
from edge.classify import Answer
from edge.decide import REVIEW, Decision
from edge.errors import UserError
from edge.frames import Picture, Unreadable
from edge.model import Model
from edge.output.boxes import Add, Boxed, Kinds, Marked, Write
from edge.output.sinks import Sink
from edge.reading.formats import Refused, opened
from edge.system.paths import clean

_LONGEST = 200  # bytes of a name's stem; file systems allow 255 bytes for the whole name
_ORIENTATION = 0x0112  # EXIF's tag


class Exported(Sink):
    """Writes answers in the form of another tool; it appears at the end, whole.

    Attributes:
        target: the new file or folder.
        written: number of pictures that were written.
        left_out: number of those whose picture can't be copied, such as whole slides.
    """

    def __init__(self, form: Write, target: Path, model: Model, copies: bool = True) -> None:
        """copies: whether the pictures are copied, too.

        Raises:
            UserError: if there is something at the target, or if it can't be written.
        """
        self.target, self.written, self.left_out = target, 0, 0
        self._model, self._copies, self._cells = Path(model.path).name, copies, 0
        self._names: set[str] = set()
        self._numbers: Counter[str] = Counter()  # for each stem, the last number that was given
        self._form: AbstractContextManager[Add] = form(target, Kinds(model.labels, model.labels, "edge-classify"))

    def __enter__(self) -> Self:
        self._add = self._form.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._form.__exit__(kind, error, trace)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            return
        picture = result.picture
        try:
            content, ending = _copied(picture) if self._copies else (None, "")
        except (UserError, OSError):
            self.left_out += 1
            return
        self.written += 1
        cells = [self._boxed(picture, *each) for each in result.cells]
        about: dict[str, str | int] = {"source": picture.source, "frame": picture.number}
        size = (picture.width, picture.height)
        self._add(Marked(self.written, self._name(picture.source), ending, *size, cells, about, self._model, content))

    def summary(self) -> str:
        """What was written, in a sentence."""
        why = f"; left out: {self.left_out}, too large to be copied or gone" if self.left_out else ""
        return f"Written: {self.target} with {self.written} picture{'' if self.written == 1 else 's'}{why}."

    def _boxed(self, picture: Picture, cell: Cell, decision: Decision) -> Boxed:
        self._cells += 1
        x, y, width, height = cell.box
        return Boxed(
            id=self._cells,
            number=cell.number,
            label="" if decision.label == REVIEW else decision.label,
            box=(x / picture.width, y / picture.height, width / picture.width, height / picture.height),
            answer=decision.label,
            reason=decision.reason,
            probabilities=decision.probabilities,
            red_cell=cell.red_cell,
        )

    def _name(self, source: str) -> str:
        """A new name, such as a-2 for a second a.png. Upper and lower case are alike, as on some file systems."""
        stem = clean(Path(source).stem).encode()[:_LONGEST].decode(errors="ignore")
        while True:
            self._numbers[stem.casefold()] += 1
            number = self._numbers[stem.casefold()]
            name = f"{stem}-{number}" if number > 1 else stem
            if name.casefold() not in self._names:
                self._names.add(name.casefold())
                return name


def _copied(picture: Picture) -> tuple[bytes, str]:
    """A file that shows a picture as it was answered, and the ending of its name.

    It is the picture's own file, if that is a JPEG or PNG that other programs show alike. Else a PNG is made.

    Raises:
        UserError, OSError: if the picture is too large to be read at once, or can no longer be read.
    """
    with suppress(Refused), opened(picture.source) as file:
        upright = file.getexif().get(_ORIENTATION, 1) in (0, 1) and file.size == (picture.width, picture.height)
        if file.format in ("JPEG", "PNG") and file.mode in ("RGB", "L") and upright and not picture.number:
            return Path(picture.source).read_bytes(), ".jpg" if file.format == "JPEG" else ".png"
    target = io.BytesIO()
    image = Image.fromarray(picture.window(0, 0, picture.width, picture.height))
    image.save(target, "PNG", compress_level=1)  # others take several times as long, and save a few percent
    return target.getvalue(), ".png"
