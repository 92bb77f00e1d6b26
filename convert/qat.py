"""Quantization-aware training: a trained network is trained on while its numbers are rounded as in int8."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convert.source import flat
from edge.system.progress import Progress, silent
from train.run import predict

PICTURES = 2000  # training pictures
_STEPS = 300
_BATCH = 32
_RATE = 3e-4  # the learning rate; it falls to 0 over the steps

_L = keras.layers
# How many of a kernel's last axes make its output channels; in the file each channel has a scale of its own.
_KERNELS = {_L.Conv2D: 1, _L.Dense: 1, _L.DepthwiseConv2D: 2}
_PASSING = (  # layers whose output needs no rounding: they only pass values on
    _L.InputLayer, _L.Dropout, _L.SpatialDropout2D, _L.MaxPooling2D, _L.GlobalMaxPooling2D, _L.Flatten, _L.Reshape,
    _L.ZeroPadding2D, _L.Cropping2D, _L.Permute,
)  # fmt: skip


class NotTrainable(Exception):
    """The network can't be trained this way. The message says why, in a few words."""


def tuned(model: keras.Model, pictures: np.ndarray, progress: Progress = silent) -> keras.Model:
    """A copy of the network, trained with rounding to give the answers that the network gives without.

    Args:
        model: the network.
        pictures: of training, uint8 [n, size, size, 3]; their labels aren't used.
        progress: is called with how many steps are done.

    Returns:
        The copy; the same input gives the same copy.

    Raises:
        NotTrainable: if the network or one of its layers can't be trained this way.

    Forward, numbers are rounded as in int8: weights in steps of each channel's own, values in 255 steps over the range
    that the network was seen to give. Backward, rounding is ignored (straight-through estimator). Normalisation keeps
    its statistics, because the converter folds them into the weights.

    Source: Jacob et al., Quantization and Training of Neural Networks, CVPR 2018; straight-through estimator: Bengio et
    al., 2013.
    """
    copy = _copy(model)
    copy.trainable = True
    kernels = _kernels(copy)
    points = [_Point(layer) for layer in flat(copy) if _rounds(layer, copy)]
    for i in range(0, len(pictures), _BATCH):
        copy(pictures[i : i + _BATCH].astype(np.float32), training=False)
    for point in points:
        point.rounding = True
    _train(copy, kernels, pictures, predict(model, pictures), progress)
    result = _copy(model)
    result.set_weights(copy.get_weights())
    return result


class _Point:
    """Watches the values that a layer gives and later rounds them.

    It replaces the layer's own function, because the tensors inside a nested network can't be reached from outside.

    Attributes:
        rounding: whether it rounds; before that it watches the range.
    """

    def __init__(self, layer: keras.Layer) -> None:
        self._call: Callable = layer.call
        self._low, self._high = 0.0, 1e-6  # the range of int8 always includes 0
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
    """A copy with the same weights. Raises NotTrainable."""
    try:
        copy = keras.models.clone_model(model)
    except (ValueError, TypeError) as error:
        raise NotTrainable("the network can't be copied layer by layer") from error
    copy.set_weights(model.get_weights())
    return copy


def _kernels(model: keras.Model) -> dict[int, int]:
    """By id of a kernel how many of its last axes make its channels. Raises NotTrainable for an unknown layer."""
    axes = {}
    for layer in flat(model):
        if type(layer) in _KERNELS:
            axes[id(layer.kernel)] = _KERNELS[type(layer)]
        elif any(len(weight.shape) > 1 for weight in layer.weights):
            raise NotTrainable(f"{layer.name} is a {type(layer).__name__}, whose weights can't be rounded here")
    return axes


def _rounds(layer: keras.Layer, model: keras.Model) -> bool:
    """Whether the file rounds what this layer gives.

    It doesn't if the converter fuses the next layer into this one, nor at the network's end, whose steps are fixed.
    """
    if isinstance(layer, _PASSING) or layer is model.layers[-1]:
        return False
    after = [node.operation for node in layer._outbound_nodes]
    linear = getattr(layer, "activation", keras.activations.linear) is keras.activations.linear
    return not (linear and after and all(_is_fused(each) for each in after))


def _is_fused(layer: keras.Layer) -> bool:
    """Whether the converter fuses this layer into a linear one before it."""
    if isinstance(layer, _L.Activation):
        return layer.activation in (keras.activations.linear, keras.activations.relu, keras.activations.relu6)
    return isinstance(layer, (_L.BatchNormalization, _L.ReLU))


def _train(
    model: keras.Model, kernels: dict[int, int], pictures: np.ndarray, answers: np.ndarray, progress: Progress
) -> None:
    """Trains the model in place.

    Args:
        model: with rounding points.
        kernels: of `_kernels`.
        pictures: uint8 [n, size, size, 3].
        answers: that it should give to them, float32 [n, classes].
        progress: is called with how many steps are done.
    """
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
            probabilities, _ = model.stateless_call(weights, others, x, training=False)
            loss = tf.reduce_mean(keras.losses.kl_divergence(y, probabilities))
        optimizer.apply(tape.gradient(loss, [v.value for v in learned]), learned)

    for done, rows in enumerate(_draws(len(pictures)), start=1):
        step(tf.constant(pictures[rows], tf.float32), tf.constant(answers[rows]))
        progress("Training with int8's rounding", done, _STEPS)


def _rounded(kernel: tf.Tensor, axes: int) -> tf.Tensor:
    """A kernel as the file will hold it: 255 steps for each output channel, as many below zero as above.

    Args:
        kernel: float32.
        axes: how many of its last axes make its channels.
    """
    by_channel = tf.reshape(kernel, [-1, int(np.prod(kernel.shape[-axes:]))])
    largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(by_channel), axis=0), 1e-9))
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(by_channel, -largest, largest, narrow_range=True)
    return tf.reshape(rounded, kernel.shape)


def _draws(count: int) -> Iterator[np.ndarray]:
    """The rows of each step, int [batch]: random orders of all pictures, one after another."""
    rng = np.random.default_rng(0)
    batch = min(_BATCH, count)
    order = np.concatenate([rng.permutation(count) for _ in range(-(-_STEPS * batch // count))])
    for i in range(_STEPS):
        yield order[i * batch : (i + 1) * batch]
