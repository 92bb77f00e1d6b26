"""Crops on disk -> the batches that a network learns from, as tf.data streams.

Each batch depends only on the data, the seed and its own number. So a run that was killed and continued gives the same
result as a whole one. Memory doesn't grow with the data.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from train.augment import augment


@dataclass(frozen=True)
class Mix:
    """How batches are made from pictures.

    Attributes:
        batch: pictures per step.
        seed: of the order and of all other random choices.
        changes: random changes that are made to pictures, from train.augment.recipe.
        balanced: draw pictures by their weight, so rare classes of each source more often, and count all equally in the
            loss; else take each picture once per epoch and count it by its weight.
        mixup: alpha of mixup (Zhang et al., ICLR 2018); 0 for none.
        amount: how strong the changes are; see train.augment.augment.
    """

    batch: int
    seed: int
    changes: tuple[str, ...] = ()
    balanced: bool = False
    mixup: float = 0.0
    amount: float = 1.0


def steps(count: int, batch: int) -> int:
    """How many batches of `batch` pictures hold `count` pictures; the last batch may be smaller."""
    return -(-count // batch)


def training(
    views: list[np.ndarray], targets: list[np.ndarray], weights: np.ndarray, mix: Mix, epochs: int, first: int
) -> tf.data.Dataset:
    """The training batches of some epochs.

    Args:
        views: arrays [n, ...] that show the same pictures in several ways; each epoch takes one view of each picture.
        targets: for each view, the target answers, float32 [n, classes].
        weights: how much each picture counts, float32 [n].
        mix: how batches are made.
        epochs: the epoch to stop before, counted from 0.
        first: the epoch to start with, counted from 0.

    Yields:
        Pictures, float32 [batch, ...]; target answers, float32 [batch, classes]; weights, float32 [batch].
    """
    count, per_epoch = len(weights), steps(len(weights), mix.batch)
    shape = views[0].shape[1:]
    order: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # holds only the current epoch

    def rows(epoch: int) -> tuple[np.ndarray, np.ndarray]:
        if epoch not in order:
            order.clear()
            rng = np.random.default_rng([mix.seed, epoch])
            drawn = rng.choice(count, count, p=weights / weights.sum()) if mix.balanced else rng.permutation(count)
            order[epoch] = drawn, rng.integers(len(views), size=count)
        return order[epoch]

    def take(step: np.int64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        drawn, view = rows(int(step) // per_epoch)
        place = slice(int(step) % per_epoch * mix.batch, (int(step) % per_epoch + 1) * mix.batch)
        pictures = np.stack([views[v][i] for v, i in zip(view[place], drawn[place], strict=True)])
        wanted = np.stack([targets[v][i] for v, i in zip(view[place], drawn[place], strict=True)])
        share = np.ones(len(pictures), np.float32) if mix.balanced else weights[drawn[place]]
        return pictures, wanted, share

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        kinds = (views[0].dtype, tf.float32, tf.float32)
        images, wanted, share = tf.numpy_function(take, [step], kinds)
        images, wanted = tf.ensure_shape(images, (None, *shape)), tf.ensure_shape(wanted, (None, *targets[0].shape[1:]))
        seed = tf.cast(tf.stack([tf.constant(mix.seed, tf.int64), step]), tf.int32)
        images = augment(images, seed, list(mix.changes), mix.amount) if mix.changes else tf.cast(images, tf.float32)
        share = tf.ensure_shape(share, [None])
        if mix.mixup:
            images, wanted, share = _mixup(images, wanted, share, mix.mixup, seed)
        return images, wanted, share

    numbers = tf.data.Dataset.range(first * per_epoch, epochs * per_epoch)
    return numbers.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def _mixup(
    images: tf.Tensor, targets: tf.Tensor, share: tf.Tensor, alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mixes each picture, its target and its weight with those of the picture before it in the batch.

    The shares are drawn from Beta(alpha, alpha).
    """
    a, b = (
        tf.random.stateless_gamma([tf.shape(images)[0]], tf.random.experimental.stateless_fold_in(seed, i), alpha)
        for i in (101, 102)
    )
    own = tf.maximum(a, b) / (a + b)  # the picture itself always has the larger share
    wide = tf.reshape(own, [-1] + [1] * (len(images.shape) - 1))
    other = [tf.roll(x, 1, axis=0) for x in (images, targets, share)]
    return (
        wide * images + (1 - wide) * other[0],
        own[:, None] * targets + (1 - own[:, None]) * other[1],
        own * share + (1 - own) * other[2],
    )


def measuring(pictures: np.ndarray, truth: np.ndarray, weights: np.ndarray, classes: int) -> tf.data.Dataset:
    """The batches of a split to measure on: pictures in their order, unchanged.

    Args:
        pictures: [n, ...].
        truth: class indices, int64 [n].
        weights: float32 [n].
        classes: how many classes there are.
    """
    size = 64

    def take(step: np.int64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        place = slice(int(step) * size, (int(step) + 1) * size)
        return pictures[place].astype(np.float32), truth[place], weights[place]

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        images, labels, share = tf.numpy_function(take, [step], (tf.float32, tf.int64, tf.float32))
        images = tf.ensure_shape(images, (None, *pictures.shape[1:]))
        return images, tf.one_hot(tf.ensure_shape(labels, [None]), classes), tf.ensure_shape(share, [None])

    return tf.data.Dataset.range(steps(len(truth), size)).map(batch).prefetch(2)
