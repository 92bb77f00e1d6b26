"""The cells of a session that persons judged, as labelled cells for `edge-site adapt`."""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from edge import classify
from edge.classify import Search
from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.records import DOUBTFUL, CountedCell, Field
from edge.count.seen import SIDE
from edge.decide import OTHER
from edge.errors import reason
from edge.frames import Frame, Unreadable
from edge.locate import Locator
from edge.model import Model, Prediction
from edge.quality import picture_doubt
from edge.red_cells import KnownRuler
from edge.site.held import is_held
from edge.site.labelled import LabelledPrediction
from edge.system.progress import Progress, silent
from edge.system.run_id import cell_id

_NEAR = 0.7  # red-cell diameters: a nucleus that lies farther from the middle is that of another cell


@dataclass(frozen=True)
class SessionLabels:
    """What a session gives to learn from.

    Attributes:
        cells: what the model predicts for the cells whose labels come from persons.
        doubtful: whether persons had to judge only the cells that were doubtful to the program.
        unused: how many cells of the session have no label of a person: open, unsure, or answered by the program alone.
        lost: how many have one, but weren't found again in their picture, or are of a class that the model can't give.
        damaged: those whose picture is damaged.
    """

    cells: list[LabelledPrediction]
    doubtful: bool
    unused: int
    lost: int
    damaged: list[Unreadable]


def labelled_cells(journal: Journal, model: Model, progress: Progress = silent) -> SessionLabels:
    """The cells of a session, finished or not, whose labels come from persons.

    The session's pictures show each cell at a known scale, so that no red cells are measured again.

    Args:
        journal: an open session.
        model: a model without a profile; where it knows the site's ruler, that is used.
        progress: see edge.system.progress.
    """
    now = outcome(journal)
    taken = now.by_persons
    found = SessionLabels([], now.settings.read == DOUBTFUL, len(now.judged) - len(taken), 0, [])
    fields, digests, locator = journal.fields(), journal.picture_hashes(), Locator()
    for number, each in enumerate(taken):
        progress("Reading cells", number, len(taken))
        cell, source = each.cell, f"{journal.path}, cell {each.cell.id}"
        field = fields[cell.field]
        try:
            with Image.open(io.BytesIO(journal.crop(cell.id))) as picture:
                frame = Frame(np.asarray(picture.convert("RGB")), source, 0, field.taken)
        except (OSError, ValueError, SyntaxError) as error:
            found.damaged.append(Unreadable(source, f"has a damaged picture: {reason(error)}."))
            continue
        seen = _seen(frame, cell, _ruler(model.ruler, (field.width, field.height), cell, frame), model, locator)
        label = each.label if each.label in model.labels else OTHER
        if seen and label in model.labels:
            first = journal.cell(cell.repeats) if cell.repeats else cell  # one seen again is held out if the first is
            same = _identity(first, fields[first.field], digests[first.id])
            keys = [f"content {digests[cell.id]}", f"name {cell_id(journal.id, first.id)}", same]
            found.cells.append(LabelledPrediction(source, label, keys, *seen, is_held(same)))
    progress("Reading cells", len(taken), len(taken))
    return replace(found, lost=len(taken) - len(found.cells) - len(found.damaged))


def _identity(cell: CountedCell, field: Field, digest: str) -> str:
    """What stays the same of a cell: its place in the picture file, also in another session; else its own picture.

    digest: SHA-256 of its own picture.
    """
    return f"place {field.sha256} {field.frame} {cell.x} {cell.y}" if field.sha256 else f"picture {digest}"


def _ruler(known: KnownRuler | None, field: tuple[int, int], cell: CountedCell, frame: Frame) -> KnownRuler:
    """How many pixels red cells have in a cell's picture: by the site's ruler, or by that of the session.

    field: width and height of the cell's field, pixels; frame: the cell's picture, which shows SIDE red cells.
    """
    zoom = frame.width / (SIDE * cell.red_cell)
    times = known.times(field) if known else None
    if known and times:
        return KnownRuler(known.diameter * times * zoom, known.uncertainty)
    return KnownRuler(cell.red_cell * zoom)


def _seen(
    frame: Frame, cell: CountedCell, ruler: KnownRuler, model: Model, locator: Locator
) -> tuple[Prediction, str] | None:
    """The prediction for the cell in the middle of its picture, and a doubt; None if no nucleus lies there."""
    located = classify.find(frame, model.policy, locator, Search(single=True, red_cell=ruler)).cells[0]
    middle = (frame.width / 2, frame.height / 2)
    if math.dist(located.centre, middle) > _NEAR * ruler.diameter:
        return None
    return classify.predict(model, frame, located), picture_doubt(frame, located)
