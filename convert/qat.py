"""Quantization-aware training: trains a finished network further while its numbers are rounded as in int8."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convert.source import flat
from edge.system.progress import Progress, silent
from train.run import predict

PICTURES = 2000  # about how many training pictures are used
_STEPS = 300  # of training, one batch each
_BATCH = 32  # pictures
_RATE = 3e-4  # learning rate at the start; it falls to 0 over the steps

_L = keras.layers
# How many of the kernel's last axes together number its output channels. In int8 each channel has a scale of its own.
_KERNELS = {_L.Conv2D: 1, _L.Dense: 1, _L.DepthwiseConv2D: 2}
_PASSING = (  # layers that only pass values on, so that their output needs no rounding
    _L.InputLayer, _L.Dropout, _L.SpatialDropout2D, _L.MaxPooling2D, _L.GlobalMaxPooling2D, _L.Flatten, _L.Reshape,
    _L.ZeroPadding2D, _L.Cropping2D, _L.Permute,
)  # fmt: skip


class NotTrainable(Exception):
    """The network can't be trained with int8's rounding. The message says why, in a few words."""


def tuned(model: keras.Model, pictures: np.ndarray, progress: Progress = silent) -> keras.Model:
    """A copy of the network that is trained to answer, with int8's rounding, what the network answers without it.

    Args:
        model: the float network.
        pictures: training pictures, uint8 [n, size, size, 3]; their labels aren't used.
        progress: see edge.system.progress.

    Returns:
        The trained copy, without rounding in it; the same input gives the same copy.

    Raises:
        NotTrainable: if the network or one of its layers can't be trained this way.

    In the forward pass, numbers are rounded as in int8. Weights have a step size for each channel. Values have 255
    steps over the range that was seen in these pictures. In the backward pass, rounding is ignored (straight-through
    estimator). Batch normalisation keeps its statistics, because the converter merges them into the weights.

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
    """Wraps a layer: first it records the range of the layer's output, later it rounds the output.

    It replaces the layer's `call` method, because tensors inside a nested network can't be reached from outside.

    Attributes:
        rounding: True while it rounds; False while it records the range.
    """

    def __init__(self, layer: keras.Layer) -> None:
        self._call: Callable = layer.call
        self._low, self._high = 0.0, 1e-6  # int8's range always includes 0, and must not be empty
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
    """A copy with the same weights. Raises NotTrainable if Keras can't make one."""
    try:
        copy = keras.models.clone_model(model)
    except (ValueError, TypeError) as error:
        raise NotTrainable("the network can't be copied layer by layer") from error
    copy.set_weights(model.get_weights())
    return copy


def _kernels(model: keras.Model) -> dict[int, int]:
    """For each kernel, by its id(): how many of its last axes number its channels, see _KERNELS.

    Raises NotTrainable if another type of layer has weights with more than one axis.
    """
    axes = {}
    for layer in flat(model):
        if type(layer) in _KERNELS:
            axes[id(layer.kernel)] = _KERNELS[type(layer)]
        elif any(len(weight.shape) > 1 for weight in layer.weights):
            raise NotTrainable(f"{layer.name} is a {type(layer).__name__}, whose weights this training can't round")
    return axes


def _rounds(layer: keras.Layer, model: keras.Model) -> bool:
    """Whether the output of this layer is rounded in the int8 file.

    It isn't if the converter fuses the next layer into this one. The network's output is left out too: it has fixed
    steps.
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
        model: the copy, in which each layer's output is rounded.
        kernels: which kernels to round, from `_kernels`.
        pictures: training pictures, uint8 [n, size, size, 3].
        answers: the probabilities that it should learn to give, float32 [n, classes].
        progress: see edge.system.progress.
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
    """A kernel rounded as in the int8 file: each channel has 255 levels, symmetric about zero.

    Args:
        kernel: the weights, float32.
        axes: how many of its last axes number its channels.
    """
    by_channel = tf.reshape(kernel, [-1, int(np.prod(kernel.shape[-axes:]))])
    largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(by_channel), axis=0), 1e-9))
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(by_channel, -largest, largest, narrow_range=True)
    return tf.reshape(rounded, kernel.shape)


def _draws(count: int) -> Iterator[np.ndarray]:
    """The indices of the pictures of each training step, int [batch]; all pictures are shuffled anew for each pass."""
    rng = np.random.default_rng(0)
    batch = min(_BATCH, count)
    order = np.concatenate([rng.permutation(count) for _ in range(-(-_STEPS * batch // count))])
    for i in range(_STEPS):
        yield order[i * batch : (i + 1) * batch]
