"""Cross-layer equalization: scales the channels of a network to similar ranges without changing its answers.

In int8 all channels of a tensor share one scale. If one channel has much larger values than the others, the values of
the others are rounded away.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

_PICTURES = 32  # about how many pictures are used to measure each channel's largest value
_SAME = 1e-4  # largest allowed change of a probability: an equalized network must give the same answers

_L = keras.layers
_READERS = (_L.Conv2D, _L.Dense)
_PASSING = (
    _L.Dropout, _L.SpatialDropout2D, _L.MaxPooling2D, _L.AveragePooling2D, _L.GlobalAveragePooling2D,
    _L.GlobalMaxPooling2D, _L.Flatten, _L.ZeroPadding2D, _L.LeakyReLU,
)  # fmt: skip


@dataclass(frozen=True)
class _Pair:
    """Two layers, one of which reads the channels that the other one writes.

    Attributes:
        writer: computes the channels.
        reader: the next layer with weights that takes them as input.
        largest: largest absolute value seen in each channel, float [channels].
    """

    writer: keras.Layer
    reader: keras.Layer
    largest: np.ndarray


def equalized(model: keras.Model, pictures: np.ndarray) -> keras.Model | None:
    """A copy of the network with channels of similar ranges.

    Args:
        model: the network.
        pictures: training pictures, uint8 [n, size, size, 3].

    Returns:
        The copy; None if the network has branches, if no two layers can be balanced, or if the answers changed.

    For each channel there is a factor s. The weights that compute the channel are divided by s, and the weights that
    read it are multiplied by s. s is the square root of the channel's largest value divided by the largest weight that
    reads it. The answers stay the same if all layers in between are positively homogeneous: ReLU, pooling, flattening,
    dropout.

    Source: Nagel et al., Data-Free Quantization, ICCV 2019. Nagel et al. take s from the weights that compute the
    channel; taking it from the channel's values follows Xiao et al., SmoothQuant, ICML 2023.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    row = _row(copy)
    if row is None:
        return None
    seen = pictures[:: -(-len(pictures) // _PICTURES)].astype(np.float32)
    pairs = list(_pairs(row, seen))
    for pair in pairs:
        _balance(pair)
    moved = np.abs(copy.predict_on_batch(seen) - model.predict_on_batch(seen)).max()
    return copy if pairs and moved <= _SAME else None


def _row(model: keras.Model) -> list[keras.Layer] | None:
    """The layers in a row, including those of nested models; None if the network has branches."""
    row: list[keras.Layer] = []
    inner = getattr(model, "_functional", None) or model  # a Sequential keeps its graph in _functional
    last = None
    for _, nodes in sorted(inner._nodes_by_depth.items(), reverse=True):
        node, layer = nodes[0], nodes[0].operation
        before = [tensor._keras_history.operation for tensor in node.input_tensors]
        if len(nodes) > 1 or not isinstance(layer, keras.Layer) or before != ([last] if last else []):
            return None
        part = _row(layer) if isinstance(layer, keras.Model) else [layer]
        if part is None:
            return None
        row += [] if isinstance(layer, _L.InputLayer) else part
        last = layer
    return row


def _pairs(row: list[keras.Layer], x: np.ndarray) -> Iterator[_Pair]:
    """The pairs of layers that can be balanced.

    Args:
        row: all layers, in the order of computation.
        x: pictures, float32 [n, size, size, 3]; they are passed through the layers one by one.
    """
    writer, channels = None, 0
    for layer in row:
        if isinstance(layer, _READERS) and getattr(layer, "groups", 1) == 1:
            if writer is not None:
                yield _Pair(writer, layer, np.abs(np.asarray(x)).reshape(-1, channels).max(axis=0))
            homogeneous = _name(layer) in ("linear", "relu")
            writer, channels = (layer if homogeneous else None), layer.kernel.shape[-1]
        elif isinstance(layer, _L.BatchNormalization) and layer.scale and layer.center and _linear(writer):
            writer = layer
        elif not (isinstance(layer, _PASSING) or _relu(layer)):
            writer = None
        x = layer(x, training=False)


def _linear(layer: keras.Layer | None) -> bool:
    return isinstance(layer, _READERS) and _name(layer) == "linear"


def _relu(layer: keras.Layer) -> bool:
    if isinstance(layer, _L.ReLU):
        return layer.max_value is None and not layer.threshold
    return isinstance(layer, _L.Activation) and _name(layer) in ("linear", "relu")


def _name(layer: keras.Layer) -> str:
    """The name of a layer's activation; "" if it has none."""
    return getattr(layer.activation, "__name__", "")


def _balance(pair: _Pair) -> None:
    """Scales the weights of both layers of a pair in place."""
    largest = pair.largest
    channels = len(largest)
    kernel = np.array(pair.reader.kernel)
    # Shape of a convolution's kernel: [y, x, channel, out]; of a dense layer's after Flatten: [y * x * channel, out].
    by_channel = kernel.reshape(-1, channels, kernel.shape[-1])
    read = np.abs(by_channel).max(axis=(0, 2))
    scale = np.ones(channels, np.float64)
    both = (largest > 0) & (read > 0)
    scale[both] = np.sqrt(largest[both].astype(np.float64) / read[both])
    unread = (largest > 0) & (read == 0)
    if unread.any() and both.any():  # channels that no weight reads: any factor is correct, so give them a usual range
        scale[unread] = largest[unread] / np.median(largest[both] / scale[both])
    pair.reader.kernel.assign((by_channel * scale[:, None]).reshape(kernel.shape).astype(np.float32))
    written = (
        (pair.writer.gamma, pair.writer.beta)
        if hasattr(pair.writer, "gamma")
        else (pair.writer.kernel, pair.writer.bias)
    )
    for weight in written:
        if weight is not None:
            weight.assign((np.array(weight) / scale).astype(np.float32))
