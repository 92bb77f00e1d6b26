"""Loud channels turned down and their readers up: the same network, kinder to int8."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

_PICTURES = 32  # that loudness is measured on
_SAME = 1e-4  # of probabilities: an equalized network must be the same network

_L = keras.layers
_READERS = (_L.Conv2D, _L.Dense)
_PASSING = (
    _L.Dropout, _L.SpatialDropout2D, _L.MaxPooling2D, _L.AveragePooling2D, _L.GlobalAveragePooling2D,
    _L.GlobalMaxPooling2D, _L.Flatten, _L.ZeroPadding2D, _L.LeakyReLU,
)  # fmt: skip


@dataclass(frozen=True)
class _Pair:
    """writer: makes the channels, reader: takes them; loud: float [channels], the largest value seen of each."""

    writer: keras.Layer
    reader: keras.Layer
    loud: np.ndarray


def equalized(model: keras.Model, pictures: np.ndarray) -> keras.Model | None:
    """A copy of the network with its channels at like loudness, or None where it can't be had.

    pictures: uint8 [n, size, size, 3] of training. What makes a channel is divided by s and what reads it multiplied,
    s = sqrt(loudness / largest weight that reads it), so that one scale an int8 tensor fits all its channels
    (cross-layer equalization, Nagel et al., Data-Free Quantization, ICCV 2019, with the activations' loudness in
    place of the writer's weights: Xiao et al., SmoothQuant, ICML 2023). It works across what is positively homogeneous:
    ReLU, pooling, flattening, dropout. None: layers not in a row, no such pair, or answers that moved.
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
    """The layers, nested models opened, where each takes what the one before gives; else None."""
    row: list[keras.Layer] = []
    inner = getattr(model, "_functional", None) or model  # a Sequential's own graph
    last = None
    for _, nodes in sorted(inner._nodes_by_depth.items(), reverse=True):
        node, layer = nodes[0], nodes[0].operation
        taken = [tensor._keras_history.operation for tensor in node.input_tensors]
        if len(nodes) > 1 or not isinstance(layer, keras.Layer) or taken != ([last] if last else []):
            return None
        part = _row(layer) if isinstance(layer, keras.Model) else [layer]
        if part is None:
            return None
        row += [] if isinstance(layer, _L.InputLayer) else part
        last = layer
    return row


def _pairs(row: list[keras.Layer], x: np.ndarray) -> Iterator[_Pair]:
    """x: float32 [n, size, size, 3], which goes through the layers as they are found."""
    writer, channels = None, 0
    for layer in row:
        if isinstance(layer, _READERS) and getattr(layer, "groups", 1) == 1:
            if writer is not None:
                loud = np.abs(np.asarray(x)).reshape(-1, channels).max(axis=0)
                yield _Pair(writer, layer, loud)
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
    return getattr(layer.activation, "__name__", "")


def _balance(pair: _Pair) -> None:
    channels = len(pair.loud)
    kernel = np.array(pair.reader.kernel)
    # A convolution reads [y, x, channel, out]; a dense layer behind a flattening [place and channel, out].
    by_channel = kernel.reshape(-1, channels, kernel.shape[-1])
    read = np.abs(by_channel).max(axis=(0, 2))
    scale = np.ones(channels, np.float64)
    both = (pair.loud > 0) & (read > 0)
    scale[both] = np.sqrt(pair.loud[both].astype(np.float64) / read[both])
    unread = (pair.loud > 0) & (read == 0)
    if unread.any() and both.any():  # nobody listens: as loud as the others, that is all
        scale[unread] = pair.loud[unread] / np.median(pair.loud[both] / scale[both])
    pair.reader.kernel.assign((by_channel * scale[:, None]).reshape(kernel.shape).astype(np.float32))
    of = (
        (pair.writer.gamma, pair.writer.beta)
        if hasattr(pair.writer, "gamma")
        else (pair.writer.kernel, pair.writer.bias)
    )
    for weight in of:
        if weight is not None:
            weight.assign((np.array(weight) / scale).astype(np.float32))
