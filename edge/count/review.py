"""One person's review of a session: what to judge next, verdicts, undo and redo."""

from collections.abc import Iterable

from edge.count.journal import CountedCell, Journal
from edge.count.outcome import must_judge, outcome
from edge.count.verdicts import Verdict

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
