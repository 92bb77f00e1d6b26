"""What is done at a site: a file to which each answered picture is added, so that a run that was killed goes on.

A line is written at once; what a crash cut off is removed when the file is opened. The latest line about a picture
counts. What the first look at the site found is in a file beside it.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edge.archive.reader import Answered, Row
from edge.errors import UserError, writing
from edge.system import fsync
from edge.system.whole import write_whole


@dataclass(slots=True)
class Done:
    """What is known of an answered picture.

    Attributes:
        stamp: see edge.archive.storage.
        sha256: of its content; "" where it must be read again anyway.
        by: names what answered it: model, settings and first look.
        at: where its rows begin in the journal, bytes.
    """

    stamp: str
    sha256: str
    by: str
    at: int


@dataclass
class Record:
    """What is known of a site beside its pictures.

    Attributes:
        site: its name.
        source: where its pictures come from.
        folder: what relative paths of pictures are relative to.
        settings: names what the first look was made with; see edge.archive.reader.Settings.digest.
        looked: how many pictures the site had at the first look.
        first: what the first look found, packed; b"" before it.
        written: names the rows that are written as Parquet; "" for none.
        counts: of each slide, for the summary; see edge.archive.summary.
    """

    site: str
    source: str
    folder: str = ""
    settings: str = ""
    looked: int = 0
    first: bytes = b""
    written: str = ""
    counts: dict[str, Any] | None = None


class Journal:
    """What is done at a site.

    Attributes:
        record: what is known of the site itself.
    """

    def __init__(self, folder: Path, site: str, source: str) -> None:
        """Reads what is there. Raises UserError if it can't be read, or if the site had another source."""
        self._file, self._about = (folder / f"{quoted(site)}.{ending}" for ending in ("jsonl", "json"))
        self.record = _record(self._about) or Record(site, source)
        if self.record.source != source:
            raise UserError(
                f"The site {site!r} in this archive has the pictures of {self.record.source}, not of {source}; name "
                "another --out, or name the sites in a table with the columns path and site."
            )
        with writing(self._file):
            if self._file.exists():
                fsync.mend(str(self._file))

    @cached_property
    def done(self) -> dict[str, Done]:
        """By path, what is known of a picture, as the file says when this is first asked for."""
        found: dict[str, Done] = {}
        if not self._file.exists():
            return found
        with self._file.open("rb") as file:
            at = 0
            for line in file:
                head, _, rows = line.partition(b"\t")
                try:
                    path, stamp, sha256, by = json.loads(head)
                except ValueError:  # a sector that the disk lost
                    at += len(line)
                    continue
                if rows.strip():
                    found[path] = Done(stamp, sha256, by, at + len(head) + 1)
                elif path in found:  # it was read again, and was as before
                    found[path].stamp = stamp
                at += len(line)
        return found

    def add(self, answers: Iterable[tuple[Answered, str]], by: str) -> None:
        """Adds answers, each with the stamp that its picture had. They are on the disk when this returns."""
        with writing(self._file), self._file.open("ab") as file:
            for each, stamp in answers:
                rows = b"" if each.rows is None else json.dumps(each.rows).encode()
                file.write(json.dumps([each.path, stamp, each.sha256, by]).encode() + b"\t" + rows + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self, paths: Iterable[str]) -> Iterator[tuple[str, Done, list[Row]]]:
        """The rows of each picture that is done, in the order of the paths. Raises UserError if the file is damaged."""
        paths = list(paths)
        if not paths:
            return
        with self._file.open("rb") as file:
            for path in paths:
                done = self.done[path]
                file.seek(done.at)
                try:
                    found = json.loads(file.readline())
                except ValueError as error:
                    raise UserError(
                        f"{self._file} is damaged; remove it, and the pictures of the site are answered again."
                    ) from error
                yield path, done, found

    def save(self) -> None:
        """Writes the record."""
        document = asdict(self.record) | {"first": base64.b64encode(self.record.first).decode()}
        with writing(self._about):
            write_whole(self._about, lambda part: part.write_text(json.dumps(document)))


def records(folder: Path) -> list[Record]:
    """What is known of all sites, by name."""
    found = (_record(path) for path in sorted(folder.glob("*.json")))
    return sorted((each for each in found if each), key=lambda each: each.site)


def quoted(name: str) -> str:
    """A site's name as the name of a file or folder; Parquet's readers turn it back."""
    return quote(name, safe="").replace(".", "%2E")


def _record(path: Path) -> Record | None:
    """None where there is none, or where it isn't whole: it is then made anew."""
    try:
        document = json.loads(path.read_text())
        return Record(**document | {"first": base64.b64decode(document["first"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
