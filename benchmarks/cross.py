"""Measures how much accuracy networks lose on microscopes that they were not trained on, as float and as int8."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert import gate
from convert.run import convert
from edge.decide import OTHER
from edge.errors import UserError
from edge.model import Model
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from train import run
from train.data import crop_cache, dataset, field_cells
from train.evaluation import cell_figures, evaluate, intervals
from train.evaluation.cell_figures import CellFigures


@dataclass(frozen=True)
class RunFigures:
    """One run of `train`.

    Attributes:
        network: name of the network, such as "compact".
        learned: sources that it was trained on.
        missed: number of labelled cells in camera fields that the locator did not find, by source.
        figures: accuracy by source and kind ("float" or "int8").
    """

    network: str
    learned: tuple[str, ...]
    missed: dict[str, int]
    figures: dict[str, dict[str, CellFigures]]


@dataclass(frozen=True)
class Cross:
    """All figures of `benchmark cross`.

    Attributes:
        runs: figures by the path of the run.
    """

    runs: dict[str, RunFigures]


def cross(folder: Path, runs: Sequence[Path], progress: Progress = silent) -> Cross:
    """Measures runs of `train` on the test split of every source, and on the labelled cells of marked camera fields.

    The labelled cells are found with the shipped locator. The int8 file is made for this measurement, and is run by the
    same code as on the Pi.

    Args:
        folder: a data set.
        runs: folders that `train` wrote.
        progress: see edge.system.progress.

    Raises:
        UserError: for a folder that isn't a training run, and for a network that loses too much accuracy as int8.
    """
    return Cross({str(each): _figures(folder, each, progress) for each in runs})


def _figures(folder: Path, path: Path, progress: Progress) -> RunFigures:
    report, network = run.read(path)
    known, labels = report.labels, dataset.LABELS
    size, policy = report.size, report.crop.policy
    test = [e for e in dataset.only(run.examples(path, report, folder), "test") if e.label != OTHER]
    learned_fields = bool(report.settings.get("fields"))
    in_fields = field_cells.read(folder, size, policy, dataset.LABELS, progress=progress, half=learned_fields)
    crops = np.concatenate([crop_cache.crops(folder, test, size, policy, progress=progress), in_fields.crops])
    truth = np.concatenate([dataset.targets(test, labels), in_fields.truth])
    sources = np.array([e.source for e in test] + in_fields.sources)
    in_field_numbers = np.unique(in_fields.cells, return_inverse=True)[1]
    cells = np.concatenate([intervals.clusters(test), len(test) + in_field_numbers])
    answers = {
        "float": run.predict(network, crops, len(known)),
        "int8": gate.answers(_converted(path, folder), crops),
    }
    if len(known) > len(labels):
        answers = {kind: evaluate.names_only(each) for kind, each in answers.items()}
    return RunFigures(
        network=report.network,
        learned=dataset.learned(report.data.counts),
        missed=in_fields.missed,
        figures={
            str(source): {
                kind: cell_figures.figures(
                    truth[sources == source], each[sources == source], cells[sources == source], labels
                )
                for kind, each in answers.items()
            }
            for source in dict.fromkeys(sources)
        },
    )


def _converted(path: Path, folder: Path) -> Model:
    """Makes the int8 file of a run in a temporary folder, and opens it. Raises UserError if it fails the gate."""
    with tempfile.TemporaryDirectory() as place:
        try:
            result = convert(path, "int8", Path(place), folder)
        except gate.NotProven as error:
            raise UserError(
                f"{path} loses too much accuracy as int8; run `convert --int8 {path}`, which shows in which layers."
            ) from error
        assert result.path is not None
        return Model(result.path)


def table(result: Cross) -> str:
    """The result as a Markdown table. In the 95 % intervals a physical cell counts once."""
    heads = ["network, learned from", "measured on", "", "monocyte recall", "lymphocyte recall"]
    rows = []
    for each in result.runs.values():
        for source, kinds in each.figures.items():
            home = " (its own)" if source in each.learned else ""
            for kind, figures in kinds.items():
                recalls = [str(figures.classes[label].recall) for label in ("monocyte", "lymphocyte")]
                others = [str(figures.estimate(name)) for name in ("balanced_accuracy", "auroc")]
                network = f"{each.network}, {' + '.join(each.learned)}"
                rows.append([network, f"{source}{home}", kind, *recalls, *others])
    return Table([*heads, "balanced accuracy", "AUROC"], rows).markdown()
