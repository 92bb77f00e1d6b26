"""One stage of training: a network, its batches, and what a long run needs to survive an interruption."""

import csv
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edge.errors import UserError, reason
from edge.system.progress import Progress, silent
from edge.system.signals import Stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """One stage of training: how long and how fast the network learns.

    Attributes:
        name: of the stage; its files begin with it.
        epochs: at least 1.
        steps: batches per epoch.
        rate: learning rate at the start; it falls to 0 by a cosine.
        smoothing: label smoothing, 0 to 0.5.
        average: momentum of a moving average of the weights, which replaces them after each epoch; 0 for none.
    """

    name: str
    epochs: int
    steps: int
    rate: float
    smoothing: float = 0.0
    average: float = 0.0


@dataclass(frozen=True)
class Session:
    """Where the files of a stage go, and which devices train it.

    Attributes:
        out: folder of the run.
        seed: of dropout.
        key: hash of everything that the run depends on; only a run with the same key may be continued.
        resume: whether to continue a run that was stopped.
        strategy: the devices.
        chief: whether this process writes the files.
        progress: see edge.system.progress.
    """

    out: Path
    seed: int
    key: str
    resume: bool = False
    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)
    chief: bool = True
    progress: Progress = silent


@dataclass(frozen=True)
class StageResult:
    """The result of a stage.

    Attributes:
        best: file of the model after its best epoch, the one with the lowest loss on val.
        best_epoch: number of that epoch, from 1; 0 if there was none.
        history: figures by name, one per epoch.
        finished: whether all epochs were trained.
    """

    best: Path
    best_epoch: int
    history: dict[str, list[float]]
    finished: bool


def train(
    stage: Stage,
    build: Callable[[], keras.Model],
    batches: Callable[[int], tf.data.Dataset],
    val: tf.data.Dataset,
    session: Session,
) -> StageResult:
    """Trains a network, and keeps the one of the best epoch as OUT/STAGE.best.keras.

    After every epoch it saves the network with its optimizer, and the figures so far. Ctrl-C or SIGTERM ends the stage
    before the next step, and what the last complete epoch saved is kept. In the first epoch it raises
    KeyboardInterrupt.

    Args:
        stage: how long and how fast the network learns.
        build: makes the network.
        batches: makes the training batches from a given epoch on, counted from 0.
        val: the batches that the network is measured on after each epoch.
        session: where the files go, and which devices train.

    Raises:
        UserError: if the folder holds an unfinished run that may not be continued, if the loss is NaN or infinite, or
            if the disk can't be written.
    """
    out = session.out
    state_file, last, best = (out / f"{stage.name}.{end}" for end in ("json", "last.keras", "best.keras"))
    state = _state(state_file, session)
    if state["epoch"] == stage.epochs:
        return StageResult(best, state["best_epoch"], state["history"], True)
    with session.strategy.scope():
        model = keras.models.load_model(last) if state["epoch"] else _compiled(build(), stage)
    loop = _Loop(model, session.strategy)
    keeper = _Keeper(stage, state, state_file, last, best) if session.chief else None
    data = iter(session.strategy.experimental_distribute_dataset(batches(state["epoch"])))
    log = EpochLog(stage.name, state["epoch"], stage.epochs)
    try:
        with Stop().listening() as stop:  # TensorFlow and keeper.keep() don't survive an exception at any line
            for epoch in range(state["epoch"], stage.epochs):
                loop.reseed(session.seed, epoch)
                sums = [0.0, 0.0]
                for step in range(stage.steps):
                    if stop.asked:
                        raise KeyboardInterrupt
                    sums = [total + float(new) for total, new in zip(sums, loop.train(next(data)), strict=True)]
                    done = epoch * stage.steps + step + 1
                    session.progress(f"Training, {stage.name}", done, stage.epochs * stage.steps)
                figures = {"loss": sums[0] / sums[1]} | loop.measure(val)
                if not math.isfinite(figures["val_loss"]):
                    raise UserError(
                        f"Training failed in epoch {epoch + 1}: the loss is not a number; try a lower --rate."
                    )
                if keeper:
                    keeper.keep(model, epoch, figures)
                    log.epoch(epoch, figures)
                state["epoch"] = epoch + 1
    except KeyboardInterrupt:
        if not state["epoch"]:
            raise
        logger.info("Stopped after epoch %d of %d; --resume continues from there.", state["epoch"], stage.epochs)
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error
    return StageResult(best, state["best_epoch"], state["history"], state["epoch"] == stage.epochs)


