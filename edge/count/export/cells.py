"""A session's cells as a data folder: a picture of each cell below its label, and cells.csv.

`edge-site` and `train data` read the columns path, label, source, film, cell and original_label; not the others.
"""

import json
from pathlib import Path

from edge.count.journal import Journal
from edge.count.outcome import Judged, outcome
from edge.count.verdicts import UNSURE
from edge.output.sinks import harmless
from edge.system import csv_table, whole
from edge.system.paths import below
from edge.system.run_id import cell_id

COLUMNS = (
    *("path", "label", "source", "film", "cell", "original_label"),
    *("answer", "reason", "probabilities", "reader", "session", "number"),
)


def cells(journal: Journal, folder: Path, persons: bool = False) -> tuple[int, int]:
    """Writes FOLDER/LABEL/CELL.jpg and FOLDER/cells.csv.

    Args:
        journal: an open session.
        folder: a new folder. It appears when all is written.
        persons: only cells that a person judged.

    Returns:
        The number of cells that were written, and of those left out: open or unsure ones, and with `persons` those that
        only the machine answered.

    Raises:
        UserError: if the folder isn't empty or can't be written.
    """
    found = outcome(journal).judged
    taken = [each for each in found if each.label not in ("", UNSURE) and (each.by or not persons)]
    with whole.new_folder(folder) as partial:
        csv_table.write(partial / "cells.csv", COLUMNS, [_row(journal, partial, each) for each in taken])
    return len(taken), len(found) - len(taken)


def _row(journal: Journal, folder: Path, each: Judged) -> dict[str, object]:
    """Writes the picture of a cell; returns its row."""
    cell, name = each.cell, cell_id(journal.id, each.cell.id)
    path = below(folder, each.label, f"{name}.jpg")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(journal.crop(cell.id))
    film = journal.settings.slide or journal.id
    texts = {"film": film, "original_label": each.note or each.label, "reason": cell.reason, "reader": each.by}
    return {
        "path": path.relative_to(folder).as_posix(),
        "label": each.label,
        "source": "session",
        "cell": name,
        "answer": cell.answer,
        "probabilities": json.dumps(cell.probabilities) if cell.probabilities else "",
        "session": journal.id,
        "number": cell.id,
        **{column: harmless(text) for column, text in texts.items()},
    }
