"""Measures models as a user would meet them on microscopes, and on types of cell, that they never learned.

Every picture goes through the whole runner (edge.files), with its locator and its ruler of a run, at the usual
stated risk. `benchmark doubt` measures the network alone, at every risk.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.selective import learned_sources
from edge.cell import Cell
from edge.classify import Answer, Search
from edge.decide import OTHER, REVIEW, RISK, Decision
from edge.errors import UserError
from edge.files import Job, run
from edge.frames import Unreadable
from edge.model import Model
from edge.output.sinks import Sink
from edge.output.tables import Table
from edge.share import Share, share
from edge.site import class_names, layout
from edge.system.progress import Progress, silent
from train.data import dataset, fields
from train.data.dataset import LABELS
from train.data.fields import Field

_UNKNOWN = ("", "unknown", "none")  # labels of boxes whose cell has no known type


@dataclass(frozen=True)
class Outside:
    """What is found in fields outside of every box.

    Attributes:
        fields: number of fields.
        marks: number of cells that are found there.
        named: how many of them are called lymphocyte or monocyte.
    """

    fields: int
    marks: int
    named: int


@dataclass(frozen=True)
class UnseenFigures:
    """One model on one source.

    Attributes:
        learned: "" if the model learned nothing from the source, "other" if it learned other cells or places without a
            white cell, "names" if it learned lymphocytes or monocytes.
        recalls: by name, share of its cells whose likelier name is the right one, without review.
        coverage: share of the lymphocytes and monocytes that get an answer.
        risk: share of these answers that are wrong.
        named: by type of *other* cell, share of the cells that are given a name.
        missed: number of labelled cells that aren't found.
        outside: what is found outside of the boxes; None for pictures of single cells.
    """

    learned: str
    recalls: dict[str, Share]
    coverage: Share
    risk: Share
    named: dict[str, Share] = field(default_factory=dict)
    missed: int = 0
    outside: Outside | None = None

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean recall; None if the source lacks one of the names."""
        recalls = [self.recalls[name].value for name in LABELS]
        return None if None in recalls else sum(each or 0.0 for each in recalls) / len(recalls)


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        kind: how the model is quantized.
        learned: sources whose lymphocytes or monocytes it learned.
        without: types of cell that were left out when it learned.
        sha256: hash of the model file.
        sources: figures by source.
        left_out: of all pictures of each type that was left out, by type, the share that is given a name.
    """

    kind: str
    learned: tuple[str, ...]
    without: tuple[str, ...]
    sha256: str
    sources: dict[str, UnseenFigures]
    left_out: dict[str, Share]


@dataclass(frozen=True)
class Unseen:
    """All figures of `benchmark unseen`.

    Attributes:
        risk: the stated risk, 0 to 1.
        models: figures by the path of the file.
    """

    risk: float
    models: dict[str, ModelFigures]


@dataclass(frozen=True)
class Pictures:
    """Pictures that are measured as one run.

    Attributes:
        singles: by file, the type of the one cell in it.
        boxes: by file, a camera field with its boxes.
    """

    singles: Mapping[str, str] = field(default_factory=dict)
    boxes: Mapping[str, Field] = field(default_factory=dict)


def measure(
    folder: Path,
    files: Sequence[Path],
    cells: Mapping[str, Path] | None = None,
    tables: Mapping[str, Path] | None = None,
    progress: Progress = silent,
) -> Unseen:
    """Measures models on the test split of every source, on marked camera fields, and on further pictures.

    If one of the models learned from camera fields, only the half that it didn't learn from is measured, for all of
    them.

    Args:
        folder: a data set.
        files: model files.
        cells: further folders of pictures of single cells, with a folder for each label, by the name of the source.
        tables: further tables of marked fields, like fields.csv, by the name of the source.
        progress: see edge.system.progress.

    Raises:
        UserError: for a model without the label *other*, and for pictures that can't be read.
    """
    if not files:
        raise UserError("Nothing to measure: name model files.")
    models = {str(file): Model(file) for file in files}
    for name, model in models.items():
        if model.labels != (*LABELS, OTHER) or RISK not in model.risks:
            raise UserError(f"{name} knows no {OTHER} cells; train a network with --other kinds, and convert it.")
    half = any(model.contract.learned_fields for model in models.values())
    sources = _sources(folder, half, cells or {}, tables or {})
    examples = dataset.read(folder, (*LABELS, OTHER))
    result = {name: _model_figures(model, sources, folder, examples, progress) for name, model in models.items()}
    return Unseen(RISK, result)


def _sources(folder: Path, half: bool, cells: Mapping[str, Path], tables: Mapping[str, Path]) -> dict[str, Pictures]:
    """The pictures of each source. half: whether only the measuring half of the marked fields is taken."""
    singles: dict[str, dict[str, str]] = defaultdict(dict)
    for e in dataset.only(dataset.read(folder, None), "test"):
        singles[e.source][str(folder / e.path)] = e.label
    for name, place in cells.items():
        singles[name] = _labelled(place)
    boxes: dict[str, dict[str, Field]] = defaultdict(dict)
    marked = fields.read(folder)
    for each in fields.halves(marked)[1] if half else marked:
        boxes[each.source][str(folder / each.path)] = each
    for name, table in tables.items():
        boxes[name] = {str(table.parent / each.path): each for each in fields.read(table.parent, table.name)}
        if not boxes[name]:
            raise UserError(f"{table} is missing or empty; it must list the white cells of camera fields.")
    return {name: Pictures(singles[name], boxes[name]) for name in dict.fromkeys([*singles, *boxes])}


def _labelled(place: Path) -> dict[str, str]:
    """The pictures in the folders of PLACE. A folder's name is the label; it may be capitalised or in the plural."""
    found = {each.path: class_names.label(each.name) for each in layout.find(place).pictures}
    if not found:
        raise UserError(f"{place} holds no folder of pictures; it needs one for each label.")
    return found


