"""Training one network on one data set: seeds, weights, augmentation, the best epoch kept, a report written."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edge import __version__, crop
from edge.errors import UserError, reason
from train import data, evaluate
from train.augment import augment


class Batches(keras.utils.PyDataset):
    """Shuffled, augmented training batches, read from the crops on disk; repeatable from its seed."""

    def __init__(self, crops: np.ndarray, truth: np.ndarray, weights: np.ndarray, batch: int, seed: int) -> None:
        super().__init__()
        self._crops, self._truth, self._weights = crops, truth, weights
        self._batch, self._seed, self._epoch = batch, seed, -1
        self._order = np.arange(len(truth))
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self._truth))

    def __len__(self) -> int:
        return -(-len(self._truth) // self._batch)

    def __getitem__(self, index: int) -> tuple[tf.Tensor, np.ndarray, np.ndarray]:
        rows = np.sort(self._order[index * self._batch : (index + 1) * self._batch])
        seed = tf.constant([self._seed * 100_003 + self._epoch, index], tf.int32)
        return augment(tf.constant(self._crops[rows]), seed), self._truth[rows], self._weights[rows]


def fit(
    network: Callable[[int, int], keras.Model],
    folder: Path,
    out: Path,
    *,
    size: int,
    epochs: int,
    batch: int,
    seed: int,
    source: str | None = None,
    policy: str = "whole-image",
) -> dict:
    """Trains `network(size, classes)` on the data in `folder`, or on one source of it.

    Writes model.keras and run.json into `out`. policy: how cells are cropped, see edge.crop.

    The weights kept are those of the epoch with the lowest class-weighted loss on val. Returns what run.json holds:
    settings, data, and metrics of val and test by source. Raises UserError for data or a folder that can't be used.
    """
    examples = data.trained_on(data.read(folder), source)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} can't be made: {reason(error)}.") from error
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    split = {name: data.only(examples, name) for name in data.SPLITS}
    pictures = {name: data.crops(folder, split[name], size, policy) for name in data.SPLITS}
    truth = {name: data.targets(split[name]) for name in data.SPLITS}

    model = network(size, len(data.LABELS))
    steps = -(-len(split["train"]) // batch)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    best = out / "model.keras"
    started = time.time()
    history = model.fit(
        Batches(pictures["train"], truth["train"], data.weights(split["train"]), batch, seed),
        epochs=epochs,
        validation_data=(pictures["val"].astype(np.float32), truth["val"], data.weights(split["val"])),
        callbacks=[keras.callbacks.ModelCheckpoint(str(best), monitor="val_loss", save_best_only=True)],
        verbose=1 if sys.stdout.isatty() else 2,  # a moving bar, or a line an epoch where it would only fill a log
    )
    seconds = time.time() - started
    model = keras.models.load_model(best)

    results = {}
    for name in ("val", "test"):
        probabilities = model.predict(pictures[name].astype(np.float32), batch_size=256, verbose=0)
        results[name] = evaluate.by_source(truth[name], probabilities, [e.source for e in split[name]], data.LABELS)
    report = {
        "version": __version__,
        "network": model.name,
        "parameters": model.count_params(),
        "labels": list(data.LABELS),
        "size": size,
        "crop": {"policy": policy, "version": crop.POLICIES[policy]},
        "settings": {"epochs": epochs, "batch": batch, "seed": seed, "source": source},
        "best_epoch": int(np.argmin(history.history["val_loss"])) + 1,
        "seconds": round(seconds, 1),
        "data": {
            "folder": str(folder.resolve()),
            "counts": data.describe(examples),
            "split_sha256": data.split_hash(examples),
        },
        "metrics": results,
        "history": {name: [float(v) for v in values] for name, values in history.history.items()},
    }
    (out / "run.json").write_text(json.dumps(report, indent=1) + "\n")
    return report