def from_chief(weights: list[np.ndarray], session: Session) -> list[np.ndarray]:
    """Gives every worker the chief's weights, because only the chief has the files to read them from."""
    strategy = session.strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return weights
    replicas = len(strategy.extended.worker_devices)  # of this worker; each adds its share to the sum below
    shares = [tf.constant(w / replicas if session.chief else np.zeros_like(w)) for w in weights]
    spread = [strategy.experimental_distribute_values_from_function(lambda _, s=share: s) for share in shares]
    return [strategy.reduce("SUM", each, None).numpy() for each in spread]


def _compiled(model: keras.Model, stage: Stage) -> keras.Model:
    rate = keras.optimizers.schedules.CosineDecay(stage.rate, stage.epochs * stage.steps)
    ema = {"use_ema": True, "ema_momentum": stage.average, "ema_overwrite_frequency": stage.steps}
    optimizer = keras.optimizers.Adam(rate, **(ema if stage.average else {}))
    if keras.mixed_precision.global_policy().name == "mixed_float16":  # otherwise small gradients would become 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(label_smoothing=stage.smoothing, reduction="none"))
    return model


class _Loop:
    """The training loop that TensorFlow's guide to tf.distribute describes.

    Keras' own fit() fails with several workers (keras issue 20585). On one device this loop does what fit() does.
    """

    def __init__(self, model: keras.Model, strategy: tf.distribute.Strategy) -> None:
        self._model, self._strategy = model, strategy
        with strategy.scope():
            model.optimizer.build(model.trainable_variables)

    def reseed(self, seed: int, epoch: int) -> None:
        """Seeds dropout for one epoch, so that a run that was stopped and continued gives the same result."""
        for i, layer in enumerate(self._model.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([1000 * seed + epoch, i])

    @tf.function(reduce_retracing=True, autograph=False)
    def train(self, batch: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        """Trains one step. Returns the sum of the weighted losses over all replicas, and the sum of the weights."""
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


def _state(file: Path, session: Session) -> dict:
    """The state of an unfinished stage, read from its JSON file; without a file, the state of a new stage."""
    fresh: dict = {"key": session.key, "epoch": 0, "best": float("inf"), "best_epoch": 0, "history": {}}
    if not file.exists():
        return fresh
    out = session.out
    if not session.resume:
        raise UserError(f"{out} holds an unfinished run; continue it with --resume, or name another folder.")
    try:
        state = json.loads(file.read_text())
        if state["key"] != session.key:
            raise UserError(
                f"The unfinished run in {out} was started with other settings or data; name another folder."
            )
        return fresh | state
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged; delete it to start again.") from error


class _Keeper:
    """Writes, after each epoch, the best network so far, the last one with its optimizer, and the figures.

    The networks and the state file are written under temporary names and then renamed, the state file last. So no file
    is left half-written if the process is killed.
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
        with self._logs.as_default():  # TensorBoard reads these
            for name, value in figures.items():
                tf.summary.scalar(name, value, step=epoch)
        self._logs.flush()

    def _save(self, model: keras.Model, file: Path) -> None:
        partial = file.with_name("partial.keras")  # Keras wants this ending
        model.save(partial)
        partial.rename(file)


class EpochLog:
    """Logs a line per epoch, with its figures and the time that is left."""

    def __init__(self, name: str, first: int, epochs: int) -> None:
        """name: what is trained; first: the epoch that training starts with, from 0; epochs: how many there are."""
        self._name, self._first, self._epochs = name, first, epochs
        self._started = time.monotonic()

    def epoch(self, epoch: int, figures: dict[str, float]) -> None:
        """Logs the line of an epoch, numbered from 0, that has just ended with these figures."""
        done = epoch + 1 - self._first
        left = (time.monotonic() - self._started) / done * (self._epochs - epoch - 1)
        text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        logger.info("%s epoch %d of %d: %s  about %s left", self._name, epoch + 1, self._epochs, text, duration(left))


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(8), duration(700), duration(11100)
    ('8 s', '12 min', '3 h 5 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
