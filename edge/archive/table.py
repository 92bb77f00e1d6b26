"""The rows of an archive as Parquet: the fields of a JSON line with their types, and slide and sha256 beside them.

Same rows, same bytes: they are written in the order of the pictures, in groups of a fixed size.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as arrow
from pyarrow import parquet

from edge.archive.reader import Row

_GROUP = 10_000  # rows that are written at once
_FILE = 500_000  # rows of a file


def schema(labels: Sequence[str]) -> arrow.Schema:
    """The columns. labels: of the model."""
    text, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    run = arrow.struct([("unlike", real), ("why", text), ("moved", arrow.map_(text, real))])
    columns = [
        ("slide", text),
        ("source", text),
        ("sha256", text),
        ("frame", whole),
        ("cell", whole),
        ("cells", whole),
        ("box", arrow.list_(whole)),
        ("diameter", real),
        ("red_cell", real),
        ("red_cell_uncertainty", real),
        ("at_border", arrow.bool_()),
        ("centre_distance", real),
        ("label", text),
        ("reason", text),
        ("probabilities", arrow.struct([(label, real) for label in labels])),
        ("shift", real),
        ("run", run),
        ("model", text),
        ("error", text),
    ]
    return arrow.schema(columns)


def write(folder: Path, rows: Iterable[Row], labels: Sequence[str]) -> None:
    """Writes rows as part-00000.parquet and so on into a folder. Raises OSError if that isn't possible."""
    columns, waiting = schema(labels), iter(rows)
    for number in itertools.count():
        first = list(itertools.islice(waiting, _GROUP))
        if not first and number:
            return
        groups = itertools.chain([first], iter(lambda: list(itertools.islice(waiting, _GROUP)), []))
        with parquet.ParquetWriter(folder / f"part-{number:05}.parquet", columns, compression="zstd") as file:
            for group in itertools.islice(groups, _FILE // _GROUP):
                file.write_table(arrow.Table.from_pylist([_plain(row) for row in group], columns))


def read(folder: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a site, without what is missing in them. columns: only these; None for all."""
    for path in sorted(folder.glob("*.parquet")):
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_GROUP, columns=columns):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    yield _without_missing(row)


def _plain(row: Row) -> Row:
    """A row with text that is valid UTF-8: other bytes of a file's name are escaped."""
    return {key: _text(value) if isinstance(value, str) else value for key, value in row.items()}


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _without_missing(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {key: _without_missing(value) for key, value in row.items() if value is not None}
