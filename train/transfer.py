"""VGG16 by transfer learning: what is frozen runs over each picture once, and only the rest is trained.

The features of the frozen part are kept on disk, several views of each picture, augmented by chance; so a machine
without a GPU trains the last blocks in the time that the first ones would take for one epoch.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from train import batches, data, experiment, networks, views
from train.augment import augment, recipe
from train.batches import Mix
from train.loop import Stage, from_chief, learn
from train.settings import Compact, Settings, Transfer

_BATCH = 32  # pictures through the frozen part at a time


def transfer(folder: Path, out: Path, settings: Settings, more: Transfer, *, resume: bool = False) -> dict:
    """Trains a new head on VGG16, then that and the last blocks at settings.rate; writes what experiment.baseline() writes.

    Raises UserError as experiment.baseline() and networks.vgg16() do.
    """
    started = time.time()
    strategy, chief = experiment.prepare(out, settings)
    taken = experiment.material(folder, settings)
    classes = len(taken.kinds)
    model = networks.vgg16(settings.size, classes, more.weights)
    changes = recipe(settings.augment)
    frozen, tail = networks.divide(model, more.unfreeze)
    seen = features(frozen, *_pictures(folder, taken, settings, changes, more), settings.amount)
    targets = [taken.targets] * len(seen)
    [still] = features(frozen, [taken.crops["val"]], [])
    val = batches.measuring(still, taken.truth["val"], taken.weights["val"], classes)
    mix = Mix(settings.batch, settings.seed, (), settings.balance == "sampling", settings.mixup)
    key = experiment.run_key(settings, taken, **asdict(replace(more, weights=networks.digest(frozen))))
    steps = batches.steps(len(taken.truth["train"]), settings.batch)
    stages = [Stage("head", more.head_epochs, steps, 1e-3, settings.smoothing)]
    if more.unfreeze:
        stages.append(Stage("blocks", settings.epochs, steps, settings.rate, settings.smoothing, settings.average))
    done = []
    for stage in stages:
        tail.trainable = True
        for layer in tail.layers:
            layer.trainable = stage.name == "blocks" or layer.name.startswith("head")

        def build() -> keras.Model:
            copy = keras.models.clone_model(tail)
            copy.set_weights(tail.get_weights())
            return copy

        def stream(first: int, epochs: int = stage.epochs) -> tf.data.Dataset:
            return batches.training(seen, targets, taken.weights["train"], mix, epochs, first)

        learned = learn(
            stage,
            build,
            stream,
            val,
            out,
            seed=settings.seed,
            resume=resume,
            key=key,
            strategy=strategy,
            chief=chief,
        )
        done.append((stage, learned))
        best = keras.models.load_model(learned.best, compile=False).get_weights() if chief else tail.get_weights()
        tail.set_weights(from_chief(best, strategy, chief))
        if not learned.finished:
            break
    if not chief:
        return {}
    keras.mixed_precision.set_global_policy("float32")
    final = networks.vgg16(settings.size, classes, None)
    final.set_weights(model.get_weights())
    extra = asdict(replace(more, weights=networks.digest(frozen), views=len(seen)))
    return experiment.finish(final, folder, out, settings, taken, done, time.time() - started, extra)


def _pictures(
    folder: Path, taken: experiment.Material, settings: Settings, changes: list[str], more: Transfer
) -> tuple[list[np.ndarray], list[str]]:
    """What the frozen part is shown of the training pictures, and what chance still does to it: where the stain is
    normalised, most of it comes before that (train.views), and the pictures are those that the compact network learns.
    """
    early, late = views.parts(changes)
    if settings.policy != "normalised" or not early:
        return [taken.crops["train"]] * (more.views if changes else 1), changes
    return views.views(folder, taken.examples["train"], settings, early, Compact.crowd, more.views), late


def features(
    frozen: keras.Model, pictures: Sequence[np.ndarray], changes: list[str], amount: float = 1.0
) -> list[np.ndarray]:
    """What the frozen part says of each of several views of the same pictures, uint8 [n, size, size, 3], augmented by
    chance -> memory maps float16 [n, height, width, channels] of files in the user's cache, made once.

    Raises UserError where they can't be written.
    """

    @tf.function
    def run(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        images = augment(images, seed, changes, amount) if changes else tf.cast(images, tf.float32)
        return tf.cast(frozen(images, training=False), tf.float16)

    def make(view: int, first: int) -> np.ndarray:
        return run(tf.constant(pictures[view][first : first + _BATCH]), tf.constant([view, first])).numpy()

    key = [[data.digest(each) for each in pictures], networks.digest(frozen), changes, amount]
    shape = (len(pictures[0]), *frozen.output.shape[1:])
    return views.kept("features", key, "<f2", shape, _BATCH, make, len(pictures), "VGG16's frozen part, view")
