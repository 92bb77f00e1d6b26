"""Counts slides that are put together from test cells, by the machine alone and with a person who decides the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import held_out
from benchmarks.agreement import Agreement, agreement
from benchmarks.held_out import HeldOut
from benchmarks.selective import learned_sources
from edge import unlike
from edge.decide import OTHER, REVIEW, RISK, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.output.tables import Table
from edge.system.progress import Progress, followed, silent
from train.data.dataset import LABELS

SLIDES = 100  # of each source and composition
CELLS = 200  # of each slide
LEAST, MOST = 0.02, 0.20  # share of monocytes among the lymphocytes and monocytes of a slide
# The compositions: shares of the other types among all cells, about as in an adult's blood.
OTHERS: dict[str, dict[str, float]] = {
    "the two alone": {},
    "all types": {"neutrophil": 0.56, "eosinophil": 0.03, "basophil": 0.01},
}
FEWEST = 5  # with fewer physical cells of a name, a single one decides the figures
WAYS = ("likeliest answer to every cell", "answered cells alone", "doubtful cells decided by a person")


@dataclass(frozen=True)
class Counted:
    """The slides of one source and composition. Shares of monocytes are those among lymphocytes and monocytes.

    Attributes:
        looked_at: mean share of a slide's cells that are left for review, 0 to 1.
        most_looked_at: the largest such share.
        ways: share of monocytes against that by the labels, in percentage points, by the way of counting (WAYS).
    """

    looked_at: float
    most_looked_at: float
    ways: dict[str, Agreement]


@dataclass(frozen=True)
class SourceSlides:
    """The slides of one source.

    Attributes:
        learned: whether the model learned lymphocytes or monocytes from the source.
        cells: number of physical cells, by type, that the slides are drawn from.
        repeated: types of which a slide needs more than there are; they are drawn with replacement.
        compositions: figures by composition (OTHERS).
    """

    learned: bool
    cells: dict[str, int]
    repeated: tuple[str, ...]
    compositions: dict[str, Counted]


@dataclass(frozen=True)
class ModelSlides:
    """One model.

    Attributes:
        kind: how the model is quantized.
        learned: sources whose lymphocytes or monocytes it learned.
        sha256: hash of the model file.
        sources: figures by source.
        left_out: sources with fewer than FEWEST physical cells of a name.
    """

    kind: str
    learned: tuple[str, ...]
    sha256: str
    sources: dict[str, SourceSlides]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Slides:
    """All figures of `benchmark slides`.

    Attributes:
        slides: slides of each source and composition.
        cells: cells of each slide.
        models: figures by the path of the file.
    """

    slides: int
    cells: int
    models: dict[str, ModelSlides]


def measure(folder: Path, files: Sequence[Path], slides: int = SLIDES, progress: Progress = silent) -> Slides:
    """Counts slides with each model.

    Each slide is judged as a run of its own, as `edge-classify` does; the pictures' quality isn't checked. A person is
    taken to decide as the labels say.

    Args:
        folder: a data set.
        files: model files.
        slides: of each source and composition, at least 2. Their shares of monocytes are evenly spaced.
        progress: see edge.system.progress.

    Raises:
        UserError: for a model without the label *other*, and for a data set that can't be used.
    """
    return Slides(slides, CELLS, {str(file): _model_slides(folder, file, slides, progress) for file in files})


def _model_slides(folder: Path, file: Path, slides: int, progress: Progress) -> ModelSlides:
    model = Model(file)
    if model.labels != (*LABELS, OTHER) or RISK not in model.risks:
        raise UserError(f"{file} knows no {OTHER} cells; train a network with --other kinds, and convert it.")
    cells = held_out.read(folder, model, progress)
    learned = learned_sources(model)
    sources, left_out = {}, []
    for source in dict.fromkeys(cells.sources.tolist()):
        pools = {name: _pool(cells, source, name) for name in (*LABELS, *OTHERS["all types"])}
        if min(len(pools[name]) for name in LABELS) < FEWEST:
            left_out.append(source)
            continue
        plans = {
            name: [_plan(share, others) for share in np.linspace(LEAST, MOST, slides)]
            for name, others in OTHERS.items()
            if all(pools[each] for each in others)
        }
        needed = [plan for each in plans.values() for plan in each]
        sources[source] = SourceSlides(
            learned=source in learned,
            cells={name: len(pool) for name, pool in pools.items()},
            repeated=tuple(name for name in pools if any(plan.get(name, 0) > len(pools[name]) for plan in needed)),
            compositions={
                name: _counted([_draw(pools, each, i) for i, each in enumerate(plan)], cells, model, source, progress)
                for name, plan in plans.items()
            },
        )
    kind = model.contract.quantization.kind
    return ModelSlides(kind, tuple(learned), model.sha256, sources, tuple(left_out))


def _pool(cells: HeldOut, source: str, name: str) -> list[np.ndarray]:
    """The rows of each physical cell of one type."""
    rows = np.flatnonzero((cells.sources == source) & (cells.types == name))
    return [rows[cells.physical[rows] == each] for each in np.unique(cells.physical[rows])]


def _plan(share: float, others: Mapping[str, float]) -> dict[str, int]:
    """How many cells of each type lie on a slide. share: of monocytes among lymphocytes and monocytes."""
    plan = {name: round(CELLS * part) for name, part in others.items()}
    two = CELLS - sum(plan.values())
    monocytes = round(share * two)
    return {"lymphocyte": two - monocytes, "monocyte": monocytes, **plan}


def _draw(pools: Mapping[str, list[np.ndarray]], plan: Mapping[str, int], seed: int) -> np.ndarray:
    """The rows of a slide, int [CELLS]: one picture of each physical cell, drawn with replacement if there are too few.

    Models that are measured on the same cells get the same slides.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for name, count in plan.items():
        chosen = rng.choice(len(pools[name]), count, replace=count > len(pools[name]))
        rows += [rng.choice(pools[name][i]) for i in chosen]
    return np.array(rows)


