"""The sessions that the page shows: one file, or all of a folder. A browser names a session by its identifier only."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge.count import alike, listing
from edge.count.journal import Journal
from edge.count.outcome import Outcome, outcome
from edge.errors import UserError

_Value = TypeVar("_Value")

_REMEMBERED = 4  # outcomes; one of 10,000 cells takes about 10 MB
_MEASURED = 12_000  # of cells; a look takes about 1 kB, their focus less


class Sessions:
    """The sessions of a file or a folder.

    A journal is opened for each request and closed after it, so that no lock outlives it.
    """

    def __init__(self, place: Path) -> None:
        """place: a session file, or a folder with *.session files. Raises UserError if it is neither."""
        self.place = place
        self._files: dict[str, Path] = {}
        self._known: dict[tuple[str, str], tuple[tuple[int, int], Outcome]] = {}
        self._measured: dict[tuple[str, str, int, Callable[[bytes], Any]], Any] = {}
        self._lock = threading.Lock()
        if not place.is_dir():
            self._find()

    def _find(self) -> tuple[dict[str, Path], list[str]]:
        """The files by key, and a sentence for each that can't be read."""
        one = not self.place.is_dir()
        found: dict[str, Path] = {}
        broken = []
        for file in [self.place] if one else listing.files(self.place):
            try:
                with Journal.open(file, read_only=True) as journal:
                    key = journal.id
            except UserError as error:
                if not one:
                    broken.append(str(error))
                    continue
                with Journal.open(file) as journal:  # updates an older version, or says what is wrong
                    key = journal.id
            copies = sum(known.partition("~")[0] == key for known in found)
            found[f"{key}~{copies + 1}" if copies else key] = file  # a copied file has the same identifier
        self._files = found
        return found, broken

    @property
    def folder(self) -> Path:
        """Where the sessions are."""
        return self.place if self.place.is_dir() else self.place.parent

    @property
    def only(self) -> str | None:
        """The key of the session, where the page shows one file."""
        return None if self.place.is_dir() else next(iter(self._files))

    def file(self, key: str) -> Path | None:
        """The file of a session, or None if there is none of this key."""
        if key not in self._files and self.place.is_dir():
            self._find()
        return self._files.get(key)

    def listed(self) -> tuple[list[tuple[str, listing.Row]], list[str]]:
        """All sessions with their keys, the latest first, and a sentence for each that can't be read."""
        files, broken = self._find()
        found = []
        for key, file in files.items():
            try:
                with Journal.open(file, read_only=True) as journal:
                    found.append((key, listing.row(journal, self.outcome(journal))))
            except UserError as error:
                broken.append(str(error))
        return sorted(found, key=lambda each: -each[1].began), broken

    def look(self, journal: Journal, cell: int) -> np.ndarray:
        """How a cell looks; see edge.count.alike. Raises UserError where there is no such cell."""
        return self._once(alike.look, journal, cell)

    def focus(self, journal: Journal, cell: int) -> str:
        """How sharp a cell's picture is; see edge.count.alike."""
        return self._once(alike.focus, journal, cell)

    def _once(self, measure: Callable[[bytes], Any], journal: Journal, cell: int) -> Any:
        """Measures the picture of a cell, which never changes, and remembers the result."""
        key = (journal.path, journal.id, cell, measure)
        found = self._measured.get(key)
        return self._kept(self._measured, key, measure(journal.crop(cell)), _MEASURED) if found is None else found

    def outcome(self, journal: Journal) -> Outcome:
        """The session's outcome as of now, computed anew only where something was added."""
        session, stamp = (journal.path, journal.id), version(journal)
        known, found = self._known.get(session, (None, None))
        if found is None or known != stamp:
            _, found = self._kept(self._known, session, (stamp, outcome(journal)), _REMEMBERED)
        return found

    def _kept(self, held: dict[Any, _Value], key: object, value: _Value, most: int) -> _Value:
        """Remembers a value, and forgets the oldest one beyond so many."""
        with self._lock:
            held[key] = value
            if len(held) > most:
                del held[next(iter(held))]
        return value


def version(journal: Journal) -> tuple[int, int]:
    """Changes with every cell and action."""
    return journal.next_action(), journal.count()
