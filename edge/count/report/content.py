"""What the formats of a report are written from: the session's summary, its cells, and which version this is."""

from dataclasses import dataclass
from datetime import UTC, datetime

from edge.count.journal import Journal
from edge.count.outcome import Outcome, outcome
from edge.count.records import WHITE as ALL_WHITE
from edge.count.summary import Summary, summary
from edge.count.verdicts import UNSURE
from edge.count.words import ENGLISH, Words, words

PRELIMINARY, FINAL, AMENDED = "preliminary", "final", "amended"


@dataclass(frozen=True)
class Content:
    """A session as of now.

    Attributes:
        journal: the open session, for its pictures.
        found: its cells with their labels.
        summary: what its report says.
        version: of the session: 1, or more after amendments.
        status: PRELIMINARY while the session isn't signed or its signature is broken, FINAL for the first version that
            is signed, and AMENDED for later ones.
        say: the words of the forms that a person reads.
    """

    journal: Journal
    found: Outcome
    summary: Summary
    version: int
    status: str
    say: Words

    @property
    def name(self) -> str:
        """Unique for this version of this session; may be part of a file's name."""
        return f"{self.summary.id}-v{self.version}"

    @property
    def is_differential(self) -> bool:
        """Whether the shares are those of all nucleated white cells, each of them judged by a person."""
        return (
            self.found.settings.counted == ALL_WHITE and self.found.every_cell_judged and not self.found.labels[UNSURE]
        )

    @property
    def people(self) -> list[str]:
        """Who stands for the result: the readers, or else the operator if there is a name."""
        return list(self.summary.readers) or [name for name in [self.summary.settings.operator] if name]


def content(journal: Journal, language: str = ENGLISH) -> Content:
    """Gathers what a report says. It doesn't change the session.

    Args:
        journal: an open session.
        language: of the forms that a person reads, one of edge.count.words.languages.

    Raises:
        UserError: if the session can't be read.
    """
    found = outcome(journal)
    about = summary(journal, found)
    if about.signature:
        version = about.signature.version
        signed = FINAL if version == 1 else AMENDED
        status = signed if about.signature.intact else PRELIMINARY
    else:
        version, status = 1 + len(journal.actions(kinds=("sign",))), PRELIMINARY
    return Content(journal, found, about, version, status, words(language))


def utc(seconds: float) -> str:
    """A time for machines, such as 2026-11-26T09:49:08+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
