"""What labelled cells of a microscope bring there: `edge-site adapt` with more and more of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from train.data import crop_cache, dataset, field_cells
from train.evaluation import intervals

COUNTS = (0, 5, 10, 15, 20, 50)
DRAWS = 20
_LEFT = 2  # physical cells of each name that must be left to measure on


@dataclass(frozen=True)
class Draws:
    """One figure over all draws; None where it wasn't defined in any.

    Attributes:
        value: mean.
        low: lowest.
        high: highest.
    """

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """ "0.951 (0.940 to 0.962)"."""
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.3f}" + (f" ({self.low:.3f} to {self.high:.3f})" if self.high > self.low else "")


@dataclass(frozen=True)
class Point:
    """What so many labelled cells bring.

    Attributes:
        alone: figures of the model without them; by the keys that edge.site.figures.SiteFigures has in JSON.
        adapted: figures with them, on the same cells; None without any.
        written: in how many draws they were enough for a profile; None without any.
    """

    alone: dict[str, Draws]
    adapted: dict[str, Draws] | None = None
    written: int | None = None


@dataclass(frozen=True)
class Curve:
    """One source.

    Attributes:
        cells: physical cells by label.
        points: by how many labelled cells of each name there were.
        left_out: numbers of labelled cells for which the source has too few.
    """

    cells: dict[str, int]
    points: dict[str, Point]
    left_out: tuple[int, ...]


@dataclass(frozen=True)
class Site(Curve):
    """One source, for one model.

    Attributes:
        learned: whether the model learned from it.
    """

    learned: bool


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        sources: by source.
    """

    sources: dict[str, Site]


@dataclass(frozen=True)
class Sites:
    """All figures of `benchmark sites`.

    Attributes:
        draws: how often cells were drawn.
        models: by the name of the file.
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

    The cells are those of the test split, and the labelled cells of marked fields, from which no classifier learned.
    Each draw takes `count` physical cells of each name, and as many others, or half of them where there are fewer. The
    model is adapted to all their pictures and measured on all other cells. Where no profile comes of it, the model's
    own answers are measured.

    Args:
        folder: a data set.
        models: files.
        counts: numbers of labelled cells.
        draws: how often cells are drawn for each number.
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
    """What a model makes of the cells of each source."""
    test = [e for e in dataset.only(dataset.read(folder, model.labels), "test") if e.kind != dataset.PATCH]
    in_fields = field_cells.read(folder, model.size, model.policy, model.labels, progress=progress)
    crops = np.concatenate(
        [crop_cache.crops(folder, test, model.size, model.policy, progress=progress), in_fields.crops]
    )
    truth = np.concatenate([dataset.targets(test, model.labels), in_fields.truth])
    in_field_numbers = np.unique(in_fields.cells, return_inverse=True)[1]
    physical = np.concatenate([intervals.clusters(test), len(test) + in_field_numbers])
    every = Cells.of([model.predict(crop) for crop in crops], truth, physical)
    sources = np.array([e.source for e in test] + in_fields.sources)
    return {source: every.at(sources == source) for source in dict.fromkeys(sources.tolist())}


def curve(site: Cells, model: Model, counts: Sequence[int], draws: int) -> Curve:
    """The figures of one source; every model gets the same draws. Arguments as of `sites`."""
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
    """Which pictures are labelled, bool [n]: all pictures of the physical cells that are drawn."""
    drawn = np.zeros(len(site), bool)
    for label in np.unique(site.truth):
        known = rng.permutation(np.unique(site.physical[site.truth == label]))
        drawn |= np.isin(site.physical, known[: count if label < 2 else min(count, len(known) // 2)])
    return drawn


def _over_draws(drawn: Sequence[SiteFigures]) -> dict[str, Draws]:
    """Each figure over all draws, by its key in JSON."""
    documents = [document(each) for each in drawn]
    return {key: _draws([each[key] for each in documents]) for key in documents[0]}


def _draws(values: Sequence[float | None]) -> Draws:
    known = [value for value in values if value is not None]
    if not known:
        return Draws(None, None, None)
    return Draws(float(np.mean(known)), min(known), max(known))


def table(result: Sites) -> str:
    """The result as a Markdown table, with what was left out below it."""
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
                notes.append(f"{source} has too few cells ({has}) for {', '.join(map(str, site.left_out))} a class.")
    text = Table([*heads, "answered", "wrong of these", "others named"], rows).markdown()
    return "\n".join([text, *(["", *dict.fromkeys(notes)] if notes else [])])
