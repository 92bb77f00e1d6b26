"""The locator's network: a field -> where the nuclei of white cells are, and how large the red cells are."""

import keras
import numpy as np
import tensorflow as tf

from edge.locate import ruler_mark
from train.locator import nuclei
from train.locator.mosaic import FIELD, GAP, Lesson

_MARKS = 4  # a pixel of the output holds the marks of 2 x 2 pixels


def network(size: int = FIELD) -> keras.Model:
    """The network that is shipped: a small U-Net, which learns from a larger one.

    Its coarsest resolution is a thirty-second of the field's, so that it sees both a cell of a few pixels and one that
    fills the picture. Four things make it faster on a Pi. Each block of 4 x 4 pixels enters as one pixel of 48
    channels. At two resolutions, depthwise and 1 x 1 convolutions replace the usual ones. The converter removes the
    batch normalisation (folds it into the convolutions). Sums replace the usual concatenations.

    Args:
        size: width and height of its input in pixels, divisible by 32.

    Returns:
        A network from RGB [batch, size, size, 3], float32 0 to 255, to [batch, size / 4, size / 4, 5]. The first four
        outputs are the probabilities that a pixel is the nucleus of a white cell, for 2 x 2 pixels of size / 2. The
        fifth is the diameter of the red cells. edge.locate.unpacked reads both.

    Source: Ronneberger et al., MICCAI 2015; Howard et al., MobileNets, arXiv 1704.04861.
    """
    layers, conv, separable = keras.layers, _conv, _separable
    inputs = keras.Input((size, size, 3))
    rows = size // 4
    blocks = layers.Permute((1, 3, 2, 4))(layers.Reshape((rows, 4, rows, 12))(inputs))
    x = conv(layers.Rescaling(1 / 127.5, -1)(layers.Reshape((rows, rows, 48))(blocks)), 16, kernel=1)
    x = separable(x, 16)
    skips = [x]
    for filters, convolution in ((24, conv), (32, separable), (48, conv)):
        x = convolution(convolution(x, filters, strides=2), filters)
        skips.append(x)
    # The red cells' diameter comes from the features of all four scales, averaged down to the coarsest resolution.
    scales = [layers.AveragePooling2D(2 ** (len(skips) - 1 - i))(skip) for i, skip in enumerate(skips[:-1])]
    length = layers.Concatenate()([*scales, x])
    length = layers.Conv2D(1, 1, activation="sigmoid")(conv(conv(length, 48, kernel=1), 32))
    for skip, convolution in ((skips[2], conv), (skips[1], conv), (skips[0], separable)):
        x = layers.UpSampling2D(interpolation="bilinear")(conv(x, skip.shape[-1], kernel=1))
        x = convolution(layers.Add()([x, skip]), skip.shape[-1])
    marks = layers.Conv2D(_MARKS, 1, activation="sigmoid")(x)
    length = layers.UpSampling2D(2 ** (len(skips) - 1), interpolation="bilinear")(length)
    return keras.Model(inputs, layers.Concatenate()([marks, length]), name="locator")


def teacher(size: int = FIELD) -> keras.Model:
    """The larger U-Net that the shipped one learns from. It needs 2.2 times as many multiplications.

    Args:
        size: width and height of its input in pixels, divisible by 32.

    Returns:
        A network from RGB [batch, size, size, 3], float32 0 to 255, to [batch, size / 2, size / 2, 2]: the probability
        that a pixel is the nucleus of a white cell, and the diameter of the red cells.

    Source: Ronneberger et al., MICCAI 2015.
    """
    layers, conv = keras.layers, _conv
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


def _conv(x: tf.Tensor, filters: int, strides: int = 1, kernel: int = 3) -> tf.Tensor:
    return _normalised(keras.layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x))


def _separable(x: tf.Tensor, filters: int, strides: int = 1) -> tf.Tensor:
    x = _normalised(keras.layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x))
    return _conv(x, filters, kernel=1)


def _normalised(x: tf.Tensor) -> tf.Tensor:
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.95)(x))


def target(lesson: Lesson) -> np.ndarray:
    """What the network should answer for a field.

    Returns:
        float32 [160, 160, 4]: the outline; the red cells' diameter, coded by edge.locate.ruler_mark; and the same two
        by the teacher, 0 to 1. -1 means that a value isn't known.
    """
    result = np.full((*lesson.outline.shape, 4), -1, np.float32)
    result[..., 0] = lesson.outline
    height, width = lesson.shape
    if lesson.red_cell:
        result[: height // 2, : width // 2, 1] = ruler_mark(lesson.red_cell)
    if lesson.taught is not None:
        result[..., 2] = lesson.taught / np.float32(255)
        result[: height // 2, : width // 2, 3] = ruler_mark(lesson.taught_red_cell)
    return result


def loss(target: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """The loss of the network's answer, as one number.

    It is the sum of three times the cross-entropy, the soft Dice loss, and three times `length`. Cross-entropy and Dice
    use only the pixels whose outline is known. In cross-entropy, nuclei count twice and gaps between nuclei four times.
    With a teacher, only half of this counts. Its answer adds three times a cross-entropy and three times a length.

    Args:
        target: from `target`, [batch, 160, 160, 4].
        answer: the network's answer, [batch, 80, 80, 5] or, from `teacher`, [batch, 160, 160, 2].
    """
    outline = target[..., 0]
    marks = tf.clip_by_value(_marks(answer), 1e-5, 1 - 1e-5)
    known = tf.cast(outline != nuclei.IGNORE, tf.float32)
    truth = tf.cast(outline == 1, tf.float32)
    weight = known * (1 + truth) + 3 * tf.cast(outline == GAP, tf.float32)
    overlap = tf.reduce_sum(truth * marks)
    total = tf.reduce_sum((truth + marks) * known)
    dice = 1 - (2 * overlap + 1) / (total + 1)
    alone = 3 * tf.reduce_mean(_entropy(truth, marks) * weight) + dice + 3 * length(target, answer)
    taught = 3 * tf.reduce_mean(_entropy(target[..., 2], marks)) + 3 * _length(target[..., 3], answer)
    return tf.where(tf.reduce_any(target[..., 2] >= 0), alone / 2 + taught, alone)


def length(target: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """The mean absolute error of the red cells' diameter, as ruler_mark codes it: 0.01 is 4 % of the diameter."""
    return _length(target[..., 1], answer)


def _length(code: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """The same for a code of each pixel, [batch, 160, 160]; -1 where it isn't known."""
    found = answer[..., -1]
    code = code[:, :: code.shape[1] // found.shape[1], :: code.shape[2] // found.shape[2]]
    measured = tf.cast(code >= 0, tf.float32)
    return tf.reduce_sum(tf.abs(found - code) * measured) / (tf.reduce_sum(measured) + 1)


def _marks(answer: tf.Tensor) -> tf.Tensor:
    """The network's answer -> its marks, [batch, 160, 160]."""
    packed = answer[..., :-1]
    return packed[..., 0] if packed.shape[-1] == 1 else tf.nn.depth_to_space(packed, 2)[..., 0]


def _entropy(truth: tf.Tensor, marks: tf.Tensor) -> tf.Tensor:
    """The cross-entropy of each pixel."""
    return -(truth * tf.math.log(marks) + (1 - truth) * tf.math.log(1 - marks))
