"""What a reader's browser gets of a session's cells: never more than this reader may know."""

from typing import Any

from edge.count.journal import Journal
from edge.count.outcome import DIFFER, Judged, Outcome, expected_error, has_last_word, must_judge
from edge.count.verdicts import VERDICTS, Verdict
from edge.count.words import Words
from edge.decide import REVIEW, without_numbers

_KINDS = (REVIEW, *VERDICTS, "")


def gallery(journal: Journal, found: Outcome, reader: str, words: Words) -> dict[str, Any]:
    """The cells as JSON values, in the order in which to look at them: those that wait for this reader, the likeliest
    errors first, and then all others by kind.

    Blind readers get no answer, probability or reason, and the cells in the order in which they were found. Another
    reader's verdict goes only to the person who has the last word.
    """
    settings, mine = journal.settings, found.verdicts.get(reader, {})
    must = {cell.id for cell in must_judge(found, reader)}
    last = has_last_word(found, reader)

    def shown(each: Judged) -> dict[str, Any]:
        cell = each.cell
        values: dict[str, Any] = {"id": cell.id, "field": cell.field, "box": cell.box, "must": cell.id in must}
        values["mine"] = said(mine.get(cell.id))
        if cell.added:
            values["added"] = True
        elif not settings.blind:
            reason, why = map(words.translated, (cell.reason, without_numbers(cell.reason)))
            values |= {"answer": cell.answer, "reason": reason, "why": why}
            values["shares"] = cell.probabilities
        if last and (settings.readers == 1 or each.open in ("", DIFFER)):
            others = {name: verdicts[cell.id] for name, verdicts in found.verdicts.items() if cell.id in verdicts}
            values["others"] = {name: said(verdict) for name, verdict in others.items() if name != reader}
        return values

    fields = {number: [each.width, each.height] for number, each in journal.fields().items()}
    return {"cells": [shown(each) for each in ordered(found, reader)], "fields": fields}


def ordered(found: Outcome, reader: str) -> list[Judged]:
    """The cells in the order in which a reader looks at them; see gallery."""
    must = {cell.id: place for place, cell in enumerate(must_judge(found, reader))}

    def order(each: Judged) -> tuple[float, ...]:
        cell = each.cell
        if found.settings.blind:
            return (cell.id not in must, cell.id)
        return must.get(cell.id, len(must)), _KINDS.index(cell.answer), -expected_error(cell), cell.id

    return sorted(found.judged, key=order)


def confirmed(found: Outcome, reader: str) -> dict[int, str]:
    """What a person said each cell is, as far as this reader may know: by the cell's number, the latest last."""
    if may_see_all(found):
        return {each.cell.id: each.label for each in found.judged if each.by}
    return {cell: verdict.kind for cell, verdict in found.verdicts.get(reader, {}).items()}


def said(verdict: Verdict | None) -> list[str] | None:
    """A verdict as JSON values."""
    return [verdict.kind, verdict.note] if verdict else None


def may_see_all(found: Outcome) -> bool:
    """Whether answers and verdicts may be shown to everyone: where readers are blind to each other or to the machine,
    only once each of them is done.
    """
    if not found.settings.blind and found.settings.readers == 1:
        return True
    begun = len(found.readers) >= found.settings.readers
    return bool(found.judged) and begun and all(each.open in ("", DIFFER) for each in found.open)
