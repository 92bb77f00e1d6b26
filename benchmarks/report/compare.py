"""Which differences between two results exceed the noise?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.ranges import Range, difference
from benchmarks.report.result import Document
from edge.output.tables import Table


@dataclass(frozen=True)
class Row:
    """A figure that two results have in common.

    Attributes:
        figure: where it stands in the results: the keys that lead to it, joined by " / ".
        a: its value in the first.
        b: its value in the second.
        difference: b - a, with its 95 % interval.
    """

    figure: str
    a: float
    b: float
    difference: Range

    @property
    def exceeds(self) -> bool:
        """Whether the difference exceeds the noise: its interval leaves 0 out."""
        return not self.difference.low <= 0 <= self.difference.high


def compare(a: Document, b: Document) -> list[Row]:
    """All figures with an interval that two results have in common.

    This is cautious where two models were measured on the same pictures: McNemar's test in `benchmark accuracy` uses
    that they are the same, and detects smaller differences.
    """
    others = dict(_figures(b.results))
    return [
        Row(" / ".join(keys), figure.value, others[keys].value, difference(others[keys], figure))
        for keys, figure in _figures(a.results)
        if keys in others
    ]


def _figures(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Range]]:
    """Every figure with an interval in a piece of JSON, with the keys that lead to it."""
    if not isinstance(value, dict):
        return
    if value.keys() >= {"value", "low", "high"}:
        found = value["value"], value["low"], value["high"]
        if None not in found:
            yield keys, Range(*found)
        return
    for key, each in value.items():
        yield from _figures(each, (*keys, key))


def table(rows: Sequence[Row], a: Document, b: Document, everything: bool = False) -> str:
    """The comparison as text for a terminal. everything: also the figures whose difference is within the noise."""
    shown = [row for row in rows if row.exceeds or everything]
    exceeding = sum(row.exceeds for row in rows)
    lines = [
        f"A: {a.machine}\n   {a.command}",
        f"B: {b.machine}\n   {b.command}",
        f"{len(rows)} figures in both; {exceeding} differ by more than the noise.",
    ]
    if shown:
        cells = [
            [
                row.figure,
                f"{row.a:.4g}",
                f"{row.b:.4g}",
                f"{row.b / row.a:.2f} x" if row.a else "-",
                f"{row.difference.value:+.4g} [{row.difference.low:+.4g}, {row.difference.high:+.4g}]",
                "" if row.exceeds else "within the noise",
            ]
            for row in shown
        ]
        lines.append(Table(["figure", "A", "B", "B / A", "difference", ""], cells).text())
    return "\n".join(lines)
