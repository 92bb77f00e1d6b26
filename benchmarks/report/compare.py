"""Compares two results: which differences exceed the noise?"""

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
        figure: the keys in the JSON file that lead to the figure, joined by " / ".
        a: its value in the first result.
        b: its value in the second result.
        difference: b - a, with its 95 % interval.
    """

    figure: str
    a: float
    b: float
    difference: Range

    @property
    def exceeds(self) -> bool:
        """Whether the difference exceeds the noise: its interval doesn't contain 0."""
        return not self.difference.low <= 0 <= self.difference.high


def compare(a: Document, b: Document) -> list[Row]:
    """Compares all figures with an interval that two results have in common.

    If two models were measured on the same pictures, this comparison is too cautious, because it treats the results as
    independent. McNemar's test in `benchmark accuracy` compares picture by picture and detects smaller differences.
    """
    others = dict(_figures(b.results))
    return [
        Row(" / ".join(keys), figure.value, others[keys].value, difference(others[keys], figure))
        for keys, figure in _figures(a.results)
        if keys in others
    ]


def _figures(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Range]]:
    """All figures with an interval in a piece of JSON, each after the keys that lead to it."""
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
    """The comparison as text for a terminal. everything: whether to show differences within the noise as well."""
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
