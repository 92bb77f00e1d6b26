"""Which differences between two results exceed the noise?"""

from collections.abc import Iterator, Sequence

from benchmarks import machine
from benchmarks.metrics import difference

_INTERVAL = {"value", "low", "high"}


def compare(a: dict, b: dict) -> list[dict]:
    """Two documents of benchmarks.result -> for each figure with an interval that both hold {"figure" (its place, names
    joined by " / "), "a", "b" (values), "difference" (b - a with an interval), "exceeds"}.

    A difference exceeds the noise where its 95 % interval leaves 0 out. Accuracy of two models on the same pictures is
    paired, which makes this careful: McNemar's test in `benchmark accuracy` sees more.
    """
    theirs = dict(_figures(b["results"]))
    rows = []
    for place, one in _figures(a["results"]):
        other = theirs.get(place)
        if other is None:
            continue
        apart = difference(other, one)
        exceeds = not apart["low"] <= 0 <= apart["high"]
        rows.append(
            {
                "figure": " / ".join(place),
                "a": one["value"],
                "b": other["value"],
                "difference": apart,
                "exceeds": exceeds,
            }
        )
    return rows


def _figures(found: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict]]:
    """Every dictionary with a value and an interval, with the keys that lead to it."""
    if not isinstance(found, dict):
        return
    if found.keys() >= _INTERVAL:
        if None not in (found["value"], found["low"], found["high"]):
            yield place, found
        return
    for key, each in found.items():
        yield from _figures(each, (*place, key))


def table(rows: Sequence[dict], a: dict, b: dict, everything: bool = False) -> str:
    """compare()'s in lines: those that exceed the noise, or all."""
    lines = [
        f"A: {machine.title(a['machine'])}\n   {a['command']}",
        f"B: {machine.title(b['machine'])}\n   {b['command']}",
    ]
    shown = [row for row in rows if row["exceeds"] or everything]
    exceeding = sum(row["exceeds"] for row in rows)
    lines.append(f"{len(rows)} figures in both; {exceeding} differ by more than the noise.")
    for row in shown:
        apart = row["difference"]
        ratio = f"{row['b'] / row['a']:>8.2f} x" if row["a"] else f"{'-':>10}"
        interval = f"{apart['value']:+.4g} [{apart['low']:+.4g}, {apart['high']:+.4g}]"
        mark = "" if row["exceeds"] else "  within the noise"
        lines.append(f"{row['a']:>10.4g} {row['b']:>10.4g} {ratio}  {interval:34} {row['figure']}{mark}")
    return "\n".join(lines)
