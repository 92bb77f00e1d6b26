"""The compact network: small enough for any Pi, and made to hold on microscopes that it has never seen.

What makes it hold is done to the pictures (edge.normalise, train.views) more than to the network.
"""

from dataclasses import asdict, replace
from pathlib import Path

import keras

from train import distill, experiment, networks, views
from train.augment import recipe
from train.settings import Compact, Settings


def compact(folder: Path, out: Path, settings: Settings, more: Compact, *, resume: bool = False) -> dict:
    """Fine-tunes the first part of MobileNetV2 on augmented views; writes what experiment.baseline() writes.

    Raises UserError as experiment.baseline() and networks.compact() do.
    """

    def plan(taken: experiment.Material) -> experiment.Plan:
        classes = len(taken.kinds)
        teachers = distill.teachers(more.teachers, settings.source, taken.kinds, settings.size, settings.policy)
        start = networks.compact(settings.size, classes, more.weights, more.norm, more.blocks)
        early, late = views.parts(recipe(settings.augment))
        seen = [taken.crops["train"]]
        if early:
            examples = taken.examples["train"]
            seen = views.views(folder, examples, settings, early, more.crowd, more.views)

        def build() -> keras.Model:
            model = networks.compact(settings.size, classes, None, more.norm, more.blocks)
            model.set_weights(start.get_weights())
            return model

        known = asdict(replace(more, weights=networks.digest(start), views=len(seen)))
        targets = None
        if teachers:
            known["teachers"] = [networks.digest(teacher) for teacher in teachers]
            targets = distill.targets(teachers, seen, taken.targets)
        return experiment.Plan(build, seen, tuple(late), known, targets)

    return experiment.one_stage("compact", folder, out, settings, plan, resume=resume)