def _model_figures(
    model: Model,
    sources: Mapping[str, Pictures],
    folder: Path,
    examples: Iterable[dataset.Example],
    progress: Progress,
) -> ModelFigures:
    contract = model.contract
    names, counts = learned_sources(model), contract.data.counts if contract.data else {}

    def learned(source: str) -> str:
        if source in names:
            return "names"
        return "other" if {"train", "val"} & set(counts.get(source, ())) else ""

    without = tuple((contract.training or {}).get("without") or ())
    left_out = {}
    for kind in without:
        chosen = [e for e in examples if e.kind != dataset.PATCH and kind in (e.kind, e.original)]
        runs = {
            e.source: Pictures({str(folder / x.path): kind for x in chosen if x.source == e.source}) for e in chosen
        }
        answers = [answer for pictures in runs.values() for _, answer in _answered(model, pictures, progress)[0]]
        left_out[kind] = share(sum(each.label in LABELS for each in answers), len(answers))
    return ModelFigures(
        kind=contract.quantization.kind,
        learned=tuple(names),
        without=without,
        sha256=model.sha256,
        sources={name: _figures(model, each, learned(name), progress) for name, each in sources.items()},
        left_out=left_out,
    )


def _answered(
    model: Model, pictures: Pictures, progress: Progress
) -> tuple[list[tuple[str, Decision]], int, Outside | None]:
    """The answers to the labelled cells of some pictures, each with its true type.

    Returns:
        The answers; how many labelled cells weren't found; and what was found outside of boxes.
    """
    found: list[tuple[str, Decision]] = []
    if pictures.singles:
        for each in _run(list(pictures.singles), model, Search(single=True), progress):
            found += [(pictures.singles[each.picture.source], answer) for _, answer in each.cells]
    if not pictures.boxes:
        return found, 0, None
    missed = marks = named = 0
    for each in _run(list(pictures.boxes), model, Search(), progress):
        boxes = pictures.boxes[each.picture.source].boxes
        outside = [answer for cell, answer in each.cells if not any(box.holds(cell) for box in boxes)]
        marks, named = marks + len(outside), named + sum(answer.label in LABELS for answer in outside)
        for box in boxes:
            inside: list[tuple[Cell, Decision]] = [pair for pair in each.cells if box.holds(pair[0])]
            missed += not inside
            if inside and box.label not in _UNKNOWN:
                found.append((box.label, min(inside, key=lambda pair: box.off_centre(pair[0]))[1]))
    return found, missed, Outside(len(pictures.boxes), marks, named)


