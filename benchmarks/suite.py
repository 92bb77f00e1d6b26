"""Everything that the README says of the shipped model, on this machine, in one run."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import accuracy, latency, pictures, robustness

_QUICK = {"pictures": 24, "cells": 25, "many": 200}  # of each set; of each class of each source; in one process
_FULL = {"pictures": 100, "cells": None, "many": 1000}


def whole(folder: Path, files: Sequence[Path], threads: Sequence[int] = (1,), quick: bool = False) -> dict:
    """-> {"accuracy", "latency", "robustness"}, each as its own command gives it; quick: on fewer pictures, but for
    accuracy, which is the same.
    """
    amount = _QUICK if quick else _FULL
    sets = pictures.of_data(folder, amount["pictures"])
    return {
        "accuracy": accuracy.accuracy(folder, files, "test"),
        "latency": latency.latency(sets, files, threads, many=amount["many"] or 0),
        "robustness": robustness.robustness(folder, files, amount["cells"]),
    }


def table(result: dict) -> str:
    parts = {"accuracy": accuracy.table, "latency": latency.table, "robustness": robustness.table}
    return "\n\n".join(f"{name.upper()}\n{each(result[name])}" for name, each in parts.items())
