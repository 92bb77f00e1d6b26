"""What a session file holds: its settings, runs, fields, cells and actions."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from edge.count import verdicts
from edge.errors import UserError

NAMED, WHITE = "named", "white"  # what Settings.counted may be
DOUBTFUL, ALL = "doubtful", "all"  # what Settings.read may be
LONGEST_NAME = 200  # characters of a name


@dataclass(frozen=True)
class Settings:
    """What a session counts, and how it is read.

    Attributes:
        operator: who counts.
        slide: the name or number of the slide.
        note: free text.
        target: how many cells to count, at least 1.
        counted: NAMED if lymphocytes and monocytes count towards the target, WHITE if all nucleated white cells do.
        readers: how many people judge the cells independently, 1 or 2.
        read: which cells each of them must judge: those that are DOUBTFUL to the machine, or ALL.
        blind: whether readers don't see the machine's answers. Then they must read ALL.
        fields: how many pictures of fields are kept; the oldest that show no doubtful cell are dropped first.
        quality: of the pictures of cells, as JPEG, 50 to 100.
    """

    operator: str = ""
    slide: str = ""
    note: str = ""
    target: int = 200
    counted: str = NAMED
    readers: int = 1
    read: str = DOUBTFUL
    blind: bool = False
    fields: int = 500
    quality: int = 90

    def __post_init__(self) -> None:
        for name in ("operator", "slide", "note"):
            if len(getattr(self, name)) > LONGEST_NAME:
                raise UserError(f"--{name} may have {LONGEST_NAME} characters.")
        if self.blind and self.read != ALL:
            object.__setattr__(self, "read", ALL)

    @property
    def labels(self) -> tuple[str, ...]:
        """What counts towards the target, some of edge.count.verdicts.VERDICTS."""
        return verdicts.NAMES if self.counted == NAMED else verdicts.WHITE

    @property
    def cells(self) -> str:
        """The same in words."""
        return "lymphocytes and monocytes" if self.counted == NAMED else "white cells"


@dataclass(frozen=True)
class Run:
    """One start of the counting, with what made its answers.

    Attributes:
        id: unique for ever.
        began: seconds since the epoch.
        source: a camera or the names of the pictures.
        model: name of the model file.
        model_sha256: its hash.
        profile: name of the site profile; "" for none.
        profile_sha256: its hash; "" for none.
        risk: the stated risk; None if every cell was answered.
        software: version of this program.
    """

    id: str
    began: float
    source: str
    model: str
    model_sha256: str
    profile: str = ""
    profile_sha256: str = ""
    risk: float | None = None
    software: str = ""


@dataclass(frozen=True)
class Field:
    """A picture in which cells were found. Attributes: as the columns of the table `fields`; see edge.count.schema."""

    run: str
    source: str
    frame: int
    taken: float
    width: int
    height: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class CountedCell:
    """A cell of a session. What the machine said is never changed.

    Attributes:
        field: number of the picture in which it was found.
        number: in its run (camera) or field (picture file); -1 if a person added it.
        x, y: centre of the nucleus in the field, pixels.
        box: left, top, width, height in the field, pixels.
        red_cell: diameter of a red cell, pixels.
        answer: the machine's: a label or "review"; "" if a person added the cell.
        reason: of the answer, "" for none.
        probabilities: by label, 0 to 1.
        repeats: the cell that this one is, seen again; None for a new one.
        run: in which it was found.
        id: its number in the session, from 1; 0 before it is written.
    """

    field: int
    number: int
    x: float
    y: float
    box: tuple[int, int, int, int]
    red_cell: float
    answer: str
    reason: str
    probabilities: dict[str, float]
    repeats: int | None = None
    run: str = ""
    id: int = 0

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """From a row of SQLite with the values in the order of the attributes."""
        field, number, x, y, box, red_cell, answer, reason, probabilities, repeats, run, id = row
        (left, top, width, height), shares = json.loads(f"[{box},{probabilities}]")  # at once, which is faster
        box = (left, top, width, height)
        answer, reason, run = map(sys.intern, (answer, reason, run))  # a session holds many equal ones
        shares = {sys.intern(label): share for label, share in shares.items()}
        return cls(field, number, x, y, box, red_cell, answer, reason, shares, repeats, run, id)

    @property
    def added(self) -> bool:
        """Whether a person added it."""
        return self.answer == ""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done in a session.

    Attributes:
        id: its number, from 1.
        at: seconds since the epoch.
        reader: who did it; "" for the program.
        kind: "verdict", "undo", "redo", "add", "settings", "start", "end", "sign" or "amend".
        cell: which cell, or None.
        before, after: what changed; of a verdict [kind, note], or None for no verdict.
        step: actions of one step are undone together.
    """

    id: int
    at: float
    reader: str
    kind: str
    cell: int | None
    before: Any
    after: Any
    step: int | None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """From a row of SQLite with the values in the order of the attributes."""
        id, at, reader, kind, cell, before, after, step = row
        before, after = (None if text is None else json.loads(text) for text in (before, after))
        return cls(id, at, reader, kind, cell, before, after, step)
