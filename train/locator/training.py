"""Trains the locator's network, and writes the folder of the run."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import keras
import numpy as np
from PIL import Image

from edge import __version__, frames
from edge.errors import UserError
from edge.locate import Locator, red_cell_estimate
from edge.system.progress import Progress, silent
from train import provenance, run, settings
from train.data import dataset, fields
from train.data.dataset import Example
from train.locator import field_lessons, nuclei, red_cell_diameter
from train.locator import network as networks
from train.locator.mosaic import FIELD, Lesson, Mosaic
from train.locator.network import length, loss, target
from train.loop import EpochLog

_FEWEST = 20  # at least this many pictures with a clear cell are needed
_CALIBRATION = 100  # this many fields are kept for the converter, which chooses int8's ranges from them


class _Batches(keras.utils.PyDataset):
    """Batches of composed fields. Each step has a random seed of its own."""

    def __init__(self, lessons: "_Lessons", options: settings.Locator) -> None:
        super().__init__(workers=2)
        self._lessons, self._options, self._epoch = lessons, options, 0

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def __len__(self) -> int:
        return self._options.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self._options.seed, self._epoch, index])
        lessons = [self._lessons.random(rng) for _ in range(self._options.batch)]
        images = np.stack([lesson.image for lesson in lessons]).astype(np.float32)
        return images, np.stack([target(lesson) for lesson in lessons])


class _Lessons:
    """Random lessons: new ones, or from a pool of lessons that are composed once, then turned and mirrored."""

    def __init__(self, mosaic: Mosaic, teacher: Locator | None, options: settings.Locator, progress: Progress) -> None:
        self._mosaic, self._teacher, self._asking = mosaic, teacher, threading.Lock()
        self._pool: list[Lesson] = []
        for number in range(options.pool):
            self._pool.append(self._new(np.random.default_rng([options.seed, 2_000_000, number])))
            progress("Composing fields", number + 1, options.pool)

    def random(self, rng: np.random.Generator) -> Lesson:
        if not self._pool:
            return self._new(rng)
        return self._pool[rng.integers(len(self._pool))].turned(int(rng.integers(4)), bool(rng.integers(2)))

    def _new(self, rng: np.random.Generator) -> Lesson:
        lesson = self._mosaic.field(rng)
        if self._teacher is None:
            return lesson
        with self._asking:  # several threads share one interpreter
            marks, codes = self._teacher.marked(lesson.image)
        height, width = lesson.shape
        estimate = red_cell_estimate(codes[: height // 4, : width // 4])
        return replace(lesson, taught=np.array(marks), taught_red_cell=estimate)


class _Reports(keras.callbacks.Callback):
    """Reports progress after each step, and logs a line after each epoch."""

    def __init__(self, options: settings.Locator, progress: Progress) -> None:
        super().__init__()
        self._options, self._progress, self._epoch = options, progress, 0
        self._log = EpochLog("locator", 0, options.epochs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        steps = self._options.steps
        self._progress("Training, locator", self._epoch * steps + batch + 1, self._options.epochs * steps)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1
        self._log.epoch(epoch, {name: float(value) for name, value in (logs or {}).items()})


def train(
    folder: Path,
    out: Path,
    options: settings.Locator,
    start: Path | None = None,
    teacher: Path | None = None,
    progress: Progress = silent,
) -> dict:
    """Trains the locator; writes OUT/model.keras, OUT/run.json and OUT/calibration.npz.

    It learns from the single cells in the train and val splits, of all types. Where the folder has marked camera
    fields, it also learns from half of them (train.data.fields.halves); the other half is kept to measure it.

    Args:
        folder: the data folder.
        out: the run's folder.
        options: how to train.
        start: folder of an earlier run, whose network is trained further; None to start from random weights.
        teacher: a locator's .tflite file, whose answers are learned, too; None to learn without a teacher.
        progress: see edge.system.progress.

    Returns:
        What run.json holds.

    Raises:
        UserError: if the data, the earlier run or the teacher can't be used, or if the folder isn't empty or can't be
            written.
    """
    examples = [e for e in dataset.read(folder, labels=None) if e.split != "test"]
    run.make_folder(out)
    keras.utils.set_random_seed(options.seed)
    asked = Locator(teacher) if teacher else None
    model, before = _earlier(start) if start else (networks.teacher() if options.large else networks.network(), None)
    mosaic, learned_from = _mosaic(folder, examples, options, progress)
    cv2.setNumThreads(1)  # two threads compose fields at the same time already
    falling = keras.optimizers.schedules.CosineDecay(options.rate, options.epochs * options.steps)
    model.compile(keras.optimizers.Adam(falling), loss, metrics=[length])
    started = time.time()
    history = model.fit(
        _Batches(_Lessons(mosaic, asked, options, progress), options),
        epochs=options.epochs,
        callbacks=[keras.callbacks.ModelCheckpoint(str(out / "model.keras")), _Reports(options, progress)],
        verbose=0,
    )
    rng = np.random.default_rng([options.seed, 1_000_000])
    calibration = np.stack([mosaic.field(rng).image for _ in range(_CALIBRATION)])
    np.savez_compressed(out / "calibration.npz", fields=calibration)
    report = {
        "version": __version__,
        "network": model.name,
        "parameters": model.count_params(),
        "size": FIELD,
        "settings": asdict(options) | {"start": before, "teacher": asked and asked.contract.training},
        "seconds": round(time.time() - started, 1),
        "data": {
            "counts": dataset.describe(examples),
            "split_sha256": dataset.split_hash(examples),
            **learned_from,
        },
        "made": asdict(provenance.made()),
        "history": {name: [float(v) for v in values] for name, values in history.history.items()},
    }
    (out / "run.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def _mosaic(
    folder: Path, examples: Sequence[Example], options: settings.Locator, progress: Progress
) -> tuple[Mosaic, dict]:
    """What composes the fields, and what run.json says about the pictures that they are composed from."""
    pictures, outlines, clear = lessons(folder, examples, progress)
    if len(pictures) < _FEWEST:
        raise UserError(
            f"Only {len(pictures)} pictures of {folder} show one clear cell in the middle; {_FEWEST} are needed."
        )
    sources, labels = np.array([e.source for e in clear]), np.array([e.label for e in clear])
    red_cells = {name: red_cell_diameter.red_cells(pictures[sources == name]) for name in sorted(set(sources))}
    marked = field_lessons.lessons(folder, fields.halves(fields.read(folder))[0])
    learned_from = {
        "clear": len(pictures),
        "red_cells": red_cells | {m.source: m.red_cell for m in marked},
        "fields": len(marked),
    }
    return Mosaic(pictures, outlines, sources, labels, red_cells, marked, options.drawn, options.hard), learned_from


def _earlier(run: Path) -> tuple[keras.Model, dict]:
    """The network and the settings of an earlier run."""
    try:
        options = json.loads((run / "run.json").read_text())["settings"]
        return keras.models.load_model(run / "model.keras", compile=False), options
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run} holds no locator to start from; name a folder that `train locator` wrote.") from error


def lessons(
    folder: Path, examples: Sequence[Example], progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray, list[Example]]:
    """The pictures in which the nucleus can be outlined. Pictures that can't be read are left out.

    Returns:
        The pictures with a white background, RGB uint8 [n, 128, 128, 3]; the outlines of their nuclei, uint8
        [n, 128, 128], see nuclei.outline; and the pictures' examples.
    """
    pictures, outlines, clear = [], [], []
    for number, example in enumerate(examples):
        progress("Outlining nuclei", number + 1, len(examples))
        frame = frames.read(str(folder / example.path))
        if isinstance(frame, frames.Unreadable):
            continue
        size = (nuclei.SIZE, nuclei.SIZE)
        picture = np.asarray(Image.fromarray(frame.image).resize(size, Image.Resampling.BILINEAR))
        outline = nuclei.outline(picture)
        if outline is not None:
            pictures.append(nuclei.white(picture))
            outlines.append(outline)
            clear.append(example)
    return np.array(pictures), np.array(outlines), clear
