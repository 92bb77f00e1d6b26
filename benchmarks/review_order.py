"""Measures whether the review shows the wrong answers first: a session of test cells of one source."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import held_out
from benchmarks.held_out import HeldOut
from benchmarks.selective import learned_sources
from edge import unlike
from edge.count.outcome import DOUBTFUL, Judged, Outcome
from edge.count.records import CountedCell, Settings
from edge.decide import REVIEW, RISK, decide
from edge.errors import UserError
from edge.model import Model
from edge.output.tables import Table
from edge.page.gallery import ordered
from edge.share import Share, share
from edge.system.progress import Progress, silent
from train.data.dataset import PATCH

FIRST = 0.2  # share of the gallery that is looked at


@dataclass(frozen=True)
class Order:
    """The gallery of the test cells of one source.

    Attributes:
        learned: whether the model learned lymphocytes or monocytes from the source.
        cells: number of cells.
        doubtful: share of them that wait for a person.
        likeliest: of the cells whose likeliest label is wrong, the share in the first fifth.
        given: of the given answers that are wrong, the share in the first fifth of the given answers.
    """

    learned: bool
    cells: int
    doubtful: Share
    likeliest: Share
    given: Share


def measure(folder: Path, files: Sequence[Path], progress: Progress = silent) -> dict[str, dict[str, Order]]:
    """The galleries of each model and source. All cells of a source are judged as one run.

    Args:
        folder: a data set.
        files: model files.
        progress: see edge.system.progress.

    Raises:
        UserError: for a model without thresholds, and for a data set that can't be used.
    """
    found = {}
    for file in files:
        model = Model(file)
        if RISK not in model.risks:
            raise UserError(f"{file} has no thresholds, so that it leaves no cell for review.")
        cells, learned = held_out.read(folder, model, progress), learned_sources(model)
        white = cells.types != PATCH
        found[str(file)] = {
            source: _order(cells, model, np.flatnonzero(white & (cells.sources == source)), source in learned)
            for source in dict.fromkeys(cells.sources[white].tolist())
        }
    return found


def _order(cells: HeldOut, model: Model, rows: np.ndarray, learned: bool) -> Order:
    predictions = cells.at(rows)
    run = unlike.compare(unlike.measure(predictions, [], model.distance), model.home, model.kinds)
    rules = unlike.held_to_more(model.rules(RISK), run)
    judged, likeliest = [], {}
    for number, each in enumerate(predictions, 1):
        decision = decide(unlike.moved(each.kinds, run), rules, distance=each.distance)
        likeliest[number] = max(decision.probabilities, key=lambda label: decision.probabilities[label])
        cell = CountedCell(
            *(1, number, 0.0, 0.0, (0, 0, 1, 1), 1.0),
            *(decision.label, decision.reason, decision.probabilities),
            id=number,
        )
        judged.append(Judged(cell, "", open=DOUBTFUL) if decision.label == REVIEW else Judged(cell, decision.label))
    order = [each.cell for each in ordered(Outcome(Settings(), judged, 0, []), "reader")]
    truth = {number: model.labels[cells.truth[row]] for number, row in enumerate(rows, 1)}
    given = [cell for cell in order if cell.answer != REVIEW]
    return Order(
        learned,
        len(order),
        share(len(order) - len(given), len(order)),
        _early([likeliest[cell.id] != truth[cell.id] for cell in order]),
        _early([cell.answer != truth[cell.id] for cell in given]),
    )


def _early(wrong: Sequence[bool]) -> Share:
    """Of the wrong ones, the share in the first fifth."""
    return share(sum(wrong[: round(FIRST * len(wrong))]), sum(wrong))


def table(found: dict[str, dict[str, Order]]) -> str:
    """The figures as a table for a terminal."""
    rows = [
        [Path(file).parent.name or file, f"{source}{' (its own)' if each.learned else ''}", str(each.cells)]
        + [str(part) for part in (each.doubtful, each.likeliest, each.given)]
        for file, sources in found.items()
        for source, each in sources.items()
    ]
    heads = ["model", "source", "cells", "doubtful", "wrong likeliest labels in the first fifth"]
    return Table([*heads, "wrong given answers in the first fifth of the given"], rows).text()
