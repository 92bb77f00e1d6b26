"""Everything that a report of a session says, computed once for all its formats."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edge import __version__
from edge.count import statistics
from edge.count.journal import Journal
from edge.count.outcome import Judged, Outcome, outcome
from edge.count.records import Run, Settings
from edge.count.signing import Signature, signature
from edge.count.statistics import Agreement, Ratio
from edge.count.verdicts import LYMPHOCYTE, MONOCYTE, NAMES, RED, VERDICTS
from edge.decide import REVIEW
from edge.share import Share, exact
from edge.unlike import SAID

WITHIN = 0.05  # a report says how many cells the interval of monocytes would need to be this much to either side
NOT_A_DEVICE = "For a person to check: not a medical device."
SHARES_ONLY = (
    "The shares are those of the cells that were looked at. This is no differential count: the program tells "
    "lymphocytes from monocytes, and not every nucleated cell was judged by a person."
)


@dataclass(frozen=True)
class Corrected:
    """How often the machine's answer stood, among cells that it answered and a person judged.

    Attributes:
        answer: the machine's.
        right: how many of them the persons called the same, with an exact interval.
        table: the cells by their final label.
    """

    answer: str
    right: Share
    table: Mapping[str, int]


@dataclass(frozen=True)
class Difference:
    """A cell about which the readers differ: its number, and what each of them says, by reader."""

    cell: int
    said: Mapping[str, str]


@dataclass(frozen=True)
class Summary:
    """A session as a report shows it. Shares have exact (Clopper-Pearson) intervals of 95 %.

    Attributes:
        name: of the file, without its ending.
        id: the session's identifier.
        settings: what is counted, by whom.
        runs: all starts of the counting.
        began, ended: of the counting, seconds since the epoch; 0 if it hasn't begun.
        written: when this summary was made, seconds since the epoch.
        software: version of this program.
        counts: cells by label, in the order of edge.count.verdicts.VERDICTS, those above 0.
        open: how many cells wait for a person.
        repeated: how many cells were seen again and not counted twice.
        counted: how many count towards the target.
        shares: by label, of the lymphocytes and monocytes, or of all nucleated white cells.
        ratio: of monocytes to lymphocytes.
        nucleated_red: how many nucleated red cells there are.
        nucleated_red_factor: by which a white cell count is to be multiplied; None below 5 in 100 white cells.
        machine: the machine's answers, by answer, with "review" for doubtful cells.
        corrected: by answer of the machine, what persons made of it.
        readers: who judged cells.
        agreement: of the first two readers; None unless there are two.
        differences: cells about which readers differ.
        unlike: sentences about runs that are unlike the training pictures.
        signature: of the session, or None.
        notices: what a reader of the report has to know, the most important first.
        doubtful: cells that the machine left for review or a person corrected, in the order of the count.
    """

    name: str
    id: str
    settings: Settings
    runs: Sequence[Run]
    began: float
    ended: float
    written: float
    software: str
    counts: Mapping[str, int]
    open: int
    repeated: int
    counted: int
    shares: Mapping[str, Share]
    ratio: Ratio
    nucleated_red: int
    nucleated_red_factor: float | None
    machine: Mapping[str, int]
    corrected: Sequence[Corrected]
    readers: Sequence[str]
    agreement: Agreement | None
    differences: Sequence[Difference]
    unlike: Sequence[str]
    signature: Signature | None
    notices: Sequence[str]
    doubtful: Sequence[Judged]

    @cached_property
    def needed(self) -> int | None:
        """How many cells have to be counted for the monocytes' share to be known within WITHIN; None without a share.

        It is found only if it is asked for: it takes 10 to 100 ms, which a run at the camera hasn't got.
        """
        monocytes, named = self.ratio.numerator, self.ratio.numerator + self.ratio.denominator
        return statistics.target_for(monocytes / named, WITHIN) if named else None


def summary(journal: Journal, found: Outcome | None = None) -> Summary:
    """Summarises a session as of now, and changes nothing in it. Reads no picture. found: its outcome, if known."""
    found, runs = found or outcome(journal), journal.runs()
    labels, settings = found.labels, journal.settings
    starts = [action.at for action in journal.actions(kinds=("start",))]
    ends = [action.at for action in journal.actions(kinds=("end",))]
    unlike = _unlike(journal)
    signed = signature(journal)
    return Summary(
        name=Path(journal.path).stem,
        id=journal.id,
        settings=settings,
        runs=runs,
        began=starts[0] if starts else 0.0,
        ended=max(ends, default=starts[-1] if starts else 0.0),
        written=time.time(),
        software=__version__,
        counts={label: labels[label] for label in VERDICTS if labels[label]},
        open=len(found.open),
        repeated=found.repeated,
        counted=found.counted,
        shares={
            label: exact(labels[label], found.counted) for label in settings.labels if labels[label] or label in NAMES
        },
        ratio=statistics.ratio(labels[MONOCYTE], labels[LYMPHOCYTE]),
        nucleated_red=labels[RED],
        nucleated_red_factor=statistics.nucleated_red_factor(labels[RED], found.white),
        machine=Counter(each.cell.answer for each in found.judged if not each.cell.added),
        corrected=_corrected(found),
        readers=found.readers,
        agreement=_agreement(found),
        differences=_differences(found),
        unlike=unlike,
        signature=signed,
        notices=_notices(found, unlike, signed),
        doubtful=[each for each in found.judged if _is_doubtful(each)],
    )


def _is_doubtful(each: Judged) -> bool:
    return bool(each.open) or each.cell.answer in ("", REVIEW) or each.label != each.cell.answer


def _corrected(found: Outcome) -> list[Corrected]:
    tables: dict[str, Counter[str]] = {}
    for each in found.judged:
        if each.by and each.label and not each.cell.added and each.cell.answer != REVIEW:
            tables.setdefault(each.cell.answer, Counter())[each.label] += 1
    return [
        Corrected(answer, exact(table[answer], table.total()), dict(table.most_common()))
        for answer, table in sorted(tables.items())
    ]


def _agreement(found: Outcome) -> Agreement | None:
    if found.settings.readers < 2 or len(found.readers) < 2:
        return None
    first, second = (found.verdicts[name] for name in found.readers[:2])
    both = [each.cell.id for each in found.judged if each.cell.id in first and each.cell.id in second]
    return (
        statistics.agreement([first[cell].kind for cell in both], [second[cell].kind for cell in both])
        if both
        else None
    )


def _differences(found: Outcome) -> list[Difference]:
    if len(found.readers) < 2:
        return []
    different = []
    for each in found.judged:
        said = {
            name: found.verdicts[name][each.cell.id] for name in found.readers if each.cell.id in found.verdicts[name]
        }
        if len({verdict.kind for verdict in said.values()}) > 1:
            different.append(Difference(each.cell.id, {name: str(verdict) for name, verdict in said.items()}))
    return different


def _unlike(journal: Journal) -> list[str]:
    found = []
    for action in journal.actions(kinds=("end",)):
        unlike = action.after["unlike"]
        if unlike["value"] >= SAID:
            found.append(f"The pictures were unlike those of the training: {unlike['why']}.")
    return list(dict.fromkeys(found))


def _notices(found: Outcome, unlike: Sequence[str], signed: Signature | None) -> list[str]:
    notices = []
    if signed and not signed.intact:
        notices.append("The session was changed after it was signed: the signature is broken.")
    waiting = len(found.open)
    if waiting:
        wait = "1 cell still waits for a person and counts"
        if waiting > 1:
            wait = f"{waiting} cells still wait for a person and count"
        notices.append(f"Preliminary: {wait} nowhere.")
    if found.counted < found.settings.target:
        notices.append(f"Only {found.counted} of {found.settings.target} cells were counted.")
    notices += unlike
    if not found.every_cell_judged:
        notices.append(SHARES_ONLY)
    return [*notices, NOT_A_DEVICE]
