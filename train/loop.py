"""One stage of training: a network, its batches, and all that a long run needs to survive."""

import csv
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import keras
import numpy as np
import tensorflow as tf

from edge.errors import UserError, reason


@dataclass(frozen=True)
class Stage:
    """What is to be done. rate: the learning rate, from which a cosine falls to nothing; smoothing: of labels;
    average: momentum of an exponential moving average of the weights, taken over after each epoch, 0 for none.
    """

    name: str
    epochs: int
    steps: int
    rate: float
    smoothing: float = 0.0
    average: float = 0.0


@dataclass(frozen=True)
class Learned:
    """best: the model of the epoch with the lowest loss on val, as a file; history: a list of figures an epoch each."""

    best: Path
    best_epoch: int
    history: dict[str, list[float]]
    finished: bool


def learn(
    stage: Stage,
    build: Callable[[], keras.Model],
    batches: Callable[[int], tf.data.Dataset],
    val: tf.data.Dataset,
    out: Path,
    *,
    seed: int,
    resume: bool,
    key: str,
    strategy: tf.distribute.Strategy,
    chief: bool = True,
) -> Learned:
    """Trains build()'s network on batches(first epoch); keeps the best epoch's as OUT/STAGE.best.keras.

    After every epoch the network with its optimizer, and how far it came, are on disk; with `resume` it goes on from
    there, provided that `key` (whatever the run depends on) is the same. Ctrl-C ends it with what it has. Raises
    UserError where another run's state is in the way, and for a disk that can't be written.
    """
    state_file, last, best = (out / f"{stage.name}.{end}" for end in ("json", "last.keras", "best.keras"))
    state = _state(state_file, out, key, resume)
    if state["epoch"] == stage.epochs:
        return Learned(best, state["best_epoch"], state["history"], True)
    with strategy.scope():
        model = keras.models.load_model(last) if state["epoch"] else _compiled(build(), stage)
    loop = _Loop(model, strategy)
    keeper = _Keeper(stage, state, state_file, last, best) if chief else None
    data = iter(strategy.experimental_distribute_dataset(batches(state["epoch"])))
    progress = _Progress(stage, state["epoch"])
    try:
        for epoch in range(state["epoch"], stage.epochs):
            loop.reseed(seed, epoch)
            sums = [0.0, 0.0]
            for step in range(stage.steps):
                sums = [total + float(new) for total, new in zip(sums, loop.train(next(data)), strict=True)]
                progress.step(step)
            figures = {"loss": sums[0] / sums[1]} | loop.measure(val)
            if not math.isfinite(figures["val_loss"]):
                raise UserError(f"The training broke in epoch {epoch + 1}: its loss is no number; try a lower --rate.")
            if keeper:
                keeper.keep(model, epoch, figures)
                progress.epoch(epoch, figures)
            state["epoch"] = epoch + 1
    except KeyboardInterrupt:
        if not state["epoch"]:
            raise
        click.echo(f"\nStopped after epoch {state['epoch']} of {stage.epochs}; --resume goes on from there.", err=True)
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error
    return Learned(best, state["best_epoch"], state["history"], state["epoch"] == stage.epochs)


