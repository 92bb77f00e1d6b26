"""Shows a benchmark's results as one self-contained HTML page: without scripts, and without any other files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import metrics
from benchmarks.accuracy import Accuracy, changed
from benchmarks.latency import TOGETHER, Latency, PictureSet, command_table
from benchmarks.metrics import Figures
from benchmarks.report import plots, sections
from benchmarks.report.result import GENERATOR, Document
from benchmarks.rivals.comparison import Comparison
from benchmarks.robustness import UNCHANGED, ModelFigures, Robustness
from edge.output.tables import Table
from train.evaluation import html, model_card


@dataclass(frozen=True)
class Section:
    """A part of the page. Attributes that are empty are left out of the page.

    Attributes:
        heading: the heading.
        level: level of the heading in HTML, 2 or 3.
        paragraphs: text below the heading.
        table: figures.
        items: a list below the table.
        drawings: plots, each as the text of an SVG file and a description.
        drawings_in_a_row: whether the plots are small and placed beside each other.
        details: more figures, folded away until they are clicked on.
    """

    heading: str
    level: int = 2
    paragraphs: Sequence[str] = ()
    table: Table | None = None
    items: Sequence[str] = ()
    drawings: Sequence[tuple[str, str]] = ()
    drawings_in_a_row: bool = False
    details: Table | None = None


def page(document: Document) -> str:
    """The page as HTML. It has a part for each result in the document that is a key of _SHOWN."""
    machine = document.machine
    facts = [
        ["command", document.command],
        ["version", f"edge-classify {document.version}"],
        ["packages", ", ".join(f"{name} {version}" for name, version in machine.packages.items())],
        *([["date", document.date]] if document.date else []),
    ]
    return html.render(
        "benchmarks",
        "benchmark.html",
        generator=GENERATOR,
        title=f"Benchmark on {machine.raspberry_pi or machine.processor}",
        machine=str(machine),
        sentences=_in_short(sections.section(document, "accuracy")) if "accuracy" in document.results else [],
        sections=[
            section
            for name, show in _SHOWN.items()
            if name in document.results
            for section in show(sections.section(document, name))
        ],
        facts=Table(["what", "value"], facts),
    )


def _in_short(found: Accuracy) -> list[str]:
    """A sentence for each file that is compared with the float model of its network."""
    sentences = []
    for name, model in found.models.items():
        if not model.changes:
            continue
        reference = found.models[model.changes.reference]
        now, then = (each.figures["all"].balanced_accuracy.value or 0.0 for each in (model, reference))
        text = (
            f"{name} against {model.changes.reference}, {found.split} split: "
            f"balanced accuracy {now:.3f} against {then:.3f} ({100 * (now - then):+.1f} points); "
            f"{changed(model.changes)}; "
            f"{model.bytes / 1e3:,.0f} kB against {reference.bytes / 1e3:,.0f} kB"
        )
        if model.milliseconds and reference.milliseconds:
            times = model.milliseconds.value, reference.milliseconds.value
            text += f"; {times[0]:.2g} ms against {times[1]:.2g} ms a picture in the network alone"
        sentences.append(f"{text}.")
    return sentences


def _figures_table(rows: Sequence[tuple[str, Figures]]) -> Table:
    """A table of figures. rows: the name of a set of pictures, and its figures."""
    heads = ["model and pictures", "number", *metrics.heads(rows[0][1])]
    return Table(heads, [[name, f"{figures.count:,}", *metrics.row(figures)] for name, figures in rows])


def _accuracy(found: Accuracy) -> list[Section]:
    rows = [
        (f"{name}, {source}", figures)
        for name, model in found.models.items()
        for source, figures in model.figures.items()
    ]
    timed = any(model.milliseconds for model in found.models.values())
    return [
        Section(
            f"Accuracy, {found.split} split",
            paragraphs=[model_card.INTERVALS],
            table=_figures_table(rows),
            items=[f"{name}: {changed(model.changes)}." for name, model in found.models.items() if model.changes],
            drawings=[(plots.trade(found.models), "accuracy against latency")] if timed else [],
        )
    ]


def _latency(found: Latency) -> list[Section]:
    settings = found.settings
    how = (
        f"{settings.rounds} rounds in which the models take turns, after {settings.warm_up} pictures each. "
        "The lowest and the highest round are in brackets."
    )
    return [
        Section("Latency", paragraphs=[*found.state.notes(), how]),
        *(_picture_set(name, pictures) for name, pictures in found.sets.items()),
        Section("The command, one thread", level=3, table=command_table(found)),
    ]


def _picture_set(name: str, pictures: PictureSet) -> Section:
    heading = f"{name}: {pictures.pictures} pictures, {pictures.size}"
    rows = []
    for model, run in pictures.runs.items():
        together = run.steps[TOGETHER]
        rows.append(
            [
                model,
                *(f"{run.steps[step].value:.2f}" for step in pictures.steps),
                together.text(),
                f"{together.p95:.2f}",
                f"{together.p99:.2f}",
                f"{run.first.value:.1f}",
                run.per_second.text(0),
            ]
        )
    times = [*pictures.steps, TOGETHER, "p95", "p99", "first picture"]
    heads = ["model", *(f"{each}, ms" for each in times), "pictures a second"]
    return Section(
        heading,
        level=3,
        table=Table(heads, rows),
        drawings=[
            (plots.distributions(pictures.runs, heading), "distribution of milliseconds"),
            (plots.steps(pictures, heading), "milliseconds of the steps"),
        ],
    )


def _robustness(found: Robustness) -> list[Section]:
    drawings = []
    for kind, strengths in found.strengths.items():
        figures = {name: [model.unchanged, *model.kinds[kind].values()] for name, model in found.models.items()}
        drawings.append((plots.curves(figures, kind, strengths), f"accuracy under {kind}"))
    what = (
        f"{found.pictures} pictures of the {found.split} split. They were corrupted before their cells were located, "
        "cut out and answered. Bands show 95 % intervals."
    )
    rows = [row for name, model in found.models.items() for row in _strength_rows(name, model)]
    return [
        Section(
            "Robustness",
            paragraphs=[what],
            drawings=drawings,
            drawings_in_a_row=True,
            details=_figures_table(rows),
        )
    ]


def _strength_rows(name: str, model: ModelFigures) -> list[tuple[str, Figures]]:
    """A name and the figures of each kind and strength of corruption."""
    return [
        (f"{name}, {kind}" if kind == UNCHANGED else f"{name}, {kind} {strength}", figures)
        for kind, strengths in model.kinds.items()
        for strength, figures in strengths.items()
    ]


def _runtimes(found: Comparison) -> list[Section]:
    return _comparison(found, "The same network in other runtimes")


def _peers(found: Comparison) -> list[Section]:
    return _comparison(found, "Other programs for the same task")


def _comparison(found: Comparison, heading: str) -> list[Section]:
    drawings = []
    for name, unit in found.units.items():
        figures = {key: figure for key, each in found.contenders.items() if (figure := each.figure(name))}
        if figures:
            drawings.append((plots.bars(figures, name, unit), name))
    rows = []
    for key, each in found.contenders.items():
        cells = [each.figure(name) for name in found.units]
        rows.append([key, *("-" if cell is None else cell.text() for cell in cells), each.answers])
    return [
        Section(
            heading,
            paragraphs=found.state.notes(),
            table=Table(["program", *(f"{name}, {unit}" for name, unit in found.units.items()), "answers"], rows),
            items=[f"Not measured: {name}: {why}" for name, why in found.missing.items()],
            drawings=drawings,
        )
    ]


_SHOWN: dict[str, Callable[[Any], list[Section]]] = {
    "accuracy": _accuracy,
    "latency": _latency,
    "robustness": _robustness,
    "runtimes": _runtimes,
    "peers": _peers,
}
