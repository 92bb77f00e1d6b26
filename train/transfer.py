"""VGG16 by transfer learning: what is frozen runs over each picture once, and only the rest is trained.

The features of the frozen part are kept on disk, several views of each picture, augmented by chance; so a machine
without a GPU trains the last blocks in the time that the first ones would take for one epoch.
"""

import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import click
import keras
import numpy as np
import tensorflow as tf

from train import batches, data, fit, networks
from train.augment import augment, recipe
from train.batches import Mix
from train.learn import Stage, duration, from_chief, learn
from train.settings import Settings, Transfer

_BATCH = 32  # pictures through the frozen part at a time


def transfer(folder: Path, out: Path, settings: Settings, more: Transfer, *, resume: bool = False) -> dict:
    """Trains a new head on VGG16, then that and the last blocks at settings.rate; writes what fit.baseline() writes.

    Raises UserError as fit.baseline() and networks.vgg16() do.
    """
    started = time.time()
    strategy, chief = fit.prepare(out, settings)
    taken = fit.material(folder, settings)
    classes = len(data.LABELS)
    model = networks.vgg16(settings.size, classes, more.weights)
    changes = recipe(settings.augment)
    frozen, tail = networks.divide(model, more.unfreeze)
    crops, count = taken.crops["train"], more.views if changes else 1
    seen = [features(frozen, crops, changes, view, settings.amount) for view in range(count)]
    val = batches.measuring(
        features(frozen, taken.crops["val"], [], 0), taken.truth["val"], taken.weights["val"], classes
    )
    mix = Mix(settings.batch, settings.seed, (), settings.balance == "sampling", settings.mixup)
    key = fit.run_key(settings, taken, **asdict(replace(more, weights=networks.digest(frozen))))
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
            return batches.training(seen, taken.truth["train"], taken.weights["train"], classes, mix, epochs, first)

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
    return fit.finish(final, folder, out, settings, taken, done, time.time() - started, extra)


def features(frozen: keras.Model, crops: np.ndarray, changes: list[str], view: int, amount: float = 1.0) -> np.ndarray:
    """What the frozen part says of the crops (train.data.crops), augmented by chance in the way that belongs to `view`
    -> float16 [n, height, width, channels], a memory map of a file in the user's cache, made once.

    Raises UserError where it can't be written.
    """
    with Path(crops.filename).open("rb") as pixels:  # type: ignore[attr-defined]
        same = hashlib.file_digest(pixels, "sha256").hexdigest()  # by content: a copied data set has new times
    key = json.dumps([same, networks.digest(frozen), changes, view, amount])
    file = data.cache_folder() / f"features-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
    if not file.exists():
        _write(frozen, crops, changes, view, amount, file)
    return np.load(file, mmap_mode="r")


def _write(frozen: keras.Model, crops: np.ndarray, changes: list[str], view: int, amount: float, file: Path) -> None:
    @tf.function
    def run(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        images = augment(images, seed, changes, amount) if changes else tf.cast(images, tf.float32)
        return tf.cast(frozen(images, training=False), tf.float16)

    label = f"VGG16's frozen part, view {view + 1}"
    with data.array(file, "<f2", (len(crops), *frozen.output.shape[1:])) as target:
        started = time.monotonic()
        for i in range(0, len(crops), _BATCH):
            target.write(run(tf.constant(crops[i : i + _BATCH]), tf.constant([view, i])).numpy().tobytes())
            if i // _BATCH % 20 == 0:
                left = (time.monotonic() - started) * (len(crops) / (i + _BATCH) - 1)
                click.echo(f"{label}: {i} of {len(crops)} pictures, about {duration(left)} left", err=True)
