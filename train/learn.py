"""One stage of training: a network, its batches, and all that a long run needs to survive."""

import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import keras
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
        if state["epoch"]:
            model = keras.models.load_model(last)
        else:
            model = build()
            rate = keras.optimizers.schedules.CosineDecay(stage.rate, stage.epochs * stage.steps)
            ema = {"use_ema": True, "ema_momentum": stage.average, "ema_overwrite_frequency": stage.steps}
            optimizer = keras.optimizers.Adam(rate, **(ema if stage.average else {}))
            loss = keras.losses.CategoricalCrossentropy(label_smoothing=stage.smoothing)
            model.compile(optimizer, loss, weighted_metrics=["accuracy"])
    first = state["epoch"]
    keeper = _Keeper(state, state_file, last, best) if chief else keras.callbacks.Callback()
    callbacks = [keeper]
    if chief:
        callbacks += [_Progress(stage, first), keras.callbacks.TensorBoard(str(out / "logs" / stage.name))]
    try:
        model.fit(
            batches(first),
            epochs=stage.epochs,
            initial_epoch=first,
            steps_per_epoch=stage.steps,
            validation_data=val,
            callbacks=callbacks,
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )
    except KeyboardInterrupt:
        if not state["epoch"]:
            raise
        click.echo(f"\nStopped after epoch {state['epoch']} of {stage.epochs}; --resume goes on from there.", err=True)
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error
    return Learned(best, state["best_epoch"], state["history"], state["epoch"] == stage.epochs)


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


class _Keeper(keras.callbacks.Callback):
    """After each epoch: the best network so far, the last one with its optimizer, the figures. The state file comes
    last and by renaming, so that a kill at any moment leaves the epoch before it whole.
    """

    def __init__(self, state: dict, file: Path, last: Path, best: Path) -> None:
        super().__init__()
        self._state, self._file, self._last, self._best = state, file, last, best

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        if figures["val_loss"] < self._state["best"]:
            self._save(self._best)
            self._state |= {"best": figures["val_loss"], "best_epoch": epoch + 1}
        self._save(self._last)
        for name, value in figures.items():
            self._state["history"].setdefault(name, []).append(value)
        self._state["epoch"] = epoch + 1
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(self._state))
        partial.rename(self._file)
        with self._file.with_suffix(".csv").open("w", newline="") as table:
            rows = csv.writer(table)
            rows.writerow(["epoch", *self._state["history"]])
            rows.writerows(zip(range(1, epoch + 2), *self._state["history"].values(), strict=True))

    def _save(self, file: Path) -> None:
        partial = file.with_name("partial.keras")  # Keras wants the ending
        self.model.save(partial)
        partial.rename(file)


class _Progress(keras.callbacks.Callback):
    """A line an epoch on stderr with the time that is left; within an epoch too where someone is watching."""

    def __init__(self, stage: Stage, first: int) -> None:
        super().__init__()
        self._stage, self._first = stage, first
        self._watched = sys.stderr.isatty()
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self._watched and batch % 10 == 0:
            click.echo(f"\r  step {batch + 1} of {self._stage.steps} ", err=True, nl=False)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        done = epoch + 1 - self._first
        left = (time.monotonic() - self._started) / done * (self._stage.epochs - epoch - 1)
        figures = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items() if "accuracy" not in name)
        accuracy = (logs or {}).get("val_accuracy", float("nan"))
        click.echo(
            f"{chr(13) if self._watched else ''}{self._stage.name} epoch {epoch + 1} of {self._stage.epochs}: {figures}"
            f"  val accuracy {accuracy:.4f}  about {duration(left)} left",
            err=True,
        )


def duration(seconds: float) -> str:
    """Seconds -> "8 s", "12 min", "3 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

