"""The sessions of a folder, as a table."""

import time
from pathlib import Path

from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.errors import UserError
from edge.output.tables import Table
from edge.system.streams import printable

HEADS = ("session", "slide", "operator", "began", "counted", "target", "open", "signed by")


def listing(folder: Path) -> tuple[str, list[str]]:
    """A table of the sessions (*.session) in a folder, the latest last, and a sentence for each that can't be read.

    Raises:
        UserError: where there is no such folder or no session in it.
    """
    files = sorted(folder.glob("*.session")) if folder.is_dir() else []
    if not files:
        raise UserError(f"{folder} holds no session (*.session).")
    rows, broken = [], []
    for file in files:
        try:
            rows.append(_row(file))
        except UserError as error:
            broken.append(str(error))
    rows.sort()
    return Table(HEADS, [row[1] for row in rows]).text(), broken


def _row(file: Path) -> tuple[float, list[str]]:
    """When the count began, and the line of the table."""
    with Journal.open(file, read_only=True) as journal:
        found, settings = outcome(journal), journal.settings
        starts, signed = journal.actions(kinds=("start",)), journal.signature()
    began = starts[0].at if starts else 0.0
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(began)) if starts else "-"
    texts = (file.stem, settings.slide or "-", settings.operator or "-", day)
    counts = (str(found.counted), str(settings.target), str(len(found.open)))
    return began, [*map(printable, texts), *counts, printable(signed.reader) if signed else "-"]
