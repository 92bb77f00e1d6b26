"""Finished runs side by side: runs that differ only in their seed are one row."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.contract import Crop, Figures, document, load
from edge.errors import UserError, reason
from edge.output.tables import Table

_DEVICES = ("strategy", "precision", "weights")  # settings of how a network was trained, not of what it learned
FIGURES = ("balanced accuracy", "monocyte recall", "lymphocyte recall", "AUROC")


@dataclass(frozen=True)
class TestedRun:
    """What is compared of a finished run.

    Attributes:
        network: its name, such as "compact".
        crop: the preprocessing.
        settings: of the training run.
        metrics: figures by split and source.
    """

    network: str
    crop: Crop
    settings: dict[str, Any]
    metrics: dict[str, dict[str, Figures]]

    @property
    def tested(self) -> dict[str, Figures]:
        """Figures by source, of the test split and of the cells of marked camera fields."""
        splits = [self.metrics.get(split, {}) for split in ("test", "fields")]
        return {source: figures for split in splits for source, figures in split.items() if source != "all"}


@dataclass(frozen=True)
class Spread:
    """One figure over several seeds.

    Attributes:
        mean: over the seeds.
        low: of the lowest seed.
        high: of the highest seed.
        seeds: how many.
    """

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        """Such as "0.850 (0.800 to 0.900)"; of one seed the figure alone."""
        return f"{self.mean:.3f}" + (f" ({self.low:.3f} to {self.high:.3f})" if self.seeds > 1 else "")


@dataclass(frozen=True)
class Row:
    """Runs of one network with the same settings.

    Attributes:
        network: its name.
        settings: those in which the rows differ.
        seeds: of the runs, in ascending order.
        test: by source, those of FIGURES that are defined for each run.
    """

    network: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    test: dict[str, dict[str, Spread]]


def compare(runs: Iterable[Path]) -> list[Row]:
    """A row for each network and settings.

    Args:
        runs: folders that `train` wrote.

    Raises:
        UserError: for a folder without a finished run of a classifier.
    """
    groups: dict[str, list[TestedRun]] = {}
    for run in map(read, runs):
        same = {name: value for name, value in run.settings.items() if name != "seed" and name not in _DEVICES}
        groups.setdefault(json.dumps([run.network, document(run.crop), same], sort_keys=True), []).append(run)
    settings = [group[0].settings for group in groups.values()]
    names = sorted({name for each in settings for name in each} - {"seed", *_DEVICES})
    differing = [name for name in names if len({json.dumps(each.get(name)) for each in settings}) > 1]
    return [_row(group, differing) for group in groups.values()]


def _row(runs: Sequence[TestedRun], differing: Sequence[str]) -> Row:
    """A row of runs that differ in their seed. differing: settings in which the rows differ."""
    first = runs[0]
    common = [source for source in first.tested if all(source in run.tested for run in runs)]
    return Row(
        network=first.network,
        settings={name: first.settings.get(name) for name in differing},
        seeds=tuple(sorted(run.settings["seed"] for run in runs)),
        test={source: _spreads([run.tested[source] for run in runs]) for source in common},
    )


def _spreads(figures: Sequence[Figures]) -> dict[str, Spread]:
    values: dict[str, list[float | None]] = {
        "balanced accuracy": [each.balanced_accuracy for each in figures],
        "monocyte recall": [each.classes["monocyte"].recall.value for each in figures],
        "lymphocyte recall": [each.classes["lymphocyte"].recall.value for each in figures],
        "AUROC": [each.auroc for each in figures],
    }
    defined = {name: [value for value in each if value is not None] for name, each in values.items()}
    return {
        name: Spread(statistics.fmean(each), min(each), max(each), len(each))
        for name, each in defined.items()
        if len(each) == len(figures)
    }


def read(run: Path) -> TestedRun:
    """What is compared of a finished run of a classifier. Raises UserError if there is none."""
    try:
        report = json.loads((run / "run.json").read_text(encoding="utf-8"))
        if report["network"] == "locator" or not report["metrics"]["test"]:
            raise UserError(f"{run} holds no classifier.")
        return load(TestedRun, report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else "its run.json is damaged"
        raise UserError(f"{run} is not a finished training run ({why}).") from error


def table(rows: Iterable[Row]) -> Table:
    """The rows of `compare`, one table row for each source that they were tested on."""
    return Table(
        ["trained", "tested on", *FIGURES],
        [
            [_title(row), source, *(str(spreads[name]) if name in spreads else "-" for name in FIGURES)]
            for row in rows
            for source, spreads in row.test.items()
        ],
    )


def _title(row: Row) -> str:
    """Such as "baseline augment light (2 seeds)"."""
    settings = ", ".join(f"{name} {value}" for name, value in row.settings.items() if value is not None)
    return f"{row.network} {settings}" + (f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else "")
