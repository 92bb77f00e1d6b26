"""Measures how much `edge-site adapt` helps at a microscope, with an increasing number of labelled cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import held_out
from benchmarks.selective import learned_sources
from edge.contract import document
from edge.decide import OTHER
from edge.model import Model
from edge.output.tables import Table
from edge.site.adapt import adapt, answers
from edge.site.figures import SiteFigures, figures
from edge.site.labelled import Cells
from edge.site.profile import FEWEST
from edge.system.progress import Progress, silent
from train.data import dataset

COUNTS = (0, 5, 10, 15, 20, 50)  # labelled cells of each name (lymphocyte, monocyte)
DRAWS = 20  # random choices of these cells
_LEFT = 2  # at least this many physical cells of each name must remain to measure on


@dataclass(frozen=True)
class Draws:
    """One figure over all draws (random choices of labelled cells). All are None if no draw defines the figure.

    Attributes:
        value: mean of the draws.
        low: lowest of the draws.
        high: highest of the draws.
    """

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """As tables show it: "0.951 (0.940 to 0.962)", or "-" if it is None."""
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.3f}" + (f" ({self.low:.3f} to {self.high:.3f})" if self.high > self.low else "")


@dataclass(frozen=True)
class Point:
    """The figures for one number of labelled cells.

    Attributes:
        alone: figures of the model without adaptation, by the JSON keys of edge.site.figures.SiteFigures.
        adapted: figures of the adapted model on the same cells; None if there are no labelled cells.
        written: number of draws in which the cells were enough to make a profile; None if there are none.
    """

    alone: dict[str, Draws]
    adapted: dict[str, Draws] | None = None
    written: int | None = None


@dataclass(frozen=True)
class Curve:
    """The figures of one source.

    Attributes:
        cells: number of physical cells, by label.
        points: figures by the number of labelled cells of each name.
        left_out: numbers of labelled cells that were not measured, because the source has too few cells.
    """

    cells: dict[str, int]
    points: dict[str, Point]
    left_out: tuple[int, ...]


@dataclass(frozen=True)
class Site(Curve):
    """The figures of one source, for one model.

    Attributes:
        learned: whether the model was trained on this source.
    """

    learned: bool


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        sources: figures by source.
    """

    sources: dict[str, Site]


@dataclass(frozen=True)
class Sites:
    """All figures of `benchmark sites`.

    Attributes:
        draws: number of random choices of labelled cells.
        models: figures by the name of the file.
    """

    draws: int
    models: dict[str, ModelFigures]


def sites(
    folder: Path,
    models: Sequence[Path],
    counts: Sequence[int] = COUNTS,
    draws: int = DRAWS,
    progress: Progress = silent,
) -> Sites:
    """Measures what `edge-site adapt` gains on each source.

    The cells are those of the test split and the labelled cells of marked fields; no classifier is trained on them. In
    each draw, `count` physical cells of each name (lymphocyte, monocyte) are chosen at random as the labelled ones.
    Equally many cells of other types are added, but at most half of those. The model is adapted to all pictures of the
    chosen cells and measured on all remaining cells. If the adaptation makes no profile, the model's answers without a
    profile are measured.

    Args:
        folder: a data set.
        models: model files.
        counts: numbers of labelled cells of each name.
        draws: number of random choices for each number.
        progress: see edge.system.progress.

    Raises:
        UserError: for a data set or a model that can't be used.
    """
    enough = [count for count in counts if count >= FEWEST]
    result = {}
    for path in models:
        model = Model(path)
        learned = learned_sources(model)
        curves = {source: curve(each, model, enough, draws) for source, each in _cells(folder, model, progress).items()}
        result[path.name] = ModelFigures(
            {source: Site(**vars(each), learned=source in learned) for source, each in curves.items()}
        )
    return Sites(draws, result)


def _cells(folder: Path, model: Model, progress: Progress) -> dict[str, Cells]:
    """The cells of each source with a model's predictions."""
    cells = held_out.read(folder, model, progress)
    white = cells.types != dataset.PATCH
    return {
        source: Cells.of(cells.at(rows), cells.truth[rows], cells.physical[rows])
        for source in dict.fromkeys(cells.sources[white].tolist())
        for rows in [white & (cells.sources == source)]
    }


def curve(site: Cells, model: Model, counts: Sequence[int], draws: int) -> Curve:
    """The figures of one source. Every model gets the same draws. counts, draws: see `sites`."""
    points = {"0": Point(_over_draws([figures(answers(site, model), site.truth, model.labels)]))}
    enough = [count for count in counts if all(site.count(label) >= count + _LEFT for label in (0, 1))]
    for count in enough:
        points[str(count)] = _point(site, model, count, draws)
    return Curve(
        cells={label: site.count(i) for i, label in enumerate(model.labels)},
        points=points,
        left_out=tuple(count for count in counts if count not in enough),
    )


def _point(site: Cells, model: Model, count: int, draws: int) -> Point:
    alone: list[SiteFigures] = []
    adapted: list[SiteFigures] = []
    written = 0
    for number in range(draws):
        drawn = _draw(site, count, np.random.default_rng(number))
        others = site.at(~drawn)
        profile = adapt(site.at(drawn), model).profile
        written += profile is not None
        before = answers(others, model)
        after = answers(others, model, profile) if profile else before
        alone.append(figures(before, others.truth, model.labels))
        adapted.append(figures(after, others.truth, model.labels))
    return Point(_over_draws(alone), _over_draws(adapted), written)


def _draw(site: Cells, count: int, rng: np.random.Generator) -> np.ndarray:
    """Chooses the labelled cells at random, bool [n]: True for all pictures of the chosen physical cells."""
    drawn = np.zeros(len(site), bool)
    for label in np.unique(site.truth):
        known = rng.permutation(np.unique(site.physical[site.truth == label]))
        drawn |= np.isin(site.physical, known[: count if label < 2 else min(count, len(known) // 2)])
    return drawn


def _over_draws(drawn: Sequence[SiteFigures]) -> dict[str, Draws]:
    """The mean and the range of each figure over all draws, by its key in JSON."""
    documents = [document(each) for each in drawn]
    return {key: _draws([each[key] for each in documents]) for key in documents[0]}


def _draws(values: Sequence[float | None]) -> Draws:
    known = [value for value in values if value is not None]
    if not known:
        return Draws(None, None, None)
    return Draws(float(np.mean(known)), min(known), max(known))


def table(result: Sites) -> str:
    """The result as a Markdown table. Numbers of cells that could not be measured are listed below it."""
    heads = ["model", "site", "labelled a class", "adapted", "balanced accuracy", "alone, same cells"]
    rows, notes = [], []
    for file, model in result.models.items():
        for source, site in model.sources.items():
            where = f"{source}{' (its own)' if site.learned else ''}"
            for count, point in site.points.items():
                now = point.adapted or point.alone
                written = "-" if point.written is None else f"{point.written} of {result.draws}"
                alone = "-" if point.written is None else str(point.alone["balanced_accuracy"])
                others = [str(now[name]) for name in ("given", "wrong", "named")]
                rows.append([file, where, count, written, str(now["balanced_accuracy"]), alone, *others])
            if site.left_out:
                has = ", ".join(f"{n} {label}" for label, n in site.cells.items() if label != OTHER)
                notes.append(f"{source} has too few cells ({has}) for {', '.join(map(str, site.left_out))} per class.")
    text = Table([*heads, "answered", "wrong of these", "others named"], rows).markdown()
    return "\n".join([text, *(["", *dict.fromkeys(notes)] if notes else [])])
