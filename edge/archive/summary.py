"""An archive in numbers: of each site and each slide, how many cells have which answer, and how sure that is.

>>> from edge.archive import summary
>>> for row in summary.read(Path("answers")):
...     print(row["site"], row["slide"], row["review_share"])
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.archive.journal import Record
from edge.archive.reader import First, Row
from edge.decide import REVIEW
from edge.errors import UserError, reason
from edge.output.tables import Table
from edge.share import share
from edge.system.streams import printable
from edge.system.whole import write_whole

FILE = "summary.parquet"
SITE, SLIDE = "site", "slide"  # what a row of the summary is about
Counts = dict[str, dict[str, Any]]  # of each slide


def counted(pictures: Iterable[tuple[str, Sequence[Row]]], into: Counts) -> Iterator[Row]:
    """Passes rows on, and counts them by slide.

    Args:
        pictures: the slide and the rows of each picture.
        into: gets the counts.
    """
    for slide, rows in pictures:
        counts = into.setdefault(slide, {"pictures": 0, "unreadable": 0, "cells": 0, "labels": {}})
        counts["pictures"] += 1
        counts["unreadable"] += any("error" in row for row in rows)
        for row in rows:
            if label := row.get("label"):
                counts["cells"] += 1
                counts["labels"][label] = counts["labels"].get(label, 0) + 1
        yield from rows


def write(out: Path, records: Sequence[Record]) -> None:
    """Writes the summary of all sites. Raises OSError if that isn't possible."""
    import pyarrow as arrow
    from pyarrow import parquet

    labels = sorted(
        {label for each in records for counts in (each.counts or {}).values() for label in counts["labels"]}
    )
    rows = [row for each in records if each.counts for row in _rows(each, sorted({*labels, REVIEW}))]
    if rows:
        write_whole(out / FILE, lambda part: parquet.write_table(arrow.Table.from_pylist(rows), part))


def read(out: Path) -> list[Row]:
    """The summary: a row for each site and for each slide. Raises UserError where there is none."""
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        rows: list[Row] = parquet.read_table(out / FILE).to_pylist()
    except FileNotFoundError:
        raise UserError(f"{out} holds no answers yet; edge-archive run writes them.") from None
    except (OSError, arrow.ArrowException) as error:
        raise UserError(f"{out / FILE} can't be read: {reason(error)}.") from error
    return rows


def text(rows: Sequence[Row], most: int) -> str:
    """The summary for a person: all sites, then the slides, the worst first.

    A slide is bad if many of its cells are left for review or many of its pictures can't be read. By the lower ends of
    the intervals, so that few cells don't make the worst slide.

    most: number of slides to show; 0 for none.
    """
    sites = [row for row in rows if row["level"] == SITE]
    slides = sorted((row for row in rows if row["level"] == SLIDE), key=_trouble, reverse=True)
    parts = [_table("site", sites)]
    if most and len(slides) > len(sites):
        parts.append(_table("slide, the worst first", slides[:most]))
        more = len(slides) - most
        parts += [f"and {more} more slides"] if more > 0 else []
    parts += [f"{printable(row['site'])} is unlike the training pictures: {row['why']}." for row in sites if row["why"]]
    return "\n\n".join(parts)


def _trouble(row: Row) -> float:
    unreadable = share(row["unreadable"], row["pictures"]).low or 0.0
    return max(row[f"{REVIEW}_low"] or 0.0, unreadable)


def _table(head: str, rows: Sequence[Row]) -> str:
    labels = [key.removesuffix("_share") for key in rows[0] if key.endswith("_share")]
    labels = [label for label in labels if label != REVIEW]
    heads = [head, "pictures", "unreadable", "cells", *labels, "to review", "95 %", "unlike home"]
    lines = []
    for row in rows:
        name = row["site"] if row["level"] == SITE else f"{row['site']}/{row['slide'] or '.'}"
        low, high = row[f"{REVIEW}_low"], row[f"{REVIEW}_high"]
        lines.append(
            [
                printable(name),
                *(str(row[key]) for key in ("pictures", "unreadable", "cells", *labels)),
                "-" if low is None else f"{100 * row[f'{REVIEW}_share']:.0f} %",
                "-" if low is None else f"{100 * low:.0f} to {100 * high:.0f} %",
                "-" if row["unlike"] is None else f"{row['unlike']:.2f}",
            ]
        )
    return Table(heads, lines).text()


def _rows(record: Record, labels: Sequence[str]) -> Iterator[Row]:
    """The rows of a site: its own, and one for each slide."""
    assert record.counts is not None
    run = First.of(record.first).run if record.first else None
    slides = record.counts
    whole: dict[str, Any] = {"pictures": 0, "unreadable": 0, "cells": 0, "labels": {}}
    for counts in slides.values():
        for key in ("pictures", "unreadable", "cells"):
            whole[key] += counts[key]
        for label, count in counts["labels"].items():
            whole["labels"][label] = whole["labels"].get(label, 0) + count
    for level, slide, counts in [(SITE, None, whole), *((SLIDE, slide, slides[slide]) for slide in sorted(slides))]:
        row: Row = {"level": level, "site": record.site, "slide": slide}
        row |= {key: counts[key] for key in ("pictures", "unreadable", "cells")}
        for label in labels:
            found = share(counts["labels"].get(label, 0), counts["cells"])
            row |= {label: found.right, f"{label}_share": found.value, f"{label}_low": found.low}
            row |= {f"{label}_high": found.high}
        yield row | {"unlike": run.value if run else None, "why": run.why if run else None}
