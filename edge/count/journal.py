"""The file of a counting session: one SQLite database that holds every cell, picture, answer and verdict.

>>> from edge.count.journal import Journal
>>> with Journal.open("slide-7.session") as journal:
...     for cell in journal.cells():
...         print(cell.id, cell.answer)
"""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.count import schema
from edge.count.records import LONGEST_NAME, Action, CountedCell, Field, Run, Settings
from edge.count.verdicts import Verdict
from edge.errors import UserError, must_be_new, reason
from edge.system.lock import lock
from edge.system.run_id import new_run

_WAIT = 10.0  # seconds that a write waits for another program's write to the same file


class Journal:
    """An open session file. Nothing that was written is ever changed; a correction is one more action.

    Every write is on the disk when its function returns.

    Attributes:
        path: of the file.
        id: the session's identifier, unique for ever; a copy of the file has the same.
        settings: what the session counts, and how it is read.
        read_only: whether nothing may be written.
    """

    def __init__(self, path: str, read_only: bool = False) -> None:
        """Opens an existing session. Use Journal.open or Journal.create."""
        self.path, self.read_only = path, read_only
        self._counting: int | None = None
        with saying(path):
            self._database = _connect(path, read_only)
            try:
                found = schema.version(self._database, path)
                if read_only and found != schema.VERSION:
                    raise UserError(f"{path} is of an older version; open it once for writing, which updates it.")
                schema.migrate(self._database, found)
                with _decoding(path):
                    self.id, self.settings = self._settings()
            except BaseException:
                self._database.close()
                raise

    @classmethod
    def open(cls, path: str | Path, read_only: bool = False) -> Self:
        """Opens a session file.

        Args:
            path: of the file.
            read_only: whether nothing will be written. This also works while another program counts into the file.

        Raises:
            UserError: if there is none, if it is something else, or if it can't be opened.
        """
        if not Path(path).is_file():
            raise UserError(f"{path} is no file; edge-count start makes a session.")
        return cls(str(path), read_only)

    @classmethod
    def create(cls, path: str | Path, settings: Settings) -> Self:
        """Makes a new session file, whole or not at all. Raises UserError if there is something at the path."""
        part = Path(f"{path}.part")
        with saying(str(path)):
            must_be_new(path)
            part.unlink(missing_ok=True)
            database = sqlite3.connect(part, isolation_level=None)
            try:
                schema.create(database)
                database.execute("INSERT INTO settings VALUES (1, ?, ?)", (new_run(), _json(asdict(settings))))
            finally:
                database.close()
            with part.open("rb") as file:
                os.fsync(file.fileno())
            try:
                os.link(part, path)  # unlike a rename, this never replaces another file
            except FileExistsError:
                raise UserError(f"{path} exists already; name another file.") from None
            except OSError:  # a file system without links, such as that of a USB stick
                part.rename(path)
            part.unlink(missing_ok=True)
        return cls(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Whatever was written is then in this one file, which may be copied."""
        with suppress(sqlite3.Error):
            if not self.read_only:
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()
        if self._counting is not None:
            os.close(self._counting)  # only now: SQLite's own locks would go with it
            self._counting = None

    def lock_for_counting(self) -> None:
        """Makes this process the only one that counts into the file. Others may still read it and judge cells.

        Raises:
            UserError: if another process counts into it.
        """
        with saying(self.path):
            descriptor = os.open(self.path, os.O_RDONLY)
        if not lock(descriptor):
            os.close(descriptor)
            raise UserError(f"Another edge-count counts into {self.path}; wait for its end, or name another file.")
        self._counting = descriptor

    # Reading

    def runs(self) -> list[Run]:
        """All starts of the counting, in order."""
        with _decoding(self.path):
            return [Run(**json.loads(text)) for (text,) in self._all("SELECT json FROM runs ORDER BY began, rowid")]

    def cells(self, run: str | None = None) -> list[CountedCell]:
        """All cells in the order in which they were found; of one run, if its id is given."""
        where, values = ("WHERE run = ?", (run,)) if run else ("", ())
        with _decoding(self.path):
            return [CountedCell.from_row(row) for row in self._each(f"{_CELLS} {where} ORDER BY id", values)]

    def cell(self, number: int) -> CountedCell:
        """One cell. Raises UserError if there is none of this number."""
        rows = self._all(f"{_CELLS} WHERE id = ?", (number,))
        if not rows:
            raise UserError(f"{self.path} has no cell {number}.")
        with _decoding(self.path):
            return CountedCell.from_row(rows[0])

    def count(self) -> int:
        """How many cells were found."""
        return int(self._all("SELECT count(*) FROM cells")[0][0])

    def crop(self, cell: int) -> bytes:
        """The picture of a cell, JPEG. Raises UserError if there is none."""
        rows = self._all("SELECT jpeg FROM crops WHERE cell = ?", (cell,))
        if not rows:
            raise UserError(f"{self.path} has no cell {cell}.")
        return bytes(rows[0][0])

    def picture_hashes(self) -> dict[int, str]:
        """By cell, the SHA-256 that its picture had when it was taken."""
        return dict(self._all("SELECT id, crop FROM cells"))

    def field(self, number: int) -> Field:
        """One field. Raises UserError if there is none of this number."""
        rows = self._all("SELECT run, source, frame, taken, width, height, sha256 FROM fields WHERE id = ?", (number,))
        if not rows:
            raise UserError(f"{self.path} has no field {number}.")
        return Field(*rows[0])

    def fields(self) -> dict[int, Field]:
        """All fields by number."""
        rows = self._all("SELECT id, run, source, frame, taken, width, height, sha256 FROM fields ORDER BY id")
        return _Fields(self.path, {row[0]: Field(*row[1:]) for row in rows})

    def field_picture(self, number: int) -> bytes | None:
        """The picture of a field, JPEG; None if it was dropped to save space."""
        rows = self._all("SELECT jpeg FROM field_pictures WHERE field = ?", (number,))
        return bytes(rows[0][0]) if rows else None

    def knows(self, sha256: str, frame: int) -> bool:
        """Whether a picture file, by its hash, was counted already. frame: the page of the file, from 0."""
        return bool(self._all("SELECT 1 FROM fields WHERE sha256 = ? AND frame = ?", (sha256, frame)))

    def verdicts(self) -> dict[str, dict[int, Verdict]]:
        """What each reader says now: by reader, in the order of their first action, the verdict by cell."""
        found: dict[str, dict[int, Verdict]] = {}
        rows = self._each("SELECT reader, cell, after FROM actions WHERE cell IS NOT NULL ORDER BY id")
        with _decoding(self.path):
            for reader, cell, after in rows:
                mine = found.setdefault(reader, {})
                if after is None:
                    mine.pop(cell, None)
                else:
                    mine[cell] = Verdict(*json.loads(after))
        return found

    def said_of(self, cell: int) -> dict[str, Verdict]:
        """What each reader says now about one cell, by reader."""
        latest = {action.reader: action.after for action in self.actions(cell=cell)}
        with _decoding(self.path):
            return {reader: Verdict(*after) for reader, after in latest.items() if after is not None}

    def actions(self, reader: str | None = None, cell: int | None = None, kinds: Sequence[str] = ()) -> list[Action]:
        """What was done, in order: all of it, or only by a reader, to a cell, or of some kinds."""
        where, values = ["1"], []
        for column, value in (("reader", reader), ("cell", cell)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values += kinds
        rows = self._all(
            f"{_ACTIONS} WHERE {' AND '.join(where)} ORDER BY id",
            values,
        )
        with _decoding(self.path):
            return [Action.from_row(row) for row in rows]

    def size(self) -> int:
        """The size of the file in bytes."""
        return sum(path.stat().st_size for path in (Path(self.path), Path(f"{self.path}-wal")) if path.exists())

    # Writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One change of the file: all that is written in this block, or nothing.

        Raises:
            UserError: if it can't be written, or if the session is signed.
        """
        if self.read_only:
            raise UserError(f"{self.path} was opened for reading only.")
        if self._database.in_transaction:  # part of a larger change
            yield
            return
        with saying(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    def begin(self, run: Run) -> None:
        """Notes that a run begins."""
        with self.changing():
            self._database.execute("INSERT INTO runs VALUES (?, ?, ?)", (run.id, run.began, _json(asdict(run))))
            self._act("", "start", after=run.id)

    def end(self, run: str, how: dict[str, Any]) -> None:
        """Notes how a run ended. how: JSON values, such as what was unlike home."""
        with self.changing():
            self._act("", "end", before=run, after=how)

    def add_field(self, field: Field, jpeg: bytes | None) -> int:
        """Adds a picture in which cells were found, and returns its number."""
        with self.changing():
            number = self._database.execute(
                "INSERT INTO fields (run, source, frame, taken, width, height, sha256) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (field.run, field.source, field.frame, field.taken, field.width, field.height, field.sha256),
            ).lastrowid
            assert number is not None
            if jpeg is not None:
                self._database.execute("INSERT INTO field_pictures VALUES (?, ?)", (number, jpeg))
                self._thin()
        return number

    def add_cell(self, cell: CountedCell, jpeg: bytes) -> int:
        """Adds a cell with its picture, and returns its number."""
        with self.changing():
            number = self._database.execute(
                "INSERT INTO cells (run, field, number, x, y, box, red_cell, answer, reason, probabilities, repeats, "
                "crop) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(cell.run, cell.field, cell.number, cell.x, cell.y, _json(cell.box), cell.red_cell, cell.answer),
                    *(cell.reason, _json(cell.probabilities), cell.repeats, hashlib.sha256(jpeg).hexdigest()),
                ),
            ).lastrowid
            assert number is not None
            self._database.execute("INSERT INTO crops VALUES (?, ?)", (number, jpeg))
        return number

    def judge(
        self, reader: str, verdicts: dict[int, Verdict | None], kind: str = "verdict", step: int | None = None
    ) -> None:
        """Notes what a reader says about cells, as one step.

        Args:
            reader: who says it.
            verdicts: by number of the cell; None takes a verdict back.
            kind: "verdict", "add", "undo" or "redo".
            step: of an undo or redo, the step that it is about; None for a new step.

        Raises:
            UserError: for a cell that doesn't exist, a reader without a name, or a signed session.
        """
        if not reader.strip() or len(reader) > LONGEST_NAME or not reader.isprintable():
            raise UserError("A reader needs a name; give it with --reader.")
        with self.changing():
            for number, verdict in verdicts.items():
                self.cell(number)
                rows = self._database.execute(
                    "SELECT after FROM actions WHERE cell = ? AND reader = ? ORDER BY id DESC LIMIT 1", (number, reader)
                ).fetchall()
                before = _parsed(rows[0][0]) if rows else None
                after = None if verdict is None else [verdict.kind, verdict.note]
                step = self._act(reader, kind, number, before, after, step)

    def change_settings(self, settings: Settings) -> None:
        """Changes what the session counts or how it is read; the earlier settings stay in the actions."""
        if settings == self.settings:
            return
        with self.changing():
            old, new = asdict(self.settings), asdict(settings)
            changed = [name for name in old if old[name] != new[name]]
            self._database.execute("UPDATE settings SET json = ?", (_json(new),))
            self._act(
                settings.operator,
                "settings",
                before={name: old[name] for name in changed},
                after={name: new[name] for name in changed},
            )
        self.settings = settings

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Like `writing`, but a signed session refuses it."""
        with self.writing():
            signed = self.signature()
            if signed:
                raise UserError(
                    f"{self.path} is signed by {signed.reader} and can't be changed; edge-count amend begins a new "
                    "version of it."
                )
            yield

    def signature(self) -> Action | None:
        """The action by which the session is signed; None while it isn't, or since it is amended."""
        last = self._all(f"{_ACTIONS} WHERE kind IN ('sign', 'amend') ORDER BY id DESC LIMIT 1")
        if not last or last[0][3] == "amend":
            return None
        with _decoding(self.path):
            return Action.from_row(last[0])

    def add_signature(self, reader: str, kind: str, content: dict[str, Any]) -> None:
        """Notes that a reader signs ("sign") or amends ("amend") the session; see edge.count.signing."""
        with self.writing():
            self._act(reader, kind, after=content)

    def next_action(self) -> int:
        """The number that the next action will have."""
        return int(self._all("SELECT coalesce(max(id), 0) + 1 FROM actions")[0][0])

    def rows(self, before: int) -> Iterator[tuple[Any, ...]]:
        """All rows that a signature covers, without the pictures. Those of cells have their hashes in their rows.

        before: the number of the signature's action; later ones aren't covered.
        """
        yield from self._all("SELECT id, json FROM settings")
        yield from self._all("SELECT id, began, json FROM runs ORDER BY rowid")
        yield from self._each("SELECT * FROM fields ORDER BY id")
        yield from self._each("SELECT * FROM cells ORDER BY id")
        yield from self._each("SELECT * FROM actions WHERE id < ? ORDER BY id", (before,))

    def copy(self, path: str | Path) -> None:
        """Writes a copy of the whole session, also while another program counts into it. Raises UserError."""
        must_be_new(path)
        with saying(str(path)):
            target = sqlite3.connect(path, isolation_level=None)
            try:
                self._database.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")
            finally:
                target.close()

    def _settings(self) -> tuple[str, Settings]:
        number, text = self._all("SELECT id, json FROM settings")[0]
        return str(number), Settings(**json.loads(text))

    def _each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows, one at a time, for what may be large."""
        with saying(self.path):
            yield from self._database.execute(sql, values)

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with saying(self.path):
            return self._database.execute(sql, values).fetchall()

    def _act(
        self,
        reader: str,
        kind: str,
        cell: int | None = None,
        before: Any = None,
        after: Any = None,
        step: int | None = None,
    ) -> int:
        """Adds an action, and returns its step: the given one, or else its own number."""
        number = self.next_action()
        texts = [None if each is None else _json(each) for each in (before, after)]
        step = number if step is None else step
        self._database.execute(
            "INSERT INTO actions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, time.time(), reader, kind, cell, *texts, step),
        )
        return step

    def _thin(self) -> None:
        """Drops pictures of fields until there are no more than the settings allow."""
        (held,) = self._database.execute("SELECT count(*) FROM field_pictures").fetchone()
        if held <= self.settings.fields:
            return
        self._database.execute(
            "DELETE FROM field_pictures WHERE field IN (SELECT field FROM field_pictures ORDER BY EXISTS "
            "(SELECT 1 FROM cells WHERE cells.field = field_pictures.field AND answer = 'review'), field LIMIT ?)",
            (held - self.settings.fields,),
        )


_CELLS = "SELECT field, number, x, y, box, red_cell, answer, reason, probabilities, repeats, run, id FROM cells"


_ACTIONS = "SELECT id, at, reader, kind, cell, before, after, step FROM actions"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _connect(path: str, read_only: bool) -> sqlite3.Connection:
    """Opens a session file."""
    address = Path(path).resolve().as_uri()
    if read_only:
        # Without a -wal file there is nothing but the file itself, and it can be read on a card that is read-only.
        alone = not Path(f"{path}-wal").exists() and not os.access(Path(path).resolve().parent, os.W_OK)
        address += "?mode=ro" + ("&immutable=1" if alone else "")
    else:
        address += "?mode=rw"
    database = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_WAIT, check_same_thread=False)
    if not read_only:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            database.close()
            raise
    return database


_REASONS = {
    "disk is full": "there is no space left on the disk",
    "readonly": "the file or its disk is read-only",
    "locked": "another program writes to it; try again",
    "unable to open": "it can't be opened there",
    "malformed": "the file is damaged",
    "not a database": "it is not a session",
    "disk i/o error": "the disk fails",
}


@contextmanager
def saying(path: str) -> Iterator[None]:
    """Turns errors of SQLite and of the disk into a UserError."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error).lower()
        why = next((said for part, said in _REASONS.items() if part in text), reason(error))
        raise UserError(f"Can't use {path}: {why}. What was shown as taken before is in the file.") from error
    except OSError as error:
        raise UserError(f"Can't use {path}: {reason(error)}.") from error


@contextmanager
def _decoding(path: str) -> Iterator[None]:
    """Turns the error of a row that SQLite reads, but that says nothing sensible, into a UserError."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"Can't use {path}: the file is damaged.") from error


class _Fields(dict[int, Field]):
    """Fields by number. One that a cell names and that doesn't exist is a damage of the file."""

    def __init__(self, path: str, fields: dict[int, Field]) -> None:
        super().__init__(fields)
        self._path = path

    def __missing__(self, number: int) -> Field:
        raise UserError(f"Can't use {self._path}: the file is damaged; field {number} is missing.")
