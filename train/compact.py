"""The compact network: small enough for any Pi, and trained to work on microscopes that it has never seen.

What helps most there is how the pictures are prepared (edge.normalise, train.views), more than the network itself.
"""

from dataclasses import asdict, replace
from pathlib import Path

import keras

from edge.system.progress import Progress, silent
from train import distill, experiment, networks, run, views
from train.augment import recipe
from train.settings import Compact, Settings


def compact(
    folder: Path,
    out: Path,
    settings: Settings,
    more: Compact,
    *,
    resume: bool = False,
    progress: Progress = silent,
) -> run.Report | None:
    """Fine-tunes the first blocks of MobileNetV2 on augmented views.

    Args:
        folder, out, settings, resume, progress: as for experiment.baseline.
        more: the settings of this network alone.

    Returns:
        The run's report; None if another process writes the files.

    Raises:
        UserError: as experiment.baseline, networks.compact and distill.teachers do.
    """
    before, after = views.parts(recipe(settings.augment))

    def plan(data: experiment.TrainingData) -> experiment.Plan:
        classes = len(data.kinds)
        teachers = distill.teachers(more.teachers, settings.source, data.kinds, settings.size, settings.policy)
        start = networks.compact(settings.size, classes, more.weights, more.norm, more.blocks)
        shown = [data.crops["train"]]
        if before:
            recipe_of_views = views.Recipe(settings, tuple(before), more.crowd, more.views)
            shown = views.views(folder, data.examples["train"], recipe_of_views, progress)

        def build() -> keras.Model:
            model = networks.compact(settings.size, classes, None, more.norm, more.blocks)
            model.set_weights(start.get_weights())
            return model

        known = asdict(replace(more, weights=networks.weights_hash(start), views=len(shown)))
        targets = None
        if teachers:
            known["teachers"] = [networks.weights_hash(teacher) for teacher in teachers]
            targets = distill.targets(teachers, shown, data.targets, progress)
        return experiment.Plan(build, shown, tuple(after), known, targets)

    return experiment.one_stage(
        "compact", experiment.Job(folder, out, settings, resume, progress), plan, views=bool(before)
    )
