"""One person's review of a session: what to judge next, verdicts, undo and redo."""

import io
import statistics
from collections.abc import Iterable

import numpy as np
from PIL import Image

from edge.count.journal import Journal
from edge.count.outcome import must_judge, outcome
from edge.count.recorder import CROP, jpeg
from edge.count.records import CountedCell
from edge.count.seen import SIDE, square
from edge.count.verdicts import Verdict
from edge.errors import UserError
from edge.frames import Frame

Verdicts = dict[int, Verdict | None]


class Review:
    """A person's review. Each verdict is on the disk when its function returns.

    >>> review = Review(journal, "Ada")
    >>> review.judge([cell.id for cell in review.waiting()[:1]], Verdict("monocyte"))
    >>> review.undo()
    """

    def __init__(self, journal: Journal, reader: str) -> None:
        """reader: the person's name, the same each time."""
        self.journal, self.reader = journal, reader

    def waiting(self) -> list[CountedCell]:
        """The cells that this person has to judge, in the order in which to look at them."""
        return must_judge(outcome(self.journal), self.reader)

    def judge(self, cells: Iterable[int], verdict: Verdict | None) -> None:
        """Gives cells, by number, the same verdict, as one step. None takes their verdict back."""
        self.journal.judge(self.reader, dict.fromkeys(cells, verdict))

    def add(self, field: int, x: float, y: float, verdict: Verdict) -> int:
        """Adds a cell that the machine missed.

        Args:
            field: number of the picture in which it is.
            x, y: its middle, in pixels of the field as the camera took it.
            verdict: what it is.

        Returns:
            Its number.

        Raises:
            UserError: for a point outside of the field, or where its picture was dropped to save space.
        """
        about, picture = self.journal.field(field), self.journal.field_picture(field)
        if not (0 <= x < about.width and 0 <= y < about.height):
            raise UserError(
                f"({x:g}, {y:g}) is outside of field {field}, which has {about.width} x {about.height} pixels."
            )
        if picture is None:
            raise UserError(f"The picture of field {field} was dropped to save space, so no cell can be added to it.")
        rulers = [cell.red_cell for cell in self.journal.cells()]
        red_cell = statistics.median(rulers) if rulers else min(about.width, about.height) / 10
        image = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
        scale = image.shape[1] / about.width
        half = SIDE * red_cell / 2
        box = tuple(round(scale * each) for each in (x - half, y - half, x + half, y + half))
        crop = square(Frame(image, about.source, about.frame, about.taken), (box[0], box[1], box[2], box[3]))
        width = round(red_cell)
        cell = CountedCell(
            field=field,
            number=-1,
            x=round(x, 1),
            y=round(y, 1),
            box=(round(x) - width, round(y) - width, 2 * width, 2 * width),
            red_cell=round(red_cell, 1),
            answer="",
            reason="",
            probabilities={},
            run=about.run,
        )
        with self.journal.changing():
            number = self.journal.add_cell(cell, jpeg(crop, CROP, self.journal.settings.quality))
            self.journal.judge(self.reader, {number: verdict}, "add")
        return number

    def undo(self) -> list[int]:
        """Takes the latest step back that isn't taken back yet. Returns its cells; none if there is no such step."""
        done, _ = self._steps()
        return self._put(done[-1], "undo") if done else []

    def redo(self) -> list[int]:
        """Does the latest undone step again. Returns its cells; none if there is nothing to redo."""
        _, undone = self._steps()
        return self._put(undone[-1], "redo") if undone else []

    def _steps(self) -> tuple[list[int], list[int]]:
        """The steps that are done, and those that are undone and may be redone, the next one last."""
        done: list[int] = []
        undone: list[int] = []
        for action in self.journal.actions(self.reader, kinds=("verdict", "add", "undo", "redo")):
            step = action.step or 0
            if action.kind in ("verdict", "add"):
                if done[-1:] != [step]:
                    done.append(step)
                    undone.clear()
            elif action.kind == "undo" and done[-1:] == [step]:
                undone.append(done.pop())
            elif action.kind == "redo" and undone[-1:] == [step]:
                done.append(undone.pop())
        return done, undone

    def _put(self, step: int, kind: str) -> list[int]:
        """Undoes or redoes a step."""
        found: Verdicts = {}
        for action in self.journal.actions(self.reader, kinds=("verdict", "add")):
            if action.step == step and action.cell is not None:
                value = action.before if kind == "undo" else action.after
                found[action.cell] = None if value is None else Verdict(*value)
        self.journal.judge(self.reader, found, kind, step)
        return list(found)