class _Collected(Sink):
    """Keeps the answers to all pictures. Raises UserError for one that can't be read."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def add(self, result: Answer | Unreadable) -> None:
        if isinstance(result, Unreadable):
            raise UserError(f"{result.source} {result.error}")
        self.answers.append(result)


def _run(paths: list[str], model: Model, search: Search, progress: Progress) -> list[Answer]:
    """The answers that `edge-classify` would give to these pictures as one run."""
    collected = _Collected()
    run(Job(paths, model, model.rules(RISK), search), [collected], progress)
    return collected.answers


def _figures(model: Model, pictures: Pictures, learned: str, progress: Progress) -> UnseenFigures:
    found, missed, outside = _answered(model, pictures, progress)
    cells = [(kind, answer) for kind, answer in found if kind in LABELS]
    given = [(kind, answer) for kind, answer in cells if answer.label != REVIEW]
    types = sorted({kind for kind, _ in found} - set(LABELS))
    likelier = [(kind, max(LABELS, key=answer.probabilities.__getitem__)) for kind, answer in cells]
    return UnseenFigures(
        learned=learned,
        recalls={
            name: share(sum(kind == name == said for kind, said in likelier), sum(kind == name for kind, _ in likelier))
            for name in LABELS
        },
        coverage=share(len(given), len(cells)),
        risk=share(sum(kind != answer.label for kind, answer in given), len(given)),
        named={
            each: share(
                sum(kind == each and answer.label in LABELS for kind, answer in found),
                sum(kind == each for kind, _ in found),
            )
            for each in types
        },
        missed=missed,
        outside=outside,
    )


def table(result: Unseen) -> str:
    """The result as Markdown tables."""
    rows, types, means = [], [], []
    for each in result.models.values():
        model = f"{each.kind}, {' + '.join(each.learned)}" + "".join(f" without {kind}" for kind in each.without)
        for source, figures in each.sources.items():
            where = source + {"": "", "other": " (its other cells)", "names": " (its own)"}[figures.learned]
            balanced = figures.balanced_accuracy
            outside = figures.outside
            rows.append([
                model,
                where,
                "-" if balanced is None else f"{balanced:.3f}",
                str(figures.coverage),
                str(figures.risk),
                _counts(figures.named),
                str(figures.missed) if outside else "-",
                f"{outside.marks}, {outside.named}" if outside else "-",
            ])  # fmt: skip
        for kind, named in each.left_out.items():
            types.append([model, kind, str(named)])
        means.append([model, *_means([f for f in each.sources.values() if f.learned != "names"])])
    tables = [
        Table(
            [
                "model, learned from",
                "measured on",
                "balanced accuracy",
                f"answered at {result.risk:.0%}",
                "wrong of these",
                "other cells given a name",
                "not found",
                "found and named outside of boxes",
            ],
            rows,
        ),
        Table(
            [
                "sources whose names were never learned",
                "balanced accuracy, mean",
                "worst",
                f"answered at {result.risk:.0%}, mean",
                "wrong of these, mean",
                "worst",
                "all together",
                "other cells given a name",
                "named outside of boxes",
            ],
            means,
        ),
    ]
    tables += [Table(["model", "type never learned", "given a name"], types)] if types else []
    return "\n\n".join(each.markdown() for each in tables)


def _counts(named: Mapping[str, Share]) -> str:
    """For example "basophil 0/12; neutrophil 1/40"."""
    return "; ".join(f"{name} {each.right}/{each.count}" for name, each in named.items()) or "-"


def _means(sources: Sequence[UnseenFigures]) -> list[str]:
    """Means and the worst over sources, each source counting once."""
    balanced = [each.balanced_accuracy for each in sources if each.balanced_accuracy is not None]
    coverage = [each.coverage.value for each in sources if each.coverage.value is not None]
    risk = [each.risk.value for each in sources if each.risk.value is not None]
    others = [share for each in sources for share in each.named.values()]
    outside = [each.outside for each in sources if each.outside]
    return [
        f"{statistics.fmean(balanced):.3f}" if balanced else "-",
        f"{min(balanced):.3f}" if balanced else "-",
        f"{statistics.fmean(coverage):.3f}" if coverage else "-",
        f"{statistics.fmean(risk):.3f}" if risk else "-",
        f"{max(risk):.3f}" if risk else "-",
        f"{sum(each.risk.right for each in sources)}/{sum(each.risk.count for each in sources)}",
        f"{sum(each.right for each in others)}/{sum(each.count for each in others)}",
        f"{sum(each.named for each in outside)} in {sum(each.fields for each in outside)} fields",
    ]
