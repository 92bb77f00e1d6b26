"""Distillation: what other networks say of each view, learned besides its label (Hinton, Vinyals and Dean, 2015).

The teacher is shown the very view that its pupil learns (Beyer et al., CVPR 2022), so it was trained on such pictures
and tells the same kinds apart; of what network it is makes no difference.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from edge.errors import UserError
from train import data, networks, run, views

_BATCH = 64
_WEIGHT = 0.7  # of the teachers' word against the label's


def teachers(
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


def targets(teachers: Sequence[keras.Model], seen: Sequence[np.ndarray], truth: np.ndarray) -> list[np.ndarray]:
    """What each view is to be answered with, float32 [n, classes]: the teachers' mean answer, and the truth.

    seen: memory maps uint8 [n, size, size, 3]; truth: one-hot float32 [n, classes]. Answers are kept in the user's
    cache; raises UserError where they can't be.
    """
    digests = [data.digest(view) for view in seen]
    said = [_answers(teacher, seen, digests, truth.shape[1]) for teacher in teachers]
    return [
        (_WEIGHT * np.mean(each, axis=0) + (1 - _WEIGHT) * truth).astype(np.float32) for each in zip(*said, strict=True)
    ]


def _answers(teacher: keras.Model, seen: Sequence[np.ndarray], digests: list[str], classes: int) -> list[np.ndarray]:
    """-> memory maps float32 [n, classes], one for each view."""

    def make(view: int, first: int) -> np.ndarray:
        return run.predict(teacher, seen[view][first : first + _BATCH])

    key = [digests, networks.digest(teacher)]
    return views.kept("answers", key, "<f4", (len(seen[0]), classes), _BATCH, make, len(seen), "Teacher, view")
