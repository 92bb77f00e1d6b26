"""Augmented views of each picture, made once and kept on disk: what the microscope might have shown instead, then
finished as the runner would have finished it.

The runner normalises what the camera gives, so chance must change the picture before that, and not after.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from edge.normalise import alone, distance, normalise
from train import data
from train.augment import augment
from train.learn import duration

_BATCH = 64
_UNSURE = 0.1  # standard deviation of the locator's measure of a nucleus, as a logarithm
_NEAR, _OWN = 36, 70  # 64ths of a nucleus' diameter: no red cell lies nearer; what belongs to a white cell
_VERSION = 2  # of what is done here: views of another are made anew


def views(
    folder: Path,
    examples: Sequence[data.Example],
    size: int,
    policy: str,
    changes: list[str],
    amount: float,
    crowd: float,
    count: int,
) -> list[np.ndarray]:
    """`count` augmented views of the examples' crops -> memory maps uint8 [len(examples), size, size, 3], in the
    user's cache. crowd: share of the pictures that crowded() changes. Raises UserError where they can't be made.
    """
    plain = data.crops(folder, examples, size, "cell" if policy == "normalised" else policy)
    nuclei = data.nuclei(folder, examples) if policy == "normalised" else None
    with Path(plain.filename).open("rb") as pixels:  # type: ignore[attr-defined]
        same = hashlib.file_digest(pixels, "sha256").hexdigest()
    found = []
    for view in range(count):
        key = json.dumps([_VERSION, same, nuclei is not None, changes, amount, crowd, view])
        file = data.cache_folder() / f"views-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
        if not file.exists():
            _write(plain, nuclei, changes, amount, crowd, view, file, f"View {view + 1} of {count}")
        found.append(np.load(file, mmap_mode="r"))
    return found


def _write(
    plain: np.ndarray,
    nuclei: np.ndarray | None,
    changes: list[str],
    amount: float,
    crowd: float,
    view: int,
    file: Path,
    label: str,
) -> None:
    change = tf.function(lambda pictures, seed: augment(pictures, seed, changes, amount), autograph=False)
    started = time.monotonic()
    with data.array(file, "|u1", plain.shape) as target:
        for i in range(0, len(plain), _BATCH):
            pictures = plain[i : i + _BATCH]
            seed = tf.constant([view, i])
            if nuclei is None:
                target.write(_bytes(change(tf.constant(pictures), seed)).tobytes())
            else:
                rng = np.random.default_rng([view, i])
                chance = rng.normal(0, _UNSURE, len(pictures))
                apart = [distance(pictures.shape[1], n) for n in nuclei[i : i + _BATCH] * np.exp(chance)]
                # The disc round the nucleus moves with the picture, as a fourth channel.
                four = np.concatenate([pictures, np.stack(apart)[..., None]], axis=-1)
                for picture in _bytes(change(tf.constant(crowded(four, crowd, rng)), seed)):
                    target.write(alone(normalise(picture[..., :3]), picture[..., 3]).tobytes())
            if i // _BATCH % 20 == 0:
                left = (time.monotonic() - started) * (len(plain) / (i + _BATCH) - 1)
                click.echo(f"{label}: {i} of {len(plain)} pictures, about {duration(left)} left", err=True)


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
        lies = (other[..., 3] > _OWN) & (pictures[i, ..., 3] > _NEAR)
        result[i, ..., :3][lies] = np.minimum(pictures[i, ..., :3], other[..., :3])[lies]
    return result


def _bytes(pictures: tf.Tensor) -> np.ndarray:
    return np.rint(pictures.numpy()).astype(np.uint8)
