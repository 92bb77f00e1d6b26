"""Counts the answers of a run, for the last lines of the output."""

from collections import Counter
from pathlib import Path

from edge.classify import Answer
from edge.decide import OTHER, REVIEW, Decision, without_numbers
from edge.frames import LeftOut, Unreadable
from edge.output.sinks import Sink
from edge.output.tables import Table
from edge.system.streams import printable

NOTICE = "For a person to check: not a medical device."
_MOST = 30  # folders with a row of their own
_EMPTY, _UNREADABLE = "no cell", "unreadable"


class Tally(Sink):
    """Counts answers. Its text is a summary for a person.

    >>> print(tally)
    6 cells in 2 pictures: 1 lymphocyte (17 %), 5 to review (83 %).
    To review: 4 perhaps another type, 1 cut by the border.
    For a person to check: not a medical device.
    """

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()  # by label
        self.reasons: Counter[str] = Counter()  # why cells are left for review
        self.kinds: Counter[str] = Counter()  # what cells of OTHER resemble
        self.pictures: Counter[str] = Counter()  # by folder; a run at a camera has no pictures
        self.empty = self.unreadable = self.left_out = self.too_small = 0
        self.folders: dict[str, Counter[str]] = {}  # answers by folder, with _EMPTY and _UNREADABLE

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, LeftOut):
            self.left_out += 1
            return
        if isinstance(result, Unreadable):
            self.unreadable += 1
            self._place(result.source)[_UNREADABLE] += 1
            return
        for _, decision in result.cells:
            self._count(decision)
        if not any(decision.frames for _, decision in result.cells):
            place = self._place(result.picture.source)
            place.update(decision.label for _, decision in result.cells)
            too_small = bool(result.found and result.found.doubt)
            place[_EMPTY] += not result.cells and not too_small
            self.empty += not result.cells and not too_small
            self.too_small += too_small

    def _place(self, source: str) -> Counter[str]:
        """Counts a picture of a folder, and returns the counts of the folder."""
        folder = str(Path(source).parent)
        self.pictures[folder] += 1
        return self.folders.setdefault(folder, Counter())

    def _count(self, decision: Decision) -> None:
        self.answers[decision.label] += 1
        if decision.label == REVIEW:
            self.reasons[without_numbers(decision.reason) or "doubtful"] += 1
        elif decision.label == OTHER:
            self.kinds[decision.reason or "of no known type"] += 1

    def __str__(self) -> str:
        cells, pictures = self.answers.total(), self.pictures.total()
        lines = []
        if cells:
            shares = [
                counted(count, label) + (f" ({_percent(count, cells)})" if cells > 1 else "")
                for label, count in sorted(self.answers.items())
            ]
            where = f" in {pictures} pictures" if pictures > 1 else ""
            lines.append((f"{cells} cells{where}: " if cells > 1 else "") + ", ".join(shares))
        for what, counts in (("To review", self.reasons), ("Other", self.kinds)):
            if counts and cells > 1:
                lines.append(f"{what}: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
        if self.too_small:
            what = "picture" if self.too_small == 1 else "pictures"
            lines.append(f"{self.too_small} {what} with cells too small to be judged")
        if self.empty or not cells + self.unreadable + self.too_small:
            lines.append(f"No cell in {self.empty} of {pictures} pictures" if pictures > 1 else "No cell")
        if self.unreadable:
            lines.append(f"{self.unreadable} could not be read")
        if self.left_out:
            lines.append(f"{self.left_out} empty or small {'page' if self.left_out == 1 else 'pages'} left out")
        return "\n".join([*(f"{line}." for line in lines), *self._by_folder(), NOTICE])

    def _by_folder(self) -> list[str]:
        """A table with a row for each folder; nothing for a single folder."""
        if len(self.folders) < 2:
            return []
        heads = sorted(self.answers)
        heads += [_EMPTY] if self.empty else []
        heads += [_UNREADABLE] if self.unreadable else []
        rows = [
            [printable(folder), str(self.pictures[folder]), *(str(counts[head]) for head in heads)]
            for folder, counts in list(self.folders.items())[:_MOST]
        ]
        more = len(self.folders) - len(rows)
        table = Table(["folder", "pictures", *heads], rows).text()
        return [table, *([f"and {more} more folders"] if more else [])]


def counted(count: int, label: str) -> str:
    """A count with its label, such as "3 monocytes" or "2 to review"."""
    if label in (OTHER, REVIEW):
        return f"{count} {'to review' if label == REVIEW else label}"
    return f"{count} {label}{'' if count == 1 else 's'}"


def _percent(count: int, total: int) -> str:
    share = 100 * count / total
    return f"{share:.0f} %" if share >= 0.5 else f"{share:.1g} %"
