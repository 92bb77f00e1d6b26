"""The sessions of a folder, as a table."""

import time
from dataclasses import dataclass
from pathlib import Path

from edge.count.journal import Journal
from edge.count.outcome import Outcome, outcome
from edge.errors import UserError
from edge.output.tables import Table
from edge.system.streams import printable

HEADS = ("session", "slide", "operator", "began", "counted", "target", "open", "signed by")


@dataclass(frozen=True)
class Row:
    """A session in a list.

    Attributes:
        name: of the file, without its ending.
        slide, operator: as the session has them; "" for none.
        began: when the count began, seconds since the epoch; 0 if it hasn't.
        counted, target, open: cells.
        signed: by whom; "" for nobody.
    """

    name: str
    slide: str
    operator: str
    began: float
    counted: int
    target: int
    open: int
    signed: str

    @property
    def day(self) -> str:
        """When the count began, in local time; "-" if it hasn't."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.began)) if self.began else "-"


def files(folder: Path) -> list[Path]:
    """The session files in a folder (*.session) by name; none where there is no such folder."""
    return sorted(folder.glob("*.session")) if folder.is_dir() else []


def listing(folder: Path) -> tuple[str, list[str]]:
    """A table of the sessions in a folder, the latest last, and a sentence for each that can't be read.

    Raises:
        UserError: where there is no such folder or no session in it.
    """
    if not files(folder):
        raise UserError(f"{folder} holds no session (*.session).")
    rows, broken = [], []
    for file in files(folder):
        try:
            with Journal.open(file, read_only=True) as journal:
                rows.append(row(journal, outcome(journal)))
        except UserError as error:
            broken.append(str(error))
    rows.sort(key=lambda each: (each.began, each.name))
    return Table(HEADS, [_texts(each) for each in rows]).text(), broken


def row(journal: Journal, found: Outcome) -> Row:
    """A session's line in a list. found: its outcome."""
    settings, signed = journal.settings, journal.signature()
    starts = journal.actions(kinds=("start",))
    counts = (found.counted, settings.target, len(found.open))
    names = (Path(journal.path).stem, settings.slide, settings.operator)
    return Row(*names, starts[0].at if starts else 0.0, *counts, signed.reader if signed else "")


def _texts(each: Row) -> list[str]:
    texts = (each.name, each.slide or "-", each.operator or "-", each.day)
    counts = (str(each.counted), str(each.target), str(each.open))
    return [*map(printable, texts), *counts, printable(each.signed or "-")]
