"""Chance changes that a microscope makes too, so that the network learns to look past them.

Stateless: the same seed gives the same pictures, so that a training run can be repeated.
"""

import math

import tensorflow as tf


@tf.function(reduce_retracing=True)
def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """RGB [batch, size, size, 3] in 0..255 and int32 [2] -> float32 of the same shape and range."""
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    return _stain(_move(tf.cast(images, tf.float32), seeds[0]), seeds[1])


def _move(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Any rotation, mirrored or not, 0.85 to 1.18 times the size, shifted by up to 6 % of the width."""
    count, size = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)
    uniform = tf.random.stateless_uniform([count, 5], seed, -1.0, 1.0)
    angle, flip, scale, right, down = tf.unstack(uniform, axis=1)
    scale = tf.exp(0.165 * scale)
    mirror = tf.where(flip < 0, -1.0, 1.0)
    cos, sin = tf.cos(math.pi * angle) * scale, tf.sin(math.pi * angle) * scale
    middle = (size - 1) / 2
    # Rows of the matrix that takes a place in the new picture to its place in the old one.
    a, b, c, d = cos * mirror, -sin, sin * mirror, cos
    x = middle - (a + b) * middle + 0.06 * size * right
    y = middle - (c + d) * middle + 0.06 * size * down
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, zero, zero], axis=1),
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def _stain(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Stronger or weaker stain, another tint of it, another lamp: changes in optical density, where stains add."""
    count = tf.shape(images)[0]
    normal = tf.random.stateless_normal([count, 7], seed)
    strength = tf.exp(0.15 * normal[:, :1] + 0.10 * normal[:, 1:4])[:, None, None, :]
    lamp = 0.06 * normal[:, None, None, 4:7]
    density = -tf.math.log((images + 1.0) / 256.0)
    return tf.clip_by_value(256.0 * tf.exp(-(density * strength + lamp)) - 1.0, 0.0, 255.0)
