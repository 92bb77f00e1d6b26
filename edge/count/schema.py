"""The tables of a session file, and how an older file becomes one of today."""

import sqlite3

from edge.errors import UserError

APPLICATION = 0x45435331  # "ECS1": SQLite's application_id of a session file
VERSION = 1  # SQLite's user_version; a change of the tables raises it and adds a step to MIGRATIONS

TABLES = """
-- One row: the session's identifier, unique for ever, and what is counted, by whom, and how it is read.
CREATE TABLE settings (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  id TEXT NOT NULL,
  json TEXT NOT NULL         -- of edge.count.journal.Settings
) STRICT;

-- Each start of the counting.
CREATE TABLE runs (
  id TEXT PRIMARY KEY,       -- unique for ever
  began REAL NOT NULL,       -- seconds since the epoch, by this machine's clock
  json TEXT NOT NULL         -- of edge.count.journal.Run: source, model, site profile, risk, software
) STRICT;

-- Pictures in which cells were found.
CREATE TABLE fields (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL REFERENCES runs (id),
  source TEXT NOT NULL,      -- a path or the name of a camera
  frame INTEGER NOT NULL,    -- its number in the source, from 0
  taken REAL NOT NULL,       -- seconds since the epoch
  width INTEGER NOT NULL, height INTEGER NOT NULL,  -- pixels
  sha256 TEXT                -- of the file; NULL for a camera's frame
) STRICT;
CREATE UNIQUE INDEX a_file_once ON fields (sha256, frame) WHERE sha256 IS NOT NULL;

CREATE TABLE cells (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL REFERENCES runs (id),
  field INTEGER NOT NULL REFERENCES fields (id),
  number INTEGER NOT NULL,   -- in its run (camera) or field (picture file), from 0; -1 if a person added the cell
  x REAL NOT NULL, y REAL NOT NULL,  -- centre of the nucleus in the field, pixels
  box TEXT NOT NULL,         -- JSON [left, top, width, height] in the field, pixels
  red_cell REAL NOT NULL,    -- diameter of a red cell, pixels
  answer TEXT NOT NULL,      -- the machine's: a label or "review"; "" if a person added the cell
  reason TEXT NOT NULL,      -- of the answer
  probabilities TEXT NOT NULL,  -- JSON, by label
  repeats INTEGER REFERENCES cells (id),  -- the cell that this one is, seen again; NULL for a new one
  crop TEXT NOT NULL         -- SHA-256 of its picture
) STRICT;

-- Pictures, apart from what is searched. Those of fields may be dropped to save space.
CREATE TABLE crops (cell INTEGER PRIMARY KEY REFERENCES cells (id), jpeg BLOB NOT NULL) STRICT;
CREATE TABLE field_pictures (field INTEGER PRIMARY KEY REFERENCES fields (id), jpeg BLOB NOT NULL) STRICT;

-- Everything that was done, in order. What a reader says about a cell is the latest row for both.
CREATE TABLE actions (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,          -- seconds since the epoch, by this machine's clock
  reader TEXT NOT NULL,      -- who did it; "" for the program
  kind TEXT NOT NULL CHECK (kind IN
    ('verdict', 'undo', 'redo', 'add', 'settings', 'start', 'end', 'sign', 'amend')),
  cell INTEGER REFERENCES cells (id),
  before TEXT, after TEXT,   -- JSON; of a verdict: [kind, note]; NULL for none
  step INTEGER               -- actions of one step share it, and are undone together; undo and redo: which step
) STRICT;
CREATE INDEX actions_of_a_cell ON actions (cell, reader, id);
-- Every change asks first whether the session is signed.
CREATE INDEX signatures ON actions (id) WHERE kind IN ('sign', 'amend');

-- Nothing that is written here is ever changed.
CREATE TRIGGER actions_stay BEFORE UPDATE ON actions BEGIN SELECT RAISE(ABORT, 'actions are never changed'); END;
CREATE TRIGGER actions_are_kept BEFORE DELETE ON actions BEGIN SELECT RAISE(ABORT, 'actions are never removed'); END;
CREATE TRIGGER cells_stay BEFORE UPDATE ON cells BEGIN SELECT RAISE(ABORT, 'cells are never changed'); END;
CREATE TRIGGER cells_are_kept BEFORE DELETE ON cells BEGIN SELECT RAISE(ABORT, 'cells are never removed'); END;
CREATE TRIGGER crops_stay BEFORE UPDATE ON crops BEGIN SELECT RAISE(ABORT, 'crops are never changed'); END;
CREATE TRIGGER crops_are_kept BEFORE DELETE ON crops BEGIN SELECT RAISE(ABORT, 'crops are never removed'); END;
"""

MIGRATIONS: dict[int, str] = {}  # by the version that a file has: the SQL that makes it one of the next version


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty file."""
    connection.executescript(
        f"BEGIN; {TABLES}; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    )


def version(connection: sqlite3.Connection, path: str) -> int:
    """The version of a session file.

    Raises:
        UserError: if it isn't a session file, or is of a later version than this program knows.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise UserError(f"{path} is not a session; edge-count start makes one.")
    if found not in MIGRATIONS and found < VERSION:
        raise UserError(f"Can't use {path}: the file is damaged.")
    if found > VERSION:
        raise UserError(
            f"{path} was written by a newer edge-count (version {found} of the file; this one knows {VERSION}); update."
        )
    return int(found)


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Brings a file of an older version to VERSION, wholly or not at all."""
    while found < VERSION:
        connection.executescript(f"BEGIN; {MIGRATIONS[found]}; PRAGMA user_version = {found + 1}; COMMIT;")
        found += 1
