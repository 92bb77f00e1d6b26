"""Measures how accurate models are on pictures that are worse than those they were trained on."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import metrics
from benchmarks.corruptions import KINDS, STRENGTHS, corrupt
from benchmarks.metrics import Figures
from benchmarks.pictures import spread
from edge import frames
from edge.classify import Found, Search, find_cells
from edge.crop import crop
from edge.decide import Decision
from edge.errors import UserError, writing
from edge.frames import Unreadable
from edge.locate import Locator
from edge.model import Model
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from train.data import dataset
from train.data.dataset import Example
from train.evaluation import intervals

UNCHANGED = "as they are"  # the key of figures on pictures without any corruption
_WEAK_TO_STRONG = [str(strength) for strength in STRENGTHS]


@dataclass(frozen=True)
class Strengths:
    """The five strengths of one kind of corruption.

    Attributes:
        amounts: one amount per strength.
        unit: unit of the amounts.
    """

    amounts: tuple[float, ...]
    unit: str


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        sha256: hash of the model file.
        kinds: figures by kind of corruption and then by strength, "1" to "5". UNCHANGED is also a kind; its only
            strength is "0".
    """

    sha256: str
    kinds: dict[str, dict[str, Figures]]

    @property
    def unchanged(self) -> Figures:
        """The figures of the pictures without corruption."""
        return self.kinds[UNCHANGED]["0"]


@dataclass(frozen=True)
class Robustness:
    """All figures of `benchmark robustness`.

    Attributes:
        split: the split that the pictures belong to.
        pictures: number of pictures.
        strengths: strengths by kind of corruption.
        models: figures by name of the model.
    """

    split: str
    pictures: int
    strengths: dict[str, Strengths]
    models: dict[str, ModelFigures]


def robustness(
    folder: Path, files: Sequence[Path], count: int | None = None, split: str = "test", progress: Progress = silent
) -> Robustness:
    """Corrupts pictures of one cell and answers them as `edge-classify --single` does.

    All pictures of one source with the same kind and strength of corruption are one run: their red cells are measured
    together.

    Args:
        folder: a data set.
        files: model files.
        count: number of pictures per label and source; None for all.
        split: the split that the pictures are taken from.
        progress: see edge.system.progress.

    Raises:
        UserError: for a data set or a model that can't be used.
    """
    if not files:
        raise UserError("Nothing to measure: name model files.")
    chosen = some(dataset.only(dataset.read(folder), split), count)
    models = {file.stem: Model(file) for file in files}
    images = [frames.load(folder / example.path).image for example in chosen]
    sources = [example.source for example in chosen]
    locators = {policy: _locator(policy) for policy in sorted({model.policy for model in models.values()})}
    answers: dict[tuple[str, str, int], list[Decision]] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-robustness-") as place:
        for done, (kind, strength) in enumerate(_conditions()):
            paths = _write(images, kind, strength, Path(place))
            for name, decisions in _answers(paths, sources, models, locators).items():
                answers[name, kind, strength] = decisions
            progress("Answering corrupted pictures", done + 1, len(_conditions()))
    return Robustness(
        split=split,
        pictures=len(chosen),
        strengths={name: Strengths(kind.amounts, kind.unit) for name, kind in KINDS.items()},
        models={
            name: ModelFigures(model.sha256, _figures(answers, name, model.labels, chosen))
            for name, model in models.items()
        },
    )


def _conditions() -> list[tuple[str, int]]:
    return [(UNCHANGED, 0), *((kind, strength) for kind in KINDS for strength in STRENGTHS)]


def _write(images: Sequence[np.ndarray], kind: str, strength: int, place: Path) -> list[str]:
    """Corrupts the pictures and writes them as BMP files, which lose nothing.

    Returns:
        The paths of the files.

    Raises:
        UserError: if the files can't be written.
    """
    paths = [str(place / f"{number}.bmp") for number in range(len(images))]
    with writing(place):
        for number, (image, path) in enumerate(zip(images, paths, strict=True)):
            corrupted = corrupt(image, kind, strength, number) if strength else image
            Image.fromarray(corrupted).save(path)
    return paths


def _answers(
    paths: Sequence[str],
    sources: Sequence[str],
    models: Mapping[str, Model],
    locators: Mapping[str, Locator | None],
) -> dict[str, list[Decision]]:
    """The answers of each model, in the order of the pictures.

    Args:
        paths: paths of the pictures.
        sources: source of each picture.
        models: models by name.
        locators: the locator to use, by crop policy.
    """
    answers: dict[str, list[Decision]] = {name: [] for name in models}
    for policy, locator in locators.items():
        alike = {name: model for name, model in models.items() if model.policy == policy}
        for found in _found(paths, sources, policy, locator):
            for name, model in alike.items():
                prediction = model.predict(crop(found.picture, found.cells[0], model.size, policy))
                answers[name] += metrics.decisions(model, [prediction])
    return answers


def _locator(policy: str) -> Locator | None:
    """The locator for a crop policy; None if whole pictures are taken."""
    return None if policy == "whole-image" else Locator()


def _found(
    paths: Sequence[str], sources: Sequence[str], policy: str, locator: Locator | None
) -> Iterator[Found]:  # fmt: skip
    """Finds the cell in the middle of each picture, in the order of the pictures. Each source is a run of its own."""
    of_source: dict[str, list[str]] = defaultdict(list)
    for path, source in zip(paths, sources, strict=True):
        of_source[source].append(path)
    runs = {
        source: find_cells(each, policy, Search(single=True, pages=False), locator=locator)
        for source, each in of_source.items()
    }
    for source in sources:
        found = next(runs[source])
        if isinstance(found, Unreadable):
            raise UserError(f"{found.source} {found.error}")
        yield found


def some(examples: Sequence[Example], count: int | None) -> list[Example]:
    """`count` examples per label and source, spread evenly over the list; all of them if `count` is None."""
    groups: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for each in examples:
        groups[each.source, each.label].append(each)
    return [each for group in groups.values() for each in spread(group, count)]


def _figures(
    answers: Mapping[tuple[str, str, int], Sequence[Decision]],
    name: str,
    labels: Sequence[str],
    chosen: Sequence[Example],
) -> dict[str, dict[str, Figures]]:
    """The figures of one model, by kind of corruption and strength.

    Args:
        answers: answers to all pictures, by name of the model, kind and strength.
        name: name of the model.
        labels: the labels that an answer can have.
        chosen: the pictures.
    """
    truth, cells = dataset.targets(chosen, labels), intervals.clusters(chosen)
    result: dict[str, dict[str, Figures]] = defaultdict(dict)
    for kind, strength in _conditions():
        figures = metrics.figures(truth, answers[name, kind, strength], cells, labels)
        result[kind][str(strength)] = figures
    return dict(result)


def table(result: Robustness) -> str:
    """The result as text for a terminal: balanced accuracy and, if some pictures are left for review, the coverage."""
    lines = [f"{result.pictures} pictures of the {result.split} split; balanced accuracy, 95 % intervals"]
    for name, model in result.models.items():
        rows = [
            [kind, *(_cell(model.kinds[kind][strength]) for strength in _WEAK_TO_STRONG)] for kind in result.strengths
        ]
        lines += [
            "",
            f"{name}: {_cell(model.unchanged)} {UNCHANGED}",
            Table(["strength", *_WEAK_TO_STRONG], rows).text(),
        ]
    return "\n".join(lines)


def _cell(figures: Figures) -> str:
    coverage = figures.coverage
    answered = f" {100 * coverage.value:.0f} %" if coverage.value is not None and coverage.value < 1 else ""
    return f"{figures.balanced_accuracy}{answered}"
