"""How right the models are when pictures are worse than those that they learned from."""

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

UNCHANGED = "as they are"
_WEAK_TO_STRONG = [str(strength) for strength in STRENGTHS]


@dataclass(frozen=True)
class Strengths:
    """What the five strengths of one kind of corruption are.

    Attributes:
        amounts: one a strength.
        unit: of the amounts.
    """

    amounts: tuple[float, ...]
    unit: str


@dataclass(frozen=True)
class ModelFigures:
    """One model.

    Attributes:
        sha256: of its file.
        kinds: figures by kind of corruption and strength, "1" to "5"; those of UNCHANGED stand under "0".
    """

    sha256: str
    kinds: dict[str, dict[str, Figures]]

    @property
    def unchanged(self) -> Figures:
        """The figures of the pictures as they are."""
        return self.kinds[UNCHANGED]["0"]


@dataclass(frozen=True)
class Robustness:
    """All figures of `benchmark robustness`.

    Attributes:
        split: that the pictures are of.
        pictures: how many.
        strengths: by kind of corruption.
        models: by name.
    """

    split: str
    pictures: int
    strengths: dict[str, Strengths]
    models: dict[str, ModelFigures]


def robustness(
    folder: Path, files: Sequence[Path], count: int | None = None, split: str = "test", progress: Progress = silent
) -> Robustness:
    """Corrupts pictures of one cell and answers them as `edge-classify --single` does.

    All pictures of one source, corrupted in one way at one strength, are one run: its red cells are measured together.

    Args:
        folder: a data set.
        files: models.
        count: pictures of each label of each source; None for all.
        split: that the pictures are of.
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
    """Writes the corrupted pictures without further loss -> their paths. Raises UserError where that fails."""
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
        paths: of the pictures.
        sources: of the pictures, one each.
        models: by name.
        locators: by the policy of their crops.
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
    """What finds the cells for a policy of crops; None where whole pictures are taken."""
    return None if policy == "whole-image" else Locator()


def _found(
    paths: Sequence[str], sources: Sequence[str], policy: str, locator: Locator | None
) -> Iterator[Found]:  # fmt: skip
    """The cell in the middle of each picture, in the order of the pictures; each source is a run of its own."""
    of_source: dict[str, list[str]] = defaultdict(list)
    for path, source in zip(paths, sources, strict=True):
        of_source[source].append(path)
    runs = {
        source: find_cells(each, policy, Search(single=True), locator=locator) for source, each in of_source.items()
    }
    for source in sources:
        found = next(runs[source])
        if isinstance(found, Unreadable):
            raise UserError(f"{found.source} {found.error}")
        yield found


def some(examples: Sequence[Example], count: int | None) -> list[Example]:
    """`count` examples of each label of each source, from all over the list; all of them with None."""
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
    """The figures of one model by kind of corruption and strength. answers: by model, kind and strength."""
    truth, cells = dataset.targets(chosen, labels), intervals.clusters(chosen)
    result: dict[str, dict[str, Figures]] = defaultdict(dict)
    for kind, strength in _conditions():
        figures = metrics.figures(truth, answers[name, kind, strength], cells, labels)
        result[kind][str(strength)] = figures
    return dict(result)


def table(result: Robustness) -> str:
    """The result as text for a terminal: balanced accuracy and, where not all were answered, the share that was."""
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
