"""The locator's network: a field -> where the nuclei of white cells are, and how large the red cells are."""

import keras
import numpy as np
import tensorflow as tf

from edge.locate import ruler_mark
from train.locator import nuclei
from train.locator.mosaic import FIELD, GAP, Lesson


def network(size: int = FIELD) -> keras.Model:
    """A small U-Net.

    The resolution is halved five times, so that it sees both a cell of a few pixels and one that fills the picture. Two
    things make it faster on a Pi: the converter removes the batch normalisation (folds it into the convolutions), and
    sums replace the usual concatenations.

    Args:
        size: width and height of its input in pixels.

    Returns:
        A network from RGB [batch, size, size, 3], float32 0 to 255, to [batch, size / 2, size / 2, 2]. The first output
        is the probability that a pixel is the nucleus of a white cell. The second is the diameter of the red cells, as
        edge.locate.red_cell_estimate reads it.

    Source: Ronneberger et al., MICCAI 2015.
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
    # The red cells' diameter comes from the features of all five scales, averaged down to the coarsest resolution.
    scales = [layers.AveragePooling2D(2 ** (len(skips) - 1 - i))(skip) for i, skip in enumerate(skips[:-1])]
    length = layers.Concatenate()([*scales, x])
    length = layers.Conv2D(1, 1, activation="sigmoid")(conv(conv(length, 48, kernel=1), 32))
    for skip in skips[-2::-1]:
        x = layers.UpSampling2D()(conv(x, skip.shape[-1], kernel=1))
        x = conv(layers.Add()([x, skip]), skip.shape[-1])
    marks = layers.Conv2D(1, 1, activation="sigmoid")(x)
    outputs = layers.Concatenate()([marks, layers.UpSampling2D(2 ** (len(skips) - 1))(length)])
    return keras.Model(inputs, outputs, name="locator")


def target(lesson: Lesson) -> np.ndarray:
    """What the network should answer, float32 [160, 160, 2]: the outline, and the red cells' diameter.

    The diameter is coded by edge.locate.ruler_mark; -1 means that it isn't known.
    """
    result = np.full((*lesson.outline.shape, 2), -1, np.float32)
    result[..., 0] = lesson.outline
    if lesson.red_cell:
        height, width = lesson.shape
        result[: height // 2, : width // 2, 1] = ruler_mark(lesson.red_cell)
    return result


def loss(target: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """The loss of the network's answer, as one number.

    It is the sum of three times the cross-entropy, the soft Dice loss, and three times `length`. Cross-entropy and Dice
    use only the pixels whose outline is known. In cross-entropy, nuclei count twice and gaps between nuclei four times.

    Args:
        target: from `target`, [batch, 160, 160, 2].
        answer: the network's answer, [batch, 160, 160, 2].
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
    """The mean absolute error of the red cells' diameter, as ruler_mark codes it: 0.01 is 4 % of the diameter."""
    measured = tf.cast(target[..., 1] >= 0, tf.float32)
    return tf.reduce_sum(tf.abs(answer[..., 1] - target[..., 1]) * measured) / (tf.reduce_sum(measured) + 1)
