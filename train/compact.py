"""The compact network: small enough for any Pi, and made to hold on microscopes that it has never seen.

What makes it hold is done to the pictures (edge.normalise, train.views) more than to the network.
"""

import time
from dataclasses import asdict, replace
from pathlib import Path

import keras
import tensorflow as tf

from train import batches, data, fit, networks, views
from train.augment import recipe
from train.batches import Mix
from train.learn import Stage, learn
from train.settings import Compact, Settings


def compact(folder: Path, out: Path, settings: Settings, more: Compact, *, resume: bool = False) -> dict:
    """Fine-tunes the first part of MobileNetV2 on augmented views; writes what fit.baseline() writes.

    Raises UserError as fit.baseline() and networks.compact() do.
    """
    started = time.time()
    strategy, chief = fit.prepare(out, settings)
    taken = fit.material(folder, settings)
    classes = len(data.LABELS)
    start = networks.compact(settings.size, classes, more.weights, more.norm)
    changes = recipe(settings.augment)
    examples = taken.examples["train"]
    seen = [taken.crops["train"]]
    if changes:
        seen = views.views(
            folder, examples, settings.size, settings.policy, changes, settings.amount, more.crowd, more.views
        )
    # Views are dear and mirror images cheap.
    mirrored = ("flip",) if "flip" in changes else ()
    mix = Mix(settings.batch, settings.seed, mirrored, settings.balance == "sampling", settings.mixup)
    extra = asdict(replace(more, weights=networks.digest(start), views=len(seen)))

    def build() -> keras.Model:
        model = networks.compact(settings.size, classes, None, more.norm)
        model.set_weights(start.get_weights())
        return model

    def stream(first: int) -> tf.data.Dataset:
        return batches.training(
            seen, taken.truth["train"], taken.weights["train"], classes, mix, settings.epochs, first
        )

    steps = batches.steps(len(examples), settings.batch)
    stage = Stage("compact", settings.epochs, steps, settings.rate, settings.smoothing, settings.average)
    learned = learn(
        stage,
        build,
        stream,
        batches.measuring(taken.crops["val"], taken.truth["val"], taken.weights["val"], classes),
        out,
        seed=settings.seed,
        resume=resume,
        key=fit.run_key(settings, taken, **extra),
        strategy=strategy,
        chief=chief,
    )
    if not chief:
        return {}
    keras.mixed_precision.set_global_policy("float32")
    final = networks.compact(settings.size, classes, None, more.norm)
    final.set_weights(keras.models.load_model(learned.best, compile=False).get_weights())
    return fit.finish(final, folder, out, settings, taken, [(stage, learned)], time.time() - started, extra)
