"""Compares finished runs in a table. Runs that differ only in their seed share a row."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.contract import Crop, Figures, document, load
from edge.errors import UserError, reason
from edge.output.tables import Table

# Settings in which the runs of one row may differ. "weights" is a hash of the first weights; it may vary by seed.
_DEVICES = ("strategy", "precision", "weights")
FIGURES = ("balanced accuracy", "monocyte recall", "lymphocyte recall", "AUROC")


@dataclass(frozen=True)
class TestedRun:
    """The part of a finished run that is compared.

    Attributes:
        network: its name, such as "compact".
        crop: how its crops are made.
        settings: settings of the training run.
        metrics: figures by split and source.
    """

    network: str
    crop: Crop
    settings: dict[str, Any]
    metrics: dict[str, dict[str, Figures]]

    @property
    def tested(self) -> dict[str, Figures]:
        """Figures by source, for the test split and for the cells of marked camera fields."""
        splits = [self.metrics.get(split, {}) for split in ("test", "fields")]
        return {source: figures for split in splits for source, figures in split.items() if source != "all"}


@dataclass(frozen=True)
class Spread:
    """One figure over several seeds.

    Attributes:
        mean: over the seeds.
        low: the lowest figure of a seed.
        high: the highest figure of a seed.
        seeds: how many seeds there are.
    """

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        """For example "0.850 (0.800 to 0.900)"; for one seed only the figure."""
        return f"{self.mean:.3f}" + (f" ({self.low:.3f} to {self.high:.3f})" if self.seeds > 1 else "")


@dataclass(frozen=True)
class Row:
    """Runs of one network with the same settings.

    Attributes:
        network: its name.
        settings: the settings in which the rows differ.
        seeds: the seeds of the runs, in ascending order.
        test: by source, the FIGURES that are defined for every run.
    """

    network: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    test: dict[str, dict[str, Spread]]


def compare(runs: Iterable[Path]) -> list[Row]:
    """Groups runs into rows, one for each network with its settings.

    Args:
        runs: folders that `train` wrote.

    Raises:
        UserError: for a folder without a finished run of a classifier.
    """
    groups: dict[str, list[TestedRun]] = {}
    for run in map(read, runs):
        same = {
            name: value
            for name, value in run.settings.items()
            if value is not None and name != "seed" and name not in _DEVICES  # older versions lack keys that are None
        }
        groups.setdefault(json.dumps([run.network, document(run.crop), same], sort_keys=True), []).append(run)
    settings = [group[0].settings for group in groups.values()]
    names = sorted({name for each in settings for name in each} - {"seed", *_DEVICES})
    differing = [name for name in names if len({json.dumps(each.get(name)) for each in settings}) > 1]
    return [_row(group, differing) for group in groups.values()]


def _row(runs: Sequence[TestedRun], differing: Sequence[str]) -> Row:
    """The row of runs that differ only in their seed. differing: names of the settings in which the rows differ."""
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
    """Reads a finished run of a classifier. Raises UserError if there is none."""
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
    """For example "baseline augment light (2 seeds)"."""
    settings = ", ".join(f"{name} {value}" for name, value in row.settings.items() if value is not None)
    return f"{row.network} {settings}" + (f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else "")
