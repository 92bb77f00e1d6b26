"""What a user means by sources: folders, patterns, files, tables and object storage -> sites with their pictures.

A site is one microscope with its stain and camera: its red cells are measured together. Each folder, pattern or address
is one, unless a table says otherwise.
"""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.archive import storage
from edge.errors import UserError, reason
from edge.reading import finding
from edge.system import csv_table
from edge.system.paths import clean

_TEXT = (".csv", ".tsv")
_TABLES = (*_TEXT, ".parquet", ".pq")
_MAGIC = re.compile(r"[*?[]")
LONGEST = 80  # characters of a site's name, because it becomes the name of a folder


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of an archive.

    Attributes:
        path: on disk, or its address.
        slide: the slide that it belongs to; "" if that isn't known.
        stamp: see edge.archive.storage; "" where there is nothing.
    """

    path: str
    slide: str
    stamp: str


@dataclass
class Site:
    """A microscope with its pictures.

    Attributes:
        name: 1 to LONGEST characters, all printable.
        source: where its pictures come from: a folder, a pattern, an address, or a table.
        pictures: in order, none twice.
        wrong: rows of a table that name no picture, each with what is wrong with it.
    """

    name: str
    source: str
    pictures: list[Picture] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Listing:
    """All that the sources name.

    Attributes:
        sites: in the order of the sources.
        notes: sentences about what was left out.
    """

    sites: list[Site]
    notes: list[str]


def find(sources: Sequence[str]) -> Listing:
    """Lists the pictures of an archive.

    Args:
        sources: folders (with all subfolders), glob patterns, files, addresses of object storage, and tables (CSV or
            Parquet) with the column path and perhaps the columns site and slide. A path in a table is relative to the
            table's folder.

    Raises:
        UserError: if a source can't be read, or if nothing is found.
    """
    sites: dict[str, Site] = {}
    notes: list[str] = []
    seen: set[str] = set()
    repeated = 0
    for source in sources:
        for name, origin, picture in _pictures(source, notes):
            site = sites.setdefault(name, Site(name, origin))
            if site.source != origin:
                raise UserError(
                    f"{site.source} and {origin} would both be the site {name!r}; name the sites in a table with the "
                    "columns path and site."
                )
            if isinstance(picture, tuple):
                site.wrong.append(picture)
            elif picture.path in seen:
                repeated += 1
            else:
                seen.add(picture.path)
                site.pictures.append(picture)
    if not seen and not any(site.wrong for site in sites.values()):
        raise UserError(" ".join([f"No pictures found in {' '.join(sources)}.", *notes]))
    if repeated:
        notes.append(f"{repeated} pictures were named more than once; each is answered once.")
    return Listing([site for site in sites.values() if site.pictures or site.wrong], notes)


_Named = tuple[str, str, Picture | tuple[str, str]]  # site, source, and a picture or a wrong row


def _pictures(source: str, notes: list[str]) -> Iterator[_Named]:
    if source.lower().endswith(_TABLES):
        yield from _in_table(source)
    elif storage.is_url(source):
        top = _fixed(source)
        found = storage.listed(source)
        if source in found:  # one object
            top = source.rpartition("/")[0]
        for url, stamp in found.items():
            yield _name(top), top, Picture(url, _slide(url, top), stamp)
    else:
        listing = finding.find([source])
        if not any(os.path.lexists(path) for path in listing.files or [source]):
            raise UserError(f"{source} does not exist{', and matches no file' if _MAGIC.search(source) else ''}.")
        top = source if os.path.isdir(source) else _fixed(source)
        for path in listing.files:
            yield _name(top), top, Picture(path, _slide(path, top), storage.stamp(path))
        if left_out := listing.left_out():
            notes.append(left_out)


def _fixed(source: str) -> str:
    """The folder that all matches of a pattern lie in; of a file, its folder; of an address, itself."""
    parts = source.split("/")
    fixed = next((place for place, part in enumerate(parts) if _MAGIC.search(part)), None)
    if fixed is None:
        return source.rstrip("/") if storage.is_url(source) else os.path.dirname(source) or "."
    return "/".join(parts[:fixed]) or ("/" if source.startswith("/") else ".")


def _name(top: str) -> str:
    """The name of a site whose pictures are below a folder or an address."""
    whole = top.rstrip("/") if storage.is_url(top) else os.path.abspath(top)
    return clean(whole.rpartition("/")[2] or whole)[:LONGEST]


def _slide(path: str, top: str) -> str:
    """The folder of a picture below the top one, as the name of its slide; "" if it lies in the top one itself."""
    inner = path[len(top) :] if storage.is_url(path) else os.path.relpath(path, top)
    return clean(inner.strip("/").rpartition("/")[0])


def _in_table(source: str) -> Iterator[_Named]:
    """The pictures that a table names. A row that names none is told by its line."""
    folder = source.rpartition("/")[0]
    own = _name(source.rpartition("/")[2].rpartition(".")[0] or "table")
    rows = _rows(source)
    paths = [_place(_said(row, "path"), folder) for _, row, _ in rows]
    stamps = storage.stamps([path for path in paths if storage.is_url(path)])
    for (where, row, wrong), path in zip(rows, paths, strict=True):
        name, slide = (clean(_said(row, key)) for key in ("site", "film"))
        if not wrong and not path:
            wrong = "names no picture: its column path is empty."
        if len(name) > LONGEST:
            wrong, name = wrong or f"names a site with more than {LONGEST} characters.", ""
        if wrong:
            yield name or own, source, (f"{source}, {where}", wrong)
        else:
            yield name or own, source, Picture(path, slide, stamps.get(path) or storage.stamp(path))


def _said(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value)


def _place(path: str, folder: str) -> str:
    """A path in a table, as seen from here."""
    if not path or storage.is_url(path) or path.startswith("/") or not folder:
        return path
    return f"{folder}/{path}"


def _rows(source: str) -> list[tuple[str, dict[str, Any], str]]:
    """The rows of a table, each with its place and with what is wrong with it, "" for nothing."""
    with storage.Copies() as copies:
        local = copies.of(source)
        if source in copies.errors:
            raise UserError(f"{source} {copies.errors[source]}")
        if not source.lower().endswith(_TEXT):
            return [(f"row {number}", row, "") for number, row in enumerate(_parquet(local, source), 1)]
        try:
            rows = list(csv_table.numbered(Path(local), ("path",)))
        except UserError as error:
            raise UserError(str(error).replace(local, source)) from error
        return [
            (f"line {number}", row, f"can't be read: {reason(wrong)}." if isinstance(wrong, csv.Error) else wrong)
            for number, row, wrong in rows
        ]


def _parquet(local: str, source: str) -> list[dict[str, Any]]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        names = parquet.read_schema(local).names
        chosen = [name for name in names if name in ("path", "site", "slide")]
        table = parquet.read_table(local, columns=chosen)
    except (OSError, arrow.ArrowException) as error:
        raise UserError(f"{source} is not a readable table: {reason(error)}.") from error
    if "path" not in chosen:
        raise UserError(f"{source} lacks the column path (its columns: {', '.join(names) or 'none'}).")
    return [{**row, "film": row.get("slide")} for row in table.to_pylist()]
