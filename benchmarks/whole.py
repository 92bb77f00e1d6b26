"""Measures `edge-classify` as a whole: from the start of the command to its end, by one process and by all cores.

The start of Python, the first pass that measures red cells, and the writing of the answers are included. What is
compared takes turns in one run, because a machine's speed changes within minutes.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import command
from benchmarks.command import Process
from benchmarks.machine import Watch, joules
from benchmarks.ranges import Range, spread
from edge.errors import UserError
from edge.output.tables import Table
from edge.system.progress import Progress, followed, silent
from edge.workers.process import most

COUNTS = (10, 100, 1000, 10_000)
THIS = "this version"
_Run = tuple[Process, Process, float | None]  # one picture, all pictures, and the joules of the latter


@dataclass(frozen=True)
class Whole:
    """One way to run the command on one set of pictures.

    Attributes:
        pictures: number of pictures.
        per_second: pictures a second.
        cpu: seconds of processor time of all processes, per picture in milliseconds.
        megabytes: peak memory of the largest process, in units of 2^20 bytes.
        cold: seconds of a process that answers one picture; None if that wasn't measured.
        joules: energy of the processor per picture; None if the machine doesn't tell it.
    """

    pictures: int
    per_second: Range
    cpu: Range
    megabytes: float
    cold: Range | None = None
    joules: float | None = None


def whole(
    sets: Mapping[str, Sequence[str]],
    other: Path | None = None,
    options: Sequence[str] = (),
    rounds: int = 3,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Runs the command on each set, by one process and by all cores; and another checkout of this project, if given.

    Args:
        sets: picture files by the name of their set.
        other: another checkout, with its own package `edge`.
        options: of edge-classify, such as --whole-image.
        rounds: how often; in each round, all ways take turns.
        progress: see edge.system.progress.

    Returns:
        For JSON: the figures by set and way, the options, and the state of the machine.

    Raises:
        UserError: if a command fails.
    """
    ways = {THIS: ["--jobs", "1"], f"{THIS}, {most()} processes": ["--jobs", str(most())]}
    if other:
        if not (other / "edge" / "__main__.py").is_file():
            raise UserError(f"{other} is no checkout of this project.")
        ways[str(other)] = []
    spent: dict[tuple[str, str], list[_Run]] = {each: [] for each in product(sets, ways)}
    with Watch() as watch:
        for number in followed(range(rounds + 1), "Running the command", progress):
            for name, way in product(sets, ways):
                checkout = other if other and way == str(other) else None
                cold = _run(sets[name][:1], [*ways[way], *options], checkout)
                before = joules()
                many = _run(sets[name], [*ways[way], *options], checkout)
                after = joules()
                used = None if before is None or after is None else after - before
                if number:  # the first round only fills the disk cache
                    spent[name, way].append((cold, many, used))
    figures = {name: {way: asdict(_figures(spent[name, way], len(sets[name]))) for way in ways} for name in sets}
    return {"sets": figures, "options": list(options), "rounds": rounds, "state": watch.conditions}


def cost(pictures: Sequence[str], counts: Sequence[int] = COUNTS, progress: Progress = silent) -> dict[str, Any]:
    """The command on ever more pictures, by one process and by all cores: time should grow with them, memory shouldn't.

    pictures: files, which are used repeatedly.
    """
    found: dict[str, dict[str, Any]] = {}
    for jobs, count in followed(list(product(sorted({1, most()}), counts)), "Running the command", progress):
        process = _run([pictures[i % len(pictures)] for i in range(count)], ["--jobs", str(jobs)], None)
        found.setdefault(f"{jobs}", {})[f"{count}"] = asdict(process)
    return {"cost": found}


def _run(pictures: Sequence[str], options: Sequence[str], checkout: Path | None) -> Process:
    arguments = ["-m", "edge", "-", "--json", "/dev/null", *options]
    return command.timed([sys.executable, *arguments], command.listed(pictures), checkout=checkout)


def _figures(runs: Sequence[_Run], count: int) -> Whole:
    energies = [used / count for _, _, used in runs if used is not None]
    return Whole(
        pictures=count,
        per_second=spread([count / many.seconds for _, many, _ in runs]),
        cpu=spread([1000 * many.cpu / count for _, many, _ in runs]),
        megabytes=max(many.megabytes for _, many, _ in runs),
        cold=spread([cold.seconds for cold, _, _ in runs]),
        joules=sorted(energies)[len(energies) // 2] if energies else None,
    )


def table(found: Mapping[str, Any]) -> str:
    """The result of `whole` as text for a terminal."""
    return "\n".join([*found["state"].notes(), rows(found).text()])


def rows(found: Mapping[str, Any]) -> Table:
    """The result of `whole`, with one row for each set and way."""
    lines = []
    for name, ways in found["sets"].items():
        for way, each in ways.items():
            per_second, cpu, cold = (Range(**each[key]) for key in ("per_second", "cpu", "cold"))
            joule = "not told" if each["joules"] is None else f"{each['joules']:.3f}"
            memory = f"{each['megabytes']:.0f}"
            lines.append([f"{each['pictures']} {name}", way, per_second.text(), cpu.text(), cold.text(), memory, joule])
    heads = ["", "", "pictures a second", "CPU ms a picture", "s from cold", "MB", "J a picture"]
    return Table(heads, lines)


def cost_rows(found: Mapping[str, Any]) -> Table:
    """The result of `cost`, with one row for each number of processes and pictures."""
    lines = []
    for jobs, counts in found["cost"].items():
        for count, each in counts.items():
            seconds = each["seconds"]
            lines.append(
                [jobs, count, f"{seconds:.2f}", f"{1000 * seconds / int(count):.2f}", f"{each['megabytes']:.0f}"]
            )
    return Table(["processes", "pictures", "seconds", "ms a picture", "MB, largest process"], lines)
