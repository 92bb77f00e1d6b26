"""Reads tables as people's programs write them: CSV of Excel, of Windows, of Linux. Writes plain ones."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from edge.errors import UserError, reason
from edge.system.paths import clean

_LFS = b"version https://git-lfs"
"""How a file begins that Git LFS left in the place of the real one."""
# Other names of this project's columns; spaces and hyphens have become underscores.
_COLUMNS = {
    name: column
    for column, names in {
        "path": "file filename file_name file_path image image_name image_path picture",
        "label": "class class_name category cell_type",
        "split": "set subset partition fold",
        "film": "slide slide_id smear patient patient_id subject subject_id",
    }.items()
    for name in names.split()
}
_DELIMITERS = ",;\t|"


def rows(path: Path, needed: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a table, without the space around their cells. Rows of empty cells are left out.

    UTF-8, UTF-16 and cp1252 are read; commas, semicolons, tabs and bars between cells; columns in capitals or under a
    usual other name, such as "filename" for "path"; and paths with backslashes.

    Args:
        path: the file.
        needed: the columns that it must have, in lower case.

    Returns:
        A dictionary a row, by column in lower case. Every row has every column; an absent cell is "". Control
        characters become "_", but for those of paths.

    Raises:
        UserError: if the file can't be read, lacks a needed column or has one twice, or if a row has too many cells.
    """
    table = []
    for number, row, wrong in numbered(path, needed):
        if isinstance(wrong, csv.Error):
            raise UserError(f"{path} is not a readable table: {reason(wrong)}.")
        if wrong:
            raise UserError(f"{path}, line {number}, {wrong}")
        table.append(row)
    return table


def numbered(path: Path, needed: Iterable[str]) -> Iterator[tuple[int, dict[str, str], csv.Error | str]]:
    """Like `rows`, but goes on past a wrong row.

    Yields:
        For each row its line, the row, and what is wrong with it: the error of the csv module, or the end of a sentence
        that begins with the line; "" for nothing.

    Raises:
        UserError: if the file can't be read, lacks a needed column or has one twice.
    """
    try:
        text = _text(path)
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path} is not a readable table: {reason(error)}.") from error
    found = [(number, cells, unreadable) for number, cells, unreadable in _lines(text) if unreadable or any(cells)]
    if found and isinstance(found[0][2], csv.Error):
        raise UserError(f"{path} is not a readable table: {reason(found[0][2])}.")
    if "\0" in text:
        raise UserError(f"{path} is not a table of text; save it as CSV in UTF-8.")
    if found and found[0][1][0].lower().startswith("sep="):  # a line for Excel
        del found[0]
    columns = _named(found[0][1] if found else [])
    missing = sorted(set(needed) - set(columns))
    if missing:
        has = ", ".join(filter(None, columns)) or "none"
        raise UserError(f"{path} lacks the column {', '.join(missing)} (its columns: {has}).")
    twice = [name for name in dict.fromkeys(columns) if name and columns.count(name) > 1]
    if twice:
        raise UserError(f"{path} has the column {twice[0]} twice; rename one.")
    for number, cells, unreadable in found[1:]:
        wrong: csv.Error | str = unreadable or ""
        if any(cells[len(columns) :]):
            wrong = "has more cells than columns; put quotes around what holds commas."
        named = zip(columns, cells, strict=False)
        row = dict.fromkeys(columns, "") | {name: cell if name == "path" else clean(cell) for name, cell in named}
        if "\\" in row.get("path", "") and not (path.parent / row["path"]).exists():
            row["path"] = row["path"].replace("\\", "/")
        yield number, row, wrong


def _lines(text: str) -> Iterator[tuple[int, list[str], csv.Error | None]]:
    """The lines of a table, each with its number, its cells, and the error of the csv module if it can't be read."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    while True:
        try:
            cells = [cell.strip() for cell in next(lines)]
        except StopIteration:
            return
        except csv.Error as error:
            yield lines.line_num, [], error
        else:
            yield lines.line_num, cells, None


def write(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Writes a table as CSV. Raises OSError if that isn't possible."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: clean(str(value)) for name, value in row.items()} for row in rows)


def _text(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith(_LFS):
        raise UserError(f"{path} is a Git LFS pointer, not the table itself; run `git lfs pull`.")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _delimiter(text: str) -> str:
    """What stands most often between the cells of the first line."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4]
    return max(_DELIMITERS, key=first.count)


def _named(heads: list[str]) -> list[str]:
    """The columns under this project's names. Another name counts only where the table doesn't use ours."""
    plain = ["_".join(head.lower().replace("-", " ").split()) for head in heads]
    named = [_COLUMNS.get(head, head) for head in plain]
    return [head if name in plain or named.count(name) > 1 else name for head, name in zip(plain, named, strict=True)]
