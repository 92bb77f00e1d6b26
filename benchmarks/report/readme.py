"""Writes tables of figures into pages of the documentation. They are made from stored results, so they always agree."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import whole
from benchmarks.accuracy import Accuracy, changed
from benchmarks.latency import TOGETHER, Latency
from benchmarks.machine import Conditions
from benchmarks.ranges import Range
from benchmarks.report import boards, result
from benchmarks.report.result import Document
from benchmarks.report.sections import section
from benchmarks.rivals.comparison import Comparison
from benchmarks.robustness import UNCHANGED, Robustness
from edge import contract
from edge.errors import UserError
from edge.output.tables import Table

REFERENCE = Path(__file__).parent.parent / "reference"
# The pages with such tables, relative to the root of the repository.
PAGES = tuple(Path("docs/figures") / name for name in ("accuracy.md", "damaged.md", "speed.md"))
# Matches <!-- benchmark SECTION FILE --> and all text up to the next <!-- end -->; FILE is in benchmarks/reference.
_REGION = re.compile(r"(?P<mark><!-- benchmark (?P<section>\w+) (?P<file>[\w.-]+) -->\n).*?(?P<end><!-- end -->)", re.S)
_STRENGTHS = {"1": "weak", "3": "middling", "5": "strong"}  # the strengths of corruption that the documentation shows


def filled(text: str, reference: Path = REFERENCE) -> str:
    """The text of a page, with the content of every marked region replaced by current figures.

    Args:
        text: text of the page.
        reference: folder with the stored results.

    Raises:
        UserError: if the page has no marked region, or if a region names an unknown section or a missing file.
    """

    def written(region: re.Match) -> str:
        name = region["section"]
        if name == "boards":
            return f"{region['mark']}{boards.table(reference / region['file'])}\n{region['end']}"
        if name == "whole":
            return f"{region['mark']}{_whole(result.read(reference / region['file'], [name]))}\n{region['end']}"
        write = _SECTIONS.get(name)
        if write is None:
            raise UserError(f"{region['mark'].strip()} names no known section; known are {', '.join(_SECTIONS)}.")
        document = result.read(reference / region["file"], [name])
        return f"{region['mark']}{write(document, section(document, name))}\n{region['end']}"

    text, count = _REGION.subn(written, text)
    if not count:
        raise UserError("Nothing is marked as <!-- benchmark SECTION FILE -->, so there is no table to update.")
    return text


def _accuracy(document: Document, found: Accuracy) -> str:
    rows, notes = [], []
    for model in found.models.values():
        for source, figures in model.figures.items():
            recalls = [str(figures.classes[label].recall) for label in ("monocyte", "lymphocyte")]
            balanced = figures.balanced_accuracy.value
            where = "both" if source == "all" else source
            rows.append([model.kind, where, *recalls, "-" if balanced is None else f"{balanced:.3f}"])
        changes = f"; {changed(model.changes)}" if model.changes else ""
        ece = model.figures["all"].ece
        notes.append(f"- {model.kind}: {model.bytes / 1e3:.0f} kB, expected calibration error {ece:.3f}{changes}.")
    table = Table(["model", "source", "monocyte recall", "lymphocyte recall", "balanced accuracy"], rows)
    return "\n".join([f"`{document.command}`:", "", table.markdown(), "", *notes])


def _latency(document: Document, found: Latency) -> str:
    first = next(iter(found.sets.values()))
    steps = [*first.steps, TOGETHER]
    rows = []
    for name, pictures in found.sets.items():
        for model, run in pictures.runs.items():
            times = [f"{run.steps[step].value:.2f}" for step in steps]
            tail = [f"{run.steps[TOGETHER].p95:.2f}", f"{run.steps[TOGETHER].p99:.2f}"]
            what = f"{pictures.pictures} {name}, {pictures.size}"
            rows.append([what, model, *times, *tail, run.per_second.text(0)])
    many, by_all = found.command.many or {}, found.command.by_all or {}
    command = [
        [
            name,
            f"{cold.seconds.text()} s",
            f"{cold.megabytes.value:.0f} MB",
            f"{many[name].megabytes.value:.0f} MB" if name in many else "-",
            *([f"{many[name].seconds.text()} s", f"{by_all[name].seconds.text()} s"] if name in by_all else []),
        ]
        for name, cold in found.command.cold.items()
    ]
    heads = ["the command, one thread", "one picture from cold", "peak memory", "of many pictures"]
    heads += [f"{found.command.pictures} pictures by one process", "by all cores"] if by_all else []
    settings = found.settings
    how = (
        f"{settings.rounds} rounds in which the models take turns, after {settings.warm_up} pictures each; "
        "milliseconds per picture, medians."
    )
    tables = (
        Table(["pictures", "model", *steps, "p95", "p99", "pictures a second"], rows),
        Table(heads, command),
    )
    return "\n\n".join([f"{_where(document, found.state)}. {how}", *(table.markdown() for table in tables)])


def _whole(document: Document) -> str:
    found = document.results["whole"]
    if "cost" in found:
        return f"`{document.command}`, {document.machine}:\n\n{whole.cost_rows(found).markdown()}"
    state = contract.load(Conditions, found["state"])
    return f"`{document.command}`:\n\n{_where(document, state)}.\n\n{whole.rows(found).markdown()}"


def _robustness(document: Document, found: Robustness) -> str:
    heads = [f"{name}, {strength}" for name in found.models for strength in _STRENGTHS.values()]
    unchanged = [[str(model.unchanged.balanced_accuracy), "", ""] for model in found.models.values()]
    rows = [[UNCHANGED, *(cell for cells in unchanged for cell in cells)]]
    for kind in found.strengths:
        figures = [model.kinds[kind][strength] for model in found.models.values() for strength in _STRENGTHS]
        rows.append([kind, *(str(each.balanced_accuracy) for each in figures)])
    what = f"Balanced accuracy on {found.pictures} test cells, at the first, third and fifth strength:"
    return f"{what}\n\n{Table(['', *heads], rows).markdown()}"


def _rivals(document: Document, found: Comparison) -> str:
    heads = [f"{name}, {unit}" for name, unit in found.units.items()]
    rows = []
    for name, each in found.contenders.items():
        figures = [each.figure(unit) for unit in found.units]
        rows.append([name, *("-" if figure is None else _short(figure) for figure in figures), each.answers])
    parts = [f"`{document.command}`:", f"{_where(document, found.state)}."]
    parts.append(Table(["", *heads, "answers"], rows).markdown())
    missing = [f"- not measured: {name}: {why.rsplit('error: ', 1)[-1]}" for name, why in found.missing.items()]
    return "\n\n".join([*parts, *(["\n".join(missing)] if missing else [])])


def _where(document: Document, state: Conditions) -> str:
    """The machine and its state during the measurement. Reasons why the result can't be used come first."""
    *spoiled, clock = state.notes()
    return "; ".join([*(f"**{each}**" for each in spoiled), str(document.machine), clock])


def _short(figure: Range) -> str:
    """A figure with three significant digits, and its range unless all measurements were equal."""
    value, low, high = (
        f"{each:.3g}" if each < 1000 else f"{each:,.0f}" for each in (figure.value, figure.low, figure.high)
    )
    return value if low == high else f"{value} [{low}, {high}]"


_SECTIONS: dict[str, Callable[[Document, Any], str]] = {
    "accuracy": _accuracy,
    "latency": _latency,
    "robustness": _robustness,
    "runtimes": _rivals,
    "peers": _rivals,
}