def _counted(drawn: Sequence[np.ndarray], cells: HeldOut, model: Model, source: str, progress: Progress) -> Counted:
    known = np.array(model.labels)
    truth, shares, looked_at = [], [], []
    for rows in followed(drawn, f"Counting slides of {source}", progress):
        labels = known[cells.truth[rows]]
        given, likeliest = _answers(cells.at(rows), model)
        truth.append(_percentage(labels))
        decided = np.where(given == REVIEW, labels, given)
        shares.append([_percentage(each) for each in (likeliest, given, decided)])
        looked_at.append(float((given == REVIEW).mean()))
    by_way = np.array(shares).T
    return Counted(
        looked_at=float(np.mean(looked_at)),
        most_looked_at=max(looked_at),
        ways={way: agreement(each, np.array(truth)) for way, each in zip(WAYS, by_way, strict=True)},
    )


def _answers(predictions: Sequence[Prediction], model: Model) -> tuple[np.ndarray, np.ndarray]:
    """The answers to the cells of a slide, judged as a run, str [n]: at the usual stated risk, and without review."""
    run = unlike.compare(unlike.measure(predictions, [], model.distance), model.home, model.kinds)
    moved = [unlike.moved(each.kinds, run) for each in predictions]

    def labels(risk: float | None) -> np.ndarray:
        rules = unlike.held_to_more(model.rules(risk), run)
        pairs = zip(moved, predictions, strict=True)
        return np.array([decide(kinds, rules, distance=each.distance).label for kinds, each in pairs])

    return labels(RISK), labels(None)


def _percentage(labels: np.ndarray) -> float:
    """Monocytes of the lymphocytes and monocytes, in percent; NaN if there are none of them."""
    lymphocytes, monocytes = (int((labels == name).sum()) for name in LABELS)
    return 100 * monocytes / (lymphocytes + monocytes) if lymphocytes + monocytes else float("nan")


def table(result: Slides) -> str:
    """The result as a Markdown table, with notes on the cells below it."""
    rows, notes = [], []
    for each in result.models.values():
        model = f"{each.kind}, {' + '.join(each.learned)}"
        for source, figures in each.sources.items():
            where = f"{source}{' (its own)' if figures.learned else ''}"
            for composition, counted in figures.compositions.items():
                looked_at = f"{result.cells * counted.looked_at:.0f} ({result.cells * counted.most_looked_at:.0f})"
                for way, found in counted.ways.items():
                    seen = looked_at if way == WAYS[-1] else "0"
                    rows.append([model, where, composition, way, seen, *_figures(found, result.slides)])
            if figures.repeated:
                has = ", ".join(f"{figures.cells[name]} {name}s" for name in figures.repeated)
                notes.append(f"{source} has only {has} for {model}: drawn with replacement.")
        if each.left_out:
            notes.append(f"Fewer than {FEWEST} lymphocytes or monocytes for {model}: {', '.join(each.left_out)}.")
    heads = ["model, learned from", "measured on", "slides of", "counted by", f"looked at, of {result.cells} (most)"]
    figures_heads = ["bias, points", "limits of agreement", "ICC", "slides with a share"]
    text = Table([*heads, *figures_heads], rows).markdown()
    return "\n".join([text, *(["", *dict.fromkeys(notes)] if notes else [])])


def _figures(found: Agreement, slides: int) -> list[str]:
    bias, limits = found.bias, found.limits
    spread = "" if bias.low is None or bias.high is None else f" [{_points(bias.low)}, {_points(bias.high)}]"
    return [
        "-" if bias.value is None else f"{_points(bias.value)}{spread}",
        "-" if limits is None else f"{_points(limits[0], 1)} to {_points(limits[1], 1)}",
        str(found.icc),
        f"{found.slides} of {slides}",
    ]


def _points(difference: float, digits: int = 2) -> str:
    """A difference with its sign; without one if it is rounded to 0."""
    rounded = round(difference, digits)
    return f"{rounded:+.{digits}f}" if rounded else "0"
