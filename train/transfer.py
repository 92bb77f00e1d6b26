"""Transfer learning from VGG16: the frozen part processes each view of a picture once; only the other part is trained.

The features from the frozen part are kept on disk, for several augmented views of each picture. So a machine without a
GPU can train the last blocks in the time that the first blocks alone would take for one epoch.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edge.system.progress import Progress, silent
from train import batches, experiment, loop, networks, run, views
from train.augment import augment, recipe
from train.batches import Mix
from train.data import array_cache
from train.data.array_cache import Spec
from train.loop import Session, Stage, StageResult
from train.settings import Compact, Settings, Transfer

_BATCH = 32  # pictures that the frozen part processes at a time
_HEAD_RATE = 1e-3  # learning rate of the head alone


def transfer(
    folder: Path,
    out: Path,
    settings: Settings,
    more: Transfer,
    *,
    resume: bool = False,
    progress: Progress = silent,
) -> run.Report | None:
    """Trains a new head on VGG16, then the head and the last blocks at settings.rate.

    Args:
        folder, out, settings, resume, progress: as for experiment.baseline.
        more: the settings of this network alone.

    Returns:
        The run's report; None if another process writes the files.

    Raises:
        UserError: as experiment.baseline and networks.vgg16 do.
    """
    started = time.time()
    job = experiment.Job(folder, out, settings, resume, progress)
    strategy, chief = experiment.prepare(job)
    changes = recipe(settings.augment)
    data = experiment.training_data(job, views=bool(views.parts(changes)[0]))
    model = networks.vgg16(settings.size, len(data.kinds), more.weights)
    frozen, tail = networks.divide(model, more.unfreeze)
    shown, later = _pictures(job, data, more)
    learned = features(frozen, shown, later, settings.amount, progress)
    [measured] = features(frozen, [data.crops["val"]], [], progress=progress)
    key = experiment.run_key(settings, data, **asdict(replace(more, weights=networks.weights_hash(frozen))))
    session = experiment.session(job, key, strategy, chief)
    results = _train(tail, _Features(learned, measured, data), settings, more, session)
    if not chief:
        return None
    keras.mixed_precision.set_global_policy("float32")
    final = networks.vgg16(settings.size, len(data.kinds), None)
    final.set_weights(model.get_weights())
    extra = asdict(replace(more, weights=networks.weights_hash(frozen), views=len(learned)))
    return experiment.finish(job, final, data, experiment.Stages(results, time.time() - started), extra)


class _Features:
    """The features that the tail, the part that learns, is trained and measured on.

    Attributes:
        learned: features of each view of the training pictures.
        data: the pictures.
        targets: the target answers for each view.
        val: the batches of features that the tail is measured on.
    """

    def __init__(self, learned: list[np.ndarray], measured: np.ndarray, data: experiment.TrainingData) -> None:
        self.learned, self.data = learned, data
        self.targets = [data.targets] * len(learned)
        self.val = batches.measuring(measured, data.truth["val"], data.weights["val"], len(data.kinds))


def _train(
    tail: keras.Model, features: _Features, settings: Settings, more: Transfer, session: Session
) -> list[tuple[Stage, StageResult]]:
    """Trains the head, then the head and the last blocks; at the end, the tail has the best weights."""
    mix = Mix(settings.batch, settings.seed, (), settings.balance == "sampling", settings.mixup)
    weights = features.data.weights["train"]
    steps = batches.steps(len(weights), settings.batch)
    stages = [Stage("head", more.head_epochs, steps, _HEAD_RATE, settings.smoothing)]
    if more.unfreeze:
        stages.append(Stage("blocks", settings.epochs, steps, settings.rate, settings.smoothing, settings.average))
    results = []
    for stage in stages:
        tail.trainable = True
        for layer in tail.layers:
            layer.trainable = stage.name == "blocks" or layer.name.startswith("head")

        def build() -> keras.Model:
            copy = keras.models.clone_model(tail)
            copy.set_weights(tail.get_weights())
            return copy

        def stream(first: int, epochs: int = stage.epochs) -> tf.data.Dataset:
            return batches.training(features.learned, features.targets, weights, mix, epochs, first)

        result = loop.train(stage, build, stream, features.val, session)
        results.append((stage, result))
        best = tail.get_weights()
        if session.chief:
            best = keras.models.load_model(result.best, compile=False).get_weights()
        tail.set_weights(loop.from_chief(best, session))
        if not result.finished:
            break
    return results


def _pictures(job: experiment.Job, data: experiment.TrainingData, more: Transfer) -> tuple[list[np.ndarray], list[str]]:
    """The views of the training pictures for the frozen part, and the random changes that are still to be made to them.

    If the stain is normalised, most changes are made before that (train.views). The views are then made in the same way
    as for the compact network.
    """
    settings = job.settings
    changes = recipe(settings.augment)
    before, after = views.parts(changes)
    if settings.policy != "normalised" or not before:
        return [data.crops["train"]] * (more.views if changes else 1), changes
    wanted = views.Recipe(settings, tuple(before), Compact.crowd, more.views)
    return views.views(job.folder, data.examples["train"], wanted, job.progress), after


def features(
    frozen: keras.Model,
    pictures: Sequence[np.ndarray],
    changes: list[str],
    amount: float = 1.0,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """What the frozen part computes from several views of the same pictures.

    Args:
        frozen: the frozen part, from networks.divide.
        pictures: the views, memory maps uint8 [n, size, size, 3].
        changes: random changes that are made to each picture first; see train.augment.
        amount: how strong these changes are.
        progress: see edge.system.progress.

    Returns:
        For each view, a memory map, float16 [n, height, width, channels], kept in the cache.

    Raises:
        UserError: if the cache can't be written.
    """

    @tf.function
    def run_frozen(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        images = augment(images, seed, changes, amount) if changes else tf.cast(images, tf.float32)
        return tf.cast(frozen(images, training=False), tf.float16)

    def make(view: int, first: int) -> np.ndarray:
        return run_frozen(tf.constant(pictures[view][first : first + _BATCH]), tf.constant([view, first])).numpy()

    key = [[array_cache.content_hash(each) for each in pictures], networks.weights_hash(frozen), changes, amount]
    spec = Spec("features", key, "<f2", (len(pictures[0]), *frozen.output.shape[1:]))
    return array_cache.kept(spec, len(pictures), make, _BATCH, "VGG16's frozen part, view", progress)
