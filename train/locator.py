"""The locator's network: a field -> where the nuclei of white cells are."""

import json
import sys
import time
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from edge import __version__, frames
from edge.errors import UserError, reason
from edge.locate import ruler_mark
from train import data, fields, nuclei, red_cell_diameter
from train.mosaic import FIELD, GAP, Lesson, Mosaic


def network(size: int = FIELD) -> keras.Model:
    """A small U-Net (Ronneberger et al., MICCAI 2015).

    RGB [batch, size, size, 3] float32 0..255 -> [batch, size / 2, size / 2, 2]: the probability of a white cell's
    nucleus, and the diameter of the field's red cells as edge.locate.red_cell() reads it. Five halvings let it see a
    cell of a few pixels and one that fills the picture. Batch normalisation is folded away by the converter, and sums
    replace the usual concatenations: both are cheaper on a Pi.
    """
    layers = keras.layers

    def conv(x: tf.Tensor, filters: int, strides: int = 1, kernel: int = 3) -> tf.Tensor:
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))

    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    skips = []
    for filters in (8, 16, 24, 32, 48):
        x = conv(x, filters, strides=2)
        if filters > 8:
            x = conv(x, filters)
        skips.append(x)
    # The ruler: how much there is to see at each of five scales, where the network sees most of the field at once.
    scales = [layers.AveragePooling2D(2 ** (len(skips) - 1 - i))(skip) for i, skip in enumerate(skips[:-1])]
    length = layers.Concatenate()([*scales, x])
    length = layers.Conv2D(1, 1, activation="sigmoid")(conv(conv(length, 48, kernel=1), 32))
    for skip in skips[-2::-1]:
        x = layers.UpSampling2D()(conv(x, skip.shape[-1], kernel=1))
        x = conv(layers.Add()([x, skip]), skip.shape[-1])
    marks = layers.Conv2D(1, 1, activation="sigmoid")(x)
    outputs = layers.Concatenate()([marks, layers.UpSampling2D(2 ** (len(skips) - 1))(length)])
    return keras.Model(inputs, outputs, name="locator")


class Fields(keras.utils.PyDataset):
    """Batches of drawn-together fields; each step's come from its own seed."""

    def __init__(self, mosaic: Mosaic, steps: int, batch: int, seed: int) -> None:
        super().__init__(workers=2)
        self._mosaic, self._steps, self._batch, self._seed, self._epoch = mosaic, steps, batch, seed, 0

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self._seed, self._epoch, index])
        lessons = [self._mosaic.field(rng) for _ in range(self._batch)]
        images = np.stack([lesson.image for lesson in lessons]).astype(np.float32)
        return images, np.stack([target(lesson) for lesson in lessons])


def target(lesson: Lesson) -> np.ndarray:
    """-> float32 [160, 160, 2]: the outline; the red cells' diameter as the network says it, -1 where unknown."""
    result = np.full((*lesson.outline.shape, 2), -1, np.float32)
    result[..., 0] = lesson.outline
    if lesson.red_cell:
        height, width = lesson.shape
        result[: height // 2, : width // 2, 1] = ruler_mark(lesson.red_cell)
    return result


def loss(target: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """Of target(): cross-entropy and soft Dice over the pixels whose outline is known, the gaps weighing four times;
    and thrice the ruler's error.
    """
    outline = target[..., 0]
    marks = tf.clip_by_value(answer[..., 0], 1e-5, 1 - 1e-5)
    known = tf.cast(outline != nuclei.IGNORE, tf.float32)
    truth = tf.cast(outline == 1, tf.float32)
    weight = known + 3 * tf.cast(outline == GAP, tf.float32)
    entropy = -(2 * truth * tf.math.log(marks) + (1 - truth) * tf.math.log(1 - marks)) * weight
    overlap = tf.reduce_sum(truth * marks)
    total = tf.reduce_sum((truth + marks) * known)
    return 3 * tf.reduce_mean(entropy) + 1 - (2 * overlap + 1) / (total + 1) + 3 * length(target, answer)


def length(target: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """The ruler's mean absolute error: 0.01 is 4 % of the red cells' diameter."""
    measured = tf.cast(target[..., 1] >= 0, tf.float32)
    return tf.reduce_sum(tf.abs(answer[..., 1] - target[..., 1]) * measured) / (tf.reduce_sum(measured) + 1)


def fit(
    folder: Path,
    out: Path,
    *,
    epochs: int = 24,
    steps: int = 100,
    batch: int = 16,
    rate: float = 3e-3,
    drawn: float = 0.2,
    start: Path | None = None,
    seed: int = 0,
) -> dict:
    """Trains on the single cells of `folder` (all types, train and val splits) and, where it holds any, on half of its
    camera fields (train.fields.halves); writes OUT/model.keras and run.json.

    The other half of the fields measures it fairly. start: an earlier run, whose network learns on; drawn: see Mosaic.
    Raises UserError for data that can't be used.
    """
    examples = [e for e in data.read(folder, labels=None) if e.split != "test"]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} can't be made: {reason(error)}.") from error
    keras.utils.set_random_seed(seed)
    model, before = _started(start) if start else (network(), None)
    pictures, outlines, clear = lessons(folder, examples)
    if len(pictures) < 20:
        raise UserError(f"Only {len(pictures)} pictures of {folder} show one clear cell in the middle; 20 are needed.")
    cv2.setNumThreads(1)  # two fields are drawn at a time
    sources, labels = np.array([e.source for e in clear]), np.array([e.label for e in clear])
    red_cells = {name: red_cell_diameter.red_cells(pictures[sources == name]) for name in sorted(set(sources))}
    marked = fields.lessons(folder, fields.halves(fields.read(folder))[0])
    mosaic = Mosaic(pictures, outlines, sources, labels, red_cells, marked, drawn)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    model.compile(keras.optimizers.Adam(falling), loss, metrics=[length])
    started = time.time()
    history = model.fit(
        Fields(mosaic, steps, batch, seed),
        epochs=epochs,
        callbacks=[keras.callbacks.ModelCheckpoint(str(out / "model.keras"))],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    rng = np.random.default_rng([seed, 1_000_000])
    calibration = np.stack([mosaic.field(rng).image for _ in range(100)])
    np.savez_compressed(out / "calibration.npz", fields=calibration)
    report = {
        "version": __version__,
        "network": model.name,
        "parameters": model.count_params(),
        "size": FIELD,
        "settings": {
            "epochs": epochs,
            "steps": steps,
            "batch": batch,
            "rate": rate,
            "drawn": drawn,
            "seed": seed,
            "start": before,
        },
        "seconds": round(time.time() - started, 1),
        "data": {
            "counts": data.describe(examples),
            "split_sha256": data.split_hash(examples),
            "clear": len(pictures),
            "red_cells": red_cells | {m.source: m.red_cell for m in marked},
            "fields": len(marked),
        },
        "history": {name: [float(v) for v in values] for name, values in history.history.items()},
    }
    (out / "run.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def _started(run: Path) -> tuple[keras.Model, dict]:
    """An earlier run's network and settings."""
    try:
        settings = json.loads((run / "run.json").read_text())["settings"]
        return keras.models.load_model(run / "model.keras", compile=False), settings
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run} holds no locator to start from; name a folder that `train locator` wrote.") from error


def lessons(folder: Path, examples: list[data.Example]) -> tuple[np.ndarray, np.ndarray, list[data.Example]]:
    """The pictures in which the nucleus is beyond doubt -> white uint8 [n, 128, 128, 3], their outlines, and which."""
    pictures, outlines, clear = [], [], []
    for example in examples:
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
