"""A network that learns to live with int8: trained on while its numbers are rounded as int8 will round them."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import keras
import numpy as np
import tensorflow as tf

from convert.source import flat
from train.run import predict

PICTURES = 2000  # of training, that it learns on
_STEPS = 300
_BATCH = 32
_RATE = 3e-4  # falls to nothing over the steps

_L = keras.layers
# How many of a kernel's last axes make its output channels, each of which has a scale of its own in the file.
_KERNELS = {_L.Conv2D: 1, _L.Dense: 1, _L.DepthwiseConv2D: 2}
_PASSING = (  # give values that they were given, or leave none to round
    _L.InputLayer, _L.Dropout, _L.SpatialDropout2D, _L.MaxPooling2D, _L.GlobalMaxPooling2D, _L.Flatten, _L.Reshape,
    _L.ZeroPadding2D, _L.Cropping2D, _L.Permute,
)  # fmt: skip


class NotAware(Exception):
    """Why a network can't be trained on this way, in words."""


def tuned(model: keras.Model, pictures: np.ndarray) -> keras.Model:
    """A copy of the network, trained on with rounded weights and values to give the answers that it gave without.

    pictures: uint8 [n, size, size, 3] of training; no label is asked. Forward, rounding goes as in int8: weights in
    steps of each channel's own, values in 255 steps of what the network was seen to give; backward it isn't there
    (straight-through estimator: Bengio et al., 2013; for int8: Jacob et al., Quantization and Training of Neural
    Networks, CVPR 2018). Normalisation keeps its statistics, which the converter folds into the weights. The same input
    gives the same copy. Raises NotAware for a network or layers that it can't do this with.
    """
    copy = _copy(model)
    copy.trainable = True
    kernels = _kernels(copy)
    points = [_Point(layer) for layer in flat(copy) if _rounds(layer, copy)]
    for i in range(0, len(pictures), _BATCH):
        copy(pictures[i : i + _BATCH].astype(np.float32), training=False)
    for point in points:
        point.rounding = True
    _train(copy, kernels, pictures, predict(model, pictures))
    result = _copy(model)
    result.set_weights(copy.get_weights())
    return result


class _Point:
    """Stands where a layer gives its values: watches them first, then rounds them.

    It takes the place of the layer's own function, since a network in a network has no tensors to be had from outside.
    """

    def __init__(self, layer: keras.Layer) -> None:
        self._call: Callable = layer.call
        self._low, self._high = 0.0, 1e-6  # int8 knows zero, whatever was seen
        self.rounding = False
        layer.call = self

    def __call__(self, *args: Any, **named: Any) -> tf.Tensor:
        x = self._call(*args, **named)
        if self.rounding:
            return tf.quantization.fake_quant_with_min_max_vars(x, self._low, self._high)
        self._low = min(self._low, float(tf.reduce_min(x)))
        self._high = max(self._high, float(tf.reduce_max(x)))
        return x


def _copy(model: keras.Model) -> keras.Model:
    try:
        copy = keras.models.clone_model(model)
    except (ValueError, TypeError) as error:
        raise NotAware("the network can't be copied layer by layer") from error
    copy.set_weights(model.get_weights())
    return copy


def _kernels(model: keras.Model) -> dict[int, int]:
    """{id of a weight: how many last axes make its channels}."""
    found = {}
    for layer in flat(model):
        if type(layer) in _KERNELS:
            found[id(layer.kernel)] = _KERNELS[type(layer)]
        elif any(len(weight.shape) > 1 for weight in layer.weights):
            raise NotAware(f"{layer.name} is a {type(layer).__name__}, whose weights this doesn't know to round")
    return found


def _rounds(layer: keras.Layer, model: keras.Model) -> bool:
    """Whether the file rounds what this layer gives: not where the converter melts the next layer into it, nor at the
    end, whose steps are fixed.
    """
    if isinstance(layer, _PASSING) or layer is model.layers[-1]:
        return False
    after = [node.operation for node in layer._outbound_nodes]
    linear = getattr(layer, "activation", keras.activations.linear) is keras.activations.linear
    return not (linear and after and all(_melts(each) for each in after))


def _melts(layer: keras.Layer) -> bool:
    if isinstance(layer, _L.Activation):
        return layer.activation in (keras.activations.linear, keras.activations.relu, keras.activations.relu6)
    return isinstance(layer, (_L.BatchNormalization, _L.ReLU))


def _train(model: keras.Model, kernels: dict[int, int], pictures: np.ndarray, answers: np.ndarray) -> None:
    """answers: to be given to the pictures, float32 [n, classes]."""
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    learned = model.trainable_variables
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_RATE, _STEPS))
    optimizer.build(learned)

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            weights = [_rounded(v.value, kernels[id(v)]) if id(v) in kernels else v.value for v in learned]
            others = [v.value for v in model.non_trainable_variables]
            found, _ = model.stateless_call(weights, others, x, training=False)
            loss = tf.reduce_mean(keras.losses.kl_divergence(y, found))
        optimizer.apply(tape.gradient(loss, [v.value for v in learned]), learned)

    with click.progressbar(_draws(len(pictures)), length=_STEPS, label="Training on, rounded", file=sys.stderr) as bar:
        for rows in bar:
            step(tf.constant(pictures[rows], tf.float32), tf.constant(answers[rows]))


def _rounded(kernel: tf.Tensor, axes: int) -> tf.Tensor:
    """As the file will hold it: 255 steps for each output channel, as many below zero as above."""
    by_channel = tf.reshape(kernel, [-1, int(np.prod(kernel.shape[-axes:]))])
    largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(by_channel), axis=0), 1e-9))
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(by_channel, -largest, largest, narrow_range=True)
    return tf.reshape(rounded, kernel.shape)


def _draws(count: int) -> Iterator[np.ndarray]:
    """The rows of each step: all pictures in one order after another."""
    rng = np.random.default_rng(0)
    batch = min(_BATCH, count)
    order = np.concatenate([rng.permutation(count) for _ in range(-(-_STEPS * batch // count))])
    for i in range(_STEPS):
        yield order[i * batch : (i + 1) * batch]
