"""Distillation: a network learns what other networks answer to each view, as well as the view's label.

A teacher sees exactly the view that its pupil learns (Beyer et al., CVPR 2022). So it must have been trained on crops
of the same size and policy, and must tell the same kinds apart. It may be any network.

Source: Hinton, Vinyals and Dean, 2015.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from edge.errors import UserError
from edge.system.progress import Progress, silent
from train import networks, run
from train.data import array_cache, dataset
from train.data.array_cache import Spec

_BATCH = 64
_WEIGHT = 0.7  # of the teachers' mean answer in a target; the label has the remaining 0.3


def teachers(
    runs: Sequence[str], source: str | Sequence[str] | None, kinds: Sequence[str], size: int, policy: str
) -> list[keras.Model]:
    """The networks of finished runs.

    Args:
        runs: their folders; SOURCE in a name stands for `source`.
        source: the source that the pupil learns from, or several (their names are joined by "+"); None for all.
        kinds: the kinds that the pupil tells apart.
        size: width and height of the pupil's crops in pixels.
        policy: how the pupil's crops are made.

    Raises:
        UserError: if a folder holds no finished run, or one with other kinds or crops.
    """
    models = []
    of = "+".join(dataset.named(source)) or "all"
    for name in runs:
        folder = Path(name.replace("SOURCE", of))
        report, model = run.read(folder)
        if (report.kinds, report.size, report.crop.policy) != (tuple(kinds), size, policy):
            raise UserError(
                f"{folder} can't teach: its network tells other kinds apart, or takes crops of another size or policy."
            )
        models.append(model)
    return models


def targets(
    teachers: Sequence[keras.Model], views: Sequence[np.ndarray], truth: np.ndarray, progress: Progress = silent
) -> list[np.ndarray]:
    """The target answers for each view: the teachers' mean answer, mixed with the truth.

    Args:
        teachers: from `teachers`.
        views: views of the training pictures, memory maps, uint8 [n, size, size, 3].
        truth: the labels, one-hot, float32 [n, kinds].
        progress: see edge.system.progress.

    Returns:
        For each view, float32 [n, kinds]. The teachers' answers are kept in the cache.

    Raises:
        UserError: if the cache can't be written.
    """
    hashes = [array_cache.content_hash(view) for view in views]
    answers = [_answers(teacher, views, hashes, truth.shape[1], progress) for teacher in teachers]
    return [
        (_WEIGHT * np.mean(each, axis=0) + (1 - _WEIGHT) * truth).astype(np.float32)
        for each in zip(*answers, strict=True)
    ]


def _answers(
    teacher: keras.Model, views: Sequence[np.ndarray], hashes: list[str], classes: int, progress: Progress
) -> list[np.ndarray]:
    """One teacher's answers to each view: memory maps, float32 [n, classes]. hashes: hashes of the views."""

    def make(view: int, first: int) -> np.ndarray:
        return run.predict(teacher, views[view][first : first + _BATCH])

    spec = Spec("answers", [hashes, networks.weights_hash(teacher)], "<f4", (len(views[0]), classes))
    return array_cache.kept(spec, len(views), make, _BATCH, "Teacher, view", progress)
