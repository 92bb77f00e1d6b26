"""Accuracy, latency and robustness of the shipped models on this machine, in one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import accuracy, latency, pictures, robustness
from benchmarks.accuracy import Accuracy
from benchmarks.latency import Latency
from benchmarks.robustness import Robustness
from edge.system.progress import Progress, silent


@dataclass(frozen=True)
class Amount:
    """How many pictures are used.

    Attributes:
        pictures: number of pictures in each set, for latency.
        cells: number of cells per label and source, for robustness; None for all.
        many: number of pictures that edge-classify answers in one process.
    """

    pictures: int
    cells: int | None
    many: int


QUICK = Amount(pictures=24, cells=25, many=200)
FULL = Amount(pictures=100, cells=None, many=1000)


@dataclass(frozen=True)
class Suite:
    """All figures of `benchmark all`.

    Attributes:
        accuracy, latency, robustness: the figures of the command with that name.
    """

    accuracy: Accuracy
    latency: Latency
    robustness: Robustness


def suite(
    folder: Path,
    files: Sequence[Path],
    threads: Sequence[int] = (1,),
    amount: Amount = FULL,
    progress: Progress = silent,
) -> Suite:
    """Measures accuracy, latency and robustness. Accuracy is always measured on all test pictures.

    Args:
        folder: a data set.
        files: model files.
        threads: numbers of threads of the networks, for latency.
        amount: how many pictures are used.
        progress: see edge.system.progress.

    Raises:
        UserError: for a data set or a model that can't be used.
    """
    sets = pictures.of_data(folder, amount.pictures)
    return Suite(
        accuracy=accuracy.accuracy(folder, files, "test", progress),
        latency=latency.latency(sets, files, latency.Settings(threads=tuple(threads)), amount.many, progress),
        robustness=robustness.robustness(folder, files, amount.cells, progress=progress),
    )


def results(suite: Suite) -> dict[str, Any]:
    """The results by name, as they are stored in a JSON file."""
    return {
        "accuracy": suite.accuracy,
        "latency": latency.document(suite.latency),
        "robustness": suite.robustness,
    }


def table(suite: Suite) -> str:
    """The results as text for a terminal."""
    parts = {
        "ACCURACY": accuracy.table(suite.accuracy),
        "LATENCY": latency.table(suite.latency),
        "ROBUSTNESS": robustness.table(suite.robustness),
    }
    return "\n\n".join(f"{name}\n{text}" for name, text in parts.items())
