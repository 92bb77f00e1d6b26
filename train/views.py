"""Augmented views of each picture, made once and kept on disk: what the microscope might have shown instead, then
finished as the runner would have finished it.

The runner normalises what the camera gives, so chance must change the picture before that, and not after.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from edge.normalise import REACH, alone, distance, normalise
from train import data
from train.augment import augment
from train.loop import duration
from train.settings import Settings

_BATCH = 64
_UNSURE = 0.1  # standard deviation of the locator's measure of a nucleus, as a logarithm
_NEAR = 36  # 64ths of a nucleus' diameter: no red cell lies nearer
_VERSION = 2  # of what is done here: views of another are made anew


def parts(changes: Sequence[str]) -> tuple[list[str], list[str]]:
    """train.augment.recipe()'s changes -> those that views() makes, and those that are made to views anew each time:
    views are dear and mirror images cheap, and normalised colours are what is to be taken away.
    """
    return [name for name in changes if name != "grey"], [name for name in changes if name in ("flip", "grey")]


def views(
    folder: Path, examples: Sequence[data.Example], settings: Settings, changes: list[str], crowd: float, count: int
) -> list[np.ndarray]:
    """`count` augmented views of the examples' crops -> memory maps uint8 [len(examples), size, size, 3], in the
    user's cache. changes: train.augment.recipe()'s; crowd: share of the pictures that crowded() changes. Raises
    UserError where they can't be made.
    """
    size, amount = settings.size, settings.amount
    normalised = settings.policy == "normalised"
    plain = data.crops(folder, examples, size, "cell" if normalised else settings.policy, ruler=settings.ruler)
    nuclei = data.nuclei(folder, examples, settings.ruler) if normalised else None
    change = tf.function(lambda pictures, seed: augment(pictures, seed, changes, amount), autograph=False)

    def make(view: int, first: int) -> np.ndarray:
        pictures, seed = plain[first : first + _BATCH], tf.constant([view, first])
        if nuclei is None:
            return _bytes(change(tf.constant(pictures), seed))
        rng = np.random.default_rng([view, first])
        chance = rng.normal(0, _UNSURE, len(pictures))
        apart = [distance(size, n) for n in nuclei[first : first + _BATCH] * np.exp(chance)]
        # The disc round the nucleus moves with the picture, as a fourth channel.
        four = np.concatenate([pictures, np.stack(apart)[..., None]], axis=-1)
        changed = _bytes(change(tf.constant(crowded(four, crowd, rng)), seed))
        return np.stack([alone(normalise(picture[..., :3]), picture[..., 3]) for picture in changed])

    key = [_VERSION, data.digest(plain), normalised, changes, amount, crowd]
    return kept("views", key, "|u1", plain.shape, _BATCH, make, count, "View")


def kept(
    name: str,
    key: list,
    kind: str,
    shape: tuple[int, ...],
    batch: int,
    make: Callable[[int, int], np.ndarray],
    count: int,
    label: str,
) -> list[np.ndarray]:
    """`count` arrays of a dtype and shape -> memory maps of files in the user's cache, each made once and told of.

    make: (number of the array, first row) -> its rows from there on, `batch` of them while there are so many; key:
    all that they depend on. Raises UserError where they can't be written.
    """
    found = []
    for view in range(count):
        digest = hashlib.sha256(json.dumps([*key, view]).encode()).hexdigest()
        file = data.cache_folder() / f"{name}-{digest[:24]}.npy"
        if not file.exists():
            _write(file, kind, shape, batch, partial(make, view), f"{label} {view + 1} of {count}")
        found.append(np.load(file, mmap_mode="r"))
    return found


def _write(
    file: Path, kind: str, shape: tuple[int, ...], batch: int, make: Callable[[int], np.ndarray], label: str
) -> None:
    started = time.monotonic()
    with data.array(file, kind, shape) as target:
        for first in range(0, shape[0], batch):
            target.write(make(first).tobytes())
            if first // batch % 20 == 0:
                left = (time.monotonic() - started) * (shape[0] / (first + batch) - 1)
                click.echo(f"{label}: {first} of {shape[0]} pictures, about {duration(left)} left", err=True)


def crowded(pictures: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """In some of the pictures, uint8 [n, size, size, 4] with distances as fourth channel, red cells come close.

    On a thin smear white cells lie apart, on a thick one red cells press against them, and look like cytoplasm to who
    has never seen that. What lies round another picture's cell is turned, moved and laid upon (the darker of two
    levels, as if one lay on the other), though not upon the nucleus.
    """
    result = pictures.copy()
    size = pictures.shape[1]
    for i in np.flatnonzero(rng.random(len(pictures)) < share):
        other = np.rot90(pictures[rng.integers(len(pictures))], int(rng.integers(4)))
        other = np.roll(other, rng.integers(-size // 3, size // 3 + 1, 2), axis=(0, 1))
        lies = (other[..., 3] > REACH) & (pictures[i, ..., 3] > _NEAR)
        result[i, ..., :3][lies] = np.minimum(pictures[i, ..., :3], other[..., :3])[lies]
    return result


def _bytes(pictures: tf.Tensor) -> np.ndarray:
    return np.rint(pictures.numpy()).astype(np.uint8)
