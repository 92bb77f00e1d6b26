"""Distillation: what other networks say of each view, learned besides its label (Hinton, Vinyals and Dean, 2015)."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from edge.errors import UserError
from train import run

_WEIGHT = 0.7  # of the teachers' word against the label's


def networks(
    runs: Sequence[str], source: str | None, kinds: Sequence[str], size: int, policy: str
) -> list[keras.Model]:
    """The networks of finished runs; SOURCE in a name stands for `source`.

    Raises UserError where one is none, or was made for other labels or pictures.
    """
    found = []
    for name in runs:
        folder = Path(name.replace("SOURCE", source or "all"))
        report, model = run.read(folder)
        if (run.kinds(report), report["size"], report["crop"]["policy"]) != (list(kinds), size, policy):
            raise UserError(f"{folder} can't teach: it tells other kinds apart, or has other pictures.")
        found.append(model)
    return found


def targets(teachers: Sequence[keras.Model], views: Sequence[np.ndarray], truth: np.ndarray) -> list[np.ndarray]:
    """What each view is to be answered with, float32 [n, classes]: the teachers' mean answer, and the truth.

    views: uint8 [n, size, size, 3] each; truth: one-hot float32 [n, classes].
    """
    result = []
    for view in views:
        taught = np.mean([run.predict(teacher, view) for teacher in teachers], axis=0)
        result.append((_WEIGHT * taught + (1 - _WEIGHT) * truth).astype(np.float32))
    return result
