"""A session's fields with a box around each of their cells, for other tools; edge.output.boxes has the forms."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.records import CountedCell
from edge.count.verdicts import NOT_A_CELL, RED, UNSURE, VERDICTS, WHITE
from edge.output.boxes import Boxed, Kinds, Marked, Write
from edge.system.run_id import cell_id


def write(journal: Journal, form: Write, target: Path) -> tuple[int, int]:
    """Writes the fields that have cells and a picture, and their pictures, shrunk as the session keeps them.

    Args:
        journal: an open session.
        form: one of edge.output.boxes.FORMS.
        target: a new file or folder, as the form needs it.

    Returns:
        The number of fields that were written, and of those left out because their picture was dropped to save space.

    Raises:
        UserError: if there is something at that path already, or if it can't be written.
    """
    fields, counts = _fields(journal)
    with form(target, Kinds((*WHITE, RED), VERDICTS, f"session {journal.id}")) as add:
        for each in fields:
            add(each)
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
    said: dict[int, dict[str, str]] = {}
    for reader, verdicts in journal.verdicts().items():
        for number, verdict in verdicts.items():
            said.setdefault(number, {})[reader] = verdict.kind
    models = {run.id: run.model for run in journal.runs()}

    def marked(number: int) -> Marked:
        jpeg, about = journal.field_picture(number), journal.field(number)
        assert jpeg is not None
        with Image.open(io.BytesIO(jpeg)) as picture:
            width, height = picture.size
        cells = [
            Boxed(
                id=cell.id,
                number=cell.id,
                label=_label(labels[cell.id][0]),
                box=box,
                answer=cell.answer,
                reason=cell.reason,
                probabilities=cell.probabilities,
                red_cell=cell.red_cell * width / about.width,
                by=labels[cell.id][1],
                verdicts=said.get(cell.id, {}),
            )
            for cell in by_field[number]
            if min((box := _shares(cell.box, about.width, about.height))[2:]) > 0
        ]
        source: Mapping[str, str | int] = {"session": journal.id, "field": number}
        name = cell_id(journal.id, number)
        return Marked(number, name, ".jpg", width, height, cells, source, models.get(about.run, ""), jpeg)

    return map(marked, kept), (len(kept), len(by_field) - len(kept))


def _label(label: str) -> str | None:
    return None if label == NOT_A_CELL else "" if label == UNSURE else label


def _shares(box: tuple[int, int, int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """A box cut at the border of its field, as shares of the field's size."""
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(width, box[0] + box[2]), min(height, box[1] + box[3])
    return left / width, top / height, (right - left) / width, (bottom - top) / height
