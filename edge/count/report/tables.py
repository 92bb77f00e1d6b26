"""Tables: the cells of a session for a spreadsheet, and its results for OpenELIS Global."""

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.count.report.content import Content
from edge.count.report.observations import observations
from edge.errors import UserError
from edge.output.sinks import harmless
from edge.system.paths import clean

# The fields of OpenELIS's GenericFile analyzer (sampleId, testCode, result, interpretation, position, testDate,
# testTime, units) in its own order. Its reader leaves empty values out, which moves the others, so none is empty.
OPENELIS = ("Sample_ID", "Test_Code", "Result", "Interpretation", "Position", "Date", "Time", "Units")


def write_cells(content: Content, path: Path) -> None:
    """Writes a row a cell: where it is, what the machine says, what each reader says, and what it counts as."""
    labels = list(dict.fromkeys(label for each in content.found.judged for label in each.cell.probabilities))
    readers, fields = content.found.readers, content.journal.fields()
    columns = ["cell", "run", "field", "source", "frame", "x", "y", "answer", "reason"]
    columns += [f"p_{label}" for label in labels] + [f"verdict of {name}" for name in readers]
    columns += ["label", "note", "by", "open"]
    sources = {number: harmless(field.source) for number, field in fields.items()}
    said = [content.found.verdicts[name] for name in readers]
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(harmless, columns))
        for each in content.found.judged:
            cell = each.cell
            # Only text is made harmless: it takes a third of the time that all values would take.
            texts = [cell.answer, cell.reason, *(str(verdicts.get(cell.id, "")) for verdicts in said)]
            answer, reason, *verdict = map(harmless, texts)
            row: list[Any] = [cell.id, cell.run, cell.field, sources[cell.field], fields[cell.field].frame]
            row += [cell.x, cell.y, answer, reason, *(cell.probabilities.get(label, "") for label in labels), *verdict]
            writer.writerow([*row, each.label, harmless(each.note), harmless(each.by), each.open])


def write_openelis(content: Content, path: Path) -> None:
    """Writes a row a result, for the file import of OpenELIS Global's analyzers.

    Raises:
        UserError: where the session names no slide.
    """
    slide = clean(content.summary.settings.slide).strip()
    if not slide:
        raise UserError(
            "The session names no slide, and OpenELIS finds a sample by its accession number; give that with --slide."
        )
    at = datetime.fromtimestamp(content.summary.ended or content.summary.written)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(OPENELIS)
        for each in observations(content):
            row = [slide, each.code, each.value, content.status, content.version, f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"]
            writer.writerow(map(harmless, [*row, each.unit]))
