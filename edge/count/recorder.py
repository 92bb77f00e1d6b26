"""Writes the answers of a run into a session file: the sink of `edge-count start`."""

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from edge.cell import Cell
from edge.classify import Answer
from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.records import CountedCell, Field
from edge.count.seen import SIDE, Seen, square
from edge.decide import Decision
from edge.errors import UserError
from edge.frames import Picture, Unreadable
from edge.output.sinks import Sink
from edge.unlike import Unlike

CROP, _FIELD = 400, 1280  # pixels: largest width of the pictures of a cell and of a field
_FIELD_QUALITY = 80  # of JPEG


class Recorder(Sink):
    """Adds each cell to a session.

    Attributes:
        added: how many new cells were written.
        repeated: how many cells were recognised as counted before.
        known: how many picture files were counted before.
        counted: how many cells count towards the target, with those of earlier runs.
        unlike: how unlike home the run is; None if that wasn't judged.
    """

    def __init__(
        self, journal: Journal, run: str, files: bool, reached: Callable[[], None], ended: "Callable[[Recorder], None]"
    ) -> None:
        """Reads what the session holds already.

        Args:
            journal: an open session.
            run: the identifier of this run, which must have begun.
            files: whether the sources are picture files. A file of the same content is counted once.
            reached: called once the target is reached.
            ended: called at the end of the run, also where it failed, before the camera is closed: where a driver
                hangs, that ends the process.
        """
        self.added = self.repeated = self.known = 0
        self.unlike: Unlike | None = None
        self._journal, self._run, self._files, self._reached = journal, run, files, reached
        self._ended = ended
        self._field: tuple[tuple[str, int], int | None] = (("", -1), None)
        self.counted = outcome(journal).counted
        self._seen = Seen()
        for cell in journal.cells():
            if not cell.added and cell.repeats is None:
                with Image.open(io.BytesIO(journal.crop(cell.id))) as picture:
                    self._seen.add(cell.id, np.asarray(picture.convert("RGB")), SIDE * cell.red_cell)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._journal.end(self._run, {"unlike": asdict(self.unlike or Unlike())})
        except UserError:
            if kind is None:
                raise
        self._ended(self)

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            return
        self.unlike = result.run
        with self._journal.writing():
            field = self._field_of(result)
            if field is None:
                return
            for cell, decision in result.cells:
                if result.sighting and result.sighting.seen_before:
                    reason = f"{decision.reason}, perhaps counted before".removeprefix(", ")
                    decision = replace(decision, reason=reason)
                self._add(field, result.picture, cell, decision)
        if self.counted >= self._journal.settings.target:
            self._reached()

    def _add(self, field: int, picture: Picture, cell: Cell, decision: Decision) -> None:
        half = SIDE * cell.red_cell / 2
        x, y = cell.centre
        image = square(picture, (round(x - half), round(y - half), round(x + half), round(y + half)))
        repeats = self._seen.find(image, 2 * half)
        counted = CountedCell(
            *(field, cell.number, round(x, 1), round(y, 1), cell.box, round(cell.red_cell, 1)),
            *(decision.label, decision.reason, decision.probabilities, repeats, self._run),
        )
        number = self._journal.add_cell(counted, jpeg(image, CROP, self._journal.settings.quality))
        if repeats is not None:
            self.repeated += 1
            return
        self.added += 1
        self.counted += decision.label in self._journal.settings.labels
        self._seen.add(number, image, 2 * half)

    def _field_of(self, answer: Answer) -> int | None:
        """The number of the answer's field; None where the session holds this picture file already."""
        picture = answer.picture
        key = (picture.source, picture.number)
        if self._field[0] == key:
            return self._field[1]
        digest = None
        if self._files:
            with suppress(OSError), Path(picture.source).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        number = None
        if digest is None or not self._journal.knows(digest, picture.number):
            field = Field(self._run, *key, picture.taken, picture.width, picture.height, digest)
            number = self._journal.add_field(field, self._picture(picture) if answer.cells else None)
        else:
            self.known += 1
        self._field = (key, number)
        return number

    def _picture(self, picture: Picture) -> bytes | None:
        try:
            return jpeg(picture.window(0, 0, picture.width, picture.height), _FIELD, _FIELD_QUALITY)
        except UserError:  # too large to be held whole, or removed meanwhile
            return None


def jpeg(image: np.ndarray, widest: int, quality: int) -> bytes:
    """A picture, RGB uint8, as JPEG, shrunk so that no side is longer than `widest` pixels."""
    picture, file = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((widest, widest))
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()