def from_chief(weights: list[np.ndarray], strategy: tf.distribute.Strategy, chief: bool) -> list[np.ndarray]:
    """What the chief has, on every worker: files are the chief's alone."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return weights
    replicas = len(strategy.extended.worker_devices)  # of this worker, each of which gives its share of the sum
    shares = [tf.constant(w / replicas if chief else np.zeros_like(w)) for w in weights]
    spread = [strategy.experimental_distribute_values_from_function(lambda _, s=share: s) for share in shares]
    return [strategy.reduce("SUM", each, None).numpy() for each in spread]


def _compiled(model: keras.Model, stage: Stage) -> keras.Model:
    rate = keras.optimizers.schedules.CosineDecay(stage.rate, stage.epochs * stage.steps)
    ema = {"use_ema": True, "ema_momentum": stage.average, "ema_overwrite_frequency": stage.steps}
    optimizer = keras.optimizers.Adam(rate, **(ema if stage.average else {}))
    if keras.mixed_precision.global_policy().name == "mixed_float16":  # small gradients would vanish
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(label_smoothing=stage.smoothing, reduction="none"))
    return model


class _Loop:
    """TensorFlow's documented loop for tf.distribute, since Keras' own fit() fails with several workers (keras issue
    20585). On one device it does what fit() does.
    """

    def __init__(self, model: keras.Model, strategy: tf.distribute.Strategy) -> None:
        self._model, self._strategy = model, strategy
        with strategy.scope():
            model.optimizer.build(model.trainable_variables)

    def reseed(self, seed: int, epoch: int) -> None:
        """Dropout's chance is the epoch's own, so that a run that goes on meets what it would have met."""
        for i, layer in enumerate(self._model.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([1000 * seed + epoch, i])

    @tf.function(reduce_retracing=True, autograph=False)
    def train(self, batch: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        """One step -> the sum of the weighted losses over all replicas, and the sum of the weights."""
        model, strategy = self._model, self._strategy
        count = strategy.reduce("SUM", strategy.run(lambda x, y, w: tf.reduce_sum(tf.ones_like(w)), args=batch), None)

        def step(images: tf.Tensor, truth: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(model.loss(truth, model(images, training=True)) * weights)
                loss = model.optimizer.scale_loss(total / count)
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return total, tf.reduce_sum(weights)

        return tuple(strategy.reduce("SUM", each, None) for each in strategy.run(step, args=batch))

    def measure(self, batches: tf.data.Dataset) -> dict[str, float]:
        """The weighted loss and accuracy over a whole split."""
        sums = np.zeros(3)
        for batch in batches:
            sums += [float(value) for value in self._measure(*batch)]
        return {"val_loss": sums[0] / sums[2], "val_accuracy": sums[1] / sums[2]}

    @tf.function(reduce_retracing=True, autograph=False)
    def _measure(self, images: tf.Tensor, truth: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        answer = self._model(images, training=False)
        right = tf.cast(tf.argmax(answer, 1) == tf.argmax(truth, 1), tf.float32)
        loss = self._model.loss(truth, answer)
        return tf.reduce_sum(loss * weights), tf.reduce_sum(right * weights), tf.reduce_sum(weights)


def _state(file: Path, out: Path, key: str, resume: bool) -> dict:
    fresh: dict = {"key": key, "epoch": 0, "best": float("inf"), "best_epoch": 0, "history": {}}
    if not file.exists():
        return fresh
    if not resume:
        raise UserError(f"{out} holds an unfinished run; go on with it by --resume, or name another folder.")
    try:
        state = json.loads(file.read_text())
        if state["key"] != key:
            raise UserError(
                f"The unfinished run in {out} was started with other settings or data; name another folder."
            )
        return fresh | state
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged; delete it to start anew.") from error


class _Keeper:
    """After each epoch: the best network so far, the last one with its optimizer, the figures. The state file comes
    last and by renaming, so that a kill at any moment leaves the epoch before it whole.
    """

    def __init__(self, stage: Stage, state: dict, file: Path, last: Path, best: Path) -> None:
        self._state, self._file, self._last, self._best = state, file, last, best
        self._logs = tf.summary.create_file_writer(str(file.parent / "logs" / stage.name))

    def keep(self, model: keras.Model, epoch: int, figures: dict[str, float]) -> None:
        if figures["val_loss"] < self._state["best"]:
            self._save(model, self._best)
            self._state |= {"best": figures["val_loss"], "best_epoch": epoch + 1}
        self._save(model, self._last)
        for name, value in figures.items():
            self._state["history"].setdefault(name, []).append(value)
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(self._state | {"epoch": epoch + 1}))
        partial.rename(self._file)
        with self._file.with_suffix(".csv").open("w", newline="") as table:
            rows = csv.writer(table)
            rows.writerow(["epoch", *self._state["history"]])
            rows.writerows(zip(range(1, epoch + 2), *self._state["history"].values(), strict=True))
        with self._logs.as_default():  # for TensorBoard
            for name, value in figures.items():
                tf.summary.scalar(name, value, step=epoch)
        self._logs.flush()

    def _save(self, model: keras.Model, file: Path) -> None:
        partial = file.with_name("partial.keras")  # Keras wants the ending
        model.save(partial)
        partial.rename(file)


class _Progress:
    """A line an epoch on stderr with the time that is left; within an epoch too where someone is watching."""

    def __init__(self, stage: Stage, first: int) -> None:
        self._stage, self._first = stage, first
        self._watched = sys.stderr.isatty()
        self._started = time.monotonic()

    def step(self, step: int) -> None:
        if self._watched and step % 10 == 0:
            click.echo(f"\r  step {step + 1} of {self._stage.steps} ", err=True, nl=False)

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        done = epoch + 1 - self._first
        left = (time.monotonic() - self._started) / done * (self._stage.epochs - epoch - 1)
        figures = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        start = f"{chr(13) if self._watched else ''}{self._stage.name} epoch {epoch + 1} of {self._stage.epochs}"
        click.echo(f"{start}: {figures}  about {duration(left)} left", err=True)


def duration(seconds: float) -> str:
    """Seconds -> "8 s", "12 min", "3 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
