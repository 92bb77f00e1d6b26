"""What a session counts: each cell's label from the machine's answer and the readers' verdicts, and which are open.

With one reader, the reader's verdict replaces the machine's answer. With two, their common verdict does; where they
differ, a third person's. A later person's verdict replaces those of the readers before: it is the last word.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from edge.count.journal import Journal
from edge.count.records import ALL, CountedCell, Settings
from edge.count.verdicts import NAMES, UNSURE, WHITE, Verdict
from edge.decide import REVIEW

Verdicts = Mapping[str, Mapping[int, Verdict]]
DOUBTFUL, UNREAD, DIFFER = "doubtful", "not judged by each reader", "the readers differ"  # why a cell is open


@dataclass(frozen=True, slots=True)
class Judged:
    """A cell with its label.

    Attributes:
        cell: as it was found.
        label: one of VERDICTS; "" while the cell is open.
        note: of the verdict, such as what kind of cell it is; "" for none.
        by: who decided: a reader's name, several with " and ", or "" for the machine.
        open: why it is open, one of DOUBTFUL, UNREAD and DIFFER; "" if it isn't.
    """

    cell: CountedCell
    label: str
    note: str = ""
    by: str = ""
    open: str = ""


@dataclass(frozen=True)
class Outcome:
    """All cells of a session with their labels, as of now.

    Attributes:
        settings: of the session.
        judged: the cells that count, in the order in which they were found. Left out are cells that were seen again
            and those that a person added and took back.
        repeated: how many cells were seen again and not counted twice.
        readers: who judged cells, in the order in which they began.
        verdicts: what each of them says now.
    """

    settings: Settings
    judged: Sequence[Judged]
    repeated: int
    readers: Sequence[str]
    verdicts: Verdicts = field(repr=False, default_factory=dict)

    @cached_property
    def labels(self) -> Counter[str]:
        """How many cells have each label; "" counts those that are open."""
        return Counter(each.label for each in self.judged)

    @cached_property
    def open(self) -> list[Judged]:
        """The cells that wait for a person."""
        return [each for each in self.judged if each.open]

    @property
    def by_persons(self) -> list[Judged]:
        """The cells whose labels come from persons: never those that only the machine answered."""
        return [each for each in self.judged if each.by and each.label not in ("", UNSURE)]

    @property
    def counted(self) -> int:
        """How many cells count towards the target."""
        return sum(self.labels[label] for label in self.settings.labels)

    @property
    def named(self) -> int:
        """How many lymphocytes and monocytes there are."""
        return sum(self.labels[label] for label in NAMES)

    @property
    def white(self) -> int:
        """How many nucleated white cells there are."""
        return sum(self.labels[label] for label in WHITE)

    @property
    def every_cell_judged(self) -> bool:
        """Whether each nucleated cell was judged by a person, as a differential count asks."""
        return not self.open and bool(self.judged) and all(each.by for each in self.judged)


def outcome(journal: Journal) -> Outcome:
    """The labels of all cells of a session. One pass over its cells and one over its actions."""
    verdicts, settings = journal.verdicts(), journal.settings
    readers, last = list(verdicts)[: settings.readers], list(verdicts)[settings.readers :]
    judged, repeated = [], 0
    for cell in journal.cells():
        said = {reader: verdicts[reader][cell.id] for reader in readers if cell.id in verdicts[reader]}
        final = [(reader, verdicts[reader][cell.id]) for reader in last if cell.id in verdicts[reader]]
        if not said and not final and (cell.repeats is not None or cell.added):
            repeated += cell.repeats is not None
            continue
        judged.append(_judge(cell, said, final, settings))
    return Outcome(settings, judged, repeated, list(verdicts), verdicts)


def must_judge(outcome: Outcome, reader: str) -> list[CountedCell]:
    """The cells that a reader has to judge and hasn't yet, those first that the machine would most likely get wrong.

    Someone who begins after all readers that the settings ask for has the last word where those differ, and judges
    only that.
    """
    mine = outcome.verdicts.get(reader, {})
    only_differing = outcome.settings.readers > 1 and has_last_word(outcome, reader)
    waiting = [
        each.cell for each in outcome.open if each.cell.id not in mine and (each.open == DIFFER or not only_differing)
    ]
    return sorted(waiting, key=lambda cell: (-expected_error(cell), cell.id))


def has_last_word(outcome: Outcome, reader: str) -> bool:
    """Whether a person comes after all readers that the settings ask for."""
    first = list(outcome.readers)[: outcome.settings.readers]
    return reader not in first and len(first) == outcome.settings.readers


def expected_error(cell: CountedCell) -> float:
    """How likely the machine's answer is wrong, by its own probabilities; doubtful cells come before all others.

    Returns:
        0 to 1 for an answer, 1 to 2 for a doubtful cell, 2 for a cell without an answer.
    """
    if not cell.probabilities:
        return 2.0
    if cell.answer == REVIEW:
        return 2.0 - max(cell.probabilities.values())
    return 1.0 - cell.probabilities.get(cell.answer, 0.0)


def _judge(
    cell: CountedCell, said: Mapping[str, Verdict], final: Sequence[tuple[str, Verdict]], settings: Settings
) -> Judged:
    """The label of one cell. said: verdicts of the readers; final: of those who have the last word, in order."""
    if final:
        reader, verdict = final[-1]
        return Judged(cell, verdict.kind, verdict.note, reader)
    asked = settings.read == ALL or cell.answer in ("", REVIEW) or bool(said)
    if not asked:
        return Judged(cell, cell.answer)
    if len(said) < settings.readers:
        return Judged(cell, "", open=DOUBTFUL if cell.answer == REVIEW and not said else UNREAD)
    kinds = {verdict.kind for verdict in said.values()}
    if len(kinds) > 1:
        return Judged(cell, "", open=DIFFER)
    notes = dict.fromkeys(verdict.note for verdict in said.values() if verdict.note)
    return Judged(cell, kinds.pop(), "; ".join(notes), " and ".join(said))
