"""Measures how large an error each layer of a network adds in int8."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize

from convert import quantize
from edge.errors import UserError

_NOTHING = 1e-9  # smaller errors are ignored: they are rounding errors of float in layers that only move values
PICTURES = 16  # about how many are enough to measure on: a layer's error hardly differs from picture to picture


@dataclass(frozen=True)
class Layer:
    """The error of one layer.

    Attributes:
        name: name of the Keras layer; the tensor's name if no such layer is found.
        tensor: name of the layer's output tensor in the flatbuffer.
        operator: the operator that computes this tensor, such as "CONV_2D".
        error: squared error that this layer alone adds, divided by the squared signal; mean over the channels, 0 to 1.
        step: difference between two neighbouring int8 values of the output.
    """

    name: str
    tensor: str
    operator: str
    error: float
    step: float


def errors(calibrated: bytes, pictures: np.ndarray, names: Sequence[str] = ()) -> list[Layer]:
    """The layers that add an error, the worst first.

    Args:
        calibrated: a flatbuffer from quantize.calibrate.
        pictures: pictures to measure on, uint8 [n, size, size, 3].
        names: names of the Keras layers.

    Each layer is computed in int8 and in float from the same dequantized inputs (TensorFlow's QuantizationDebugger).
    So the errors of earlier layers don't count. A channel's error is divided by the signal of the same channel;
    otherwise one channel with large values would hide the errors in the others. Some channels have hardly any signal,
    so the divisor is at least the signal of the median channel.
    """
    with quantize.converting():
        graph = mlir_quantize(calibrated, fully_quantize=True, enable_numeric_verify=True)
        debugger = tf.lite.experimental.QuantizationDebugger(
            quant_debug_model_content=graph,
            debug_dataset=lambda: ([picture[None].astype(np.float32)] for picture in pictures),
            debug_options=tf.lite.experimental.QuantizationDebugOptions(layer_direct_compare_metrics={"share": _share}),
        )
        debugger.run()
        table = io.StringIO()
        debugger.layer_statistics_dump(table)
    graph_names = [t.name.decode() for t in schema.ModelT.InitFromPackedBuf(calibrated, 0).subgraphs[0].tensors]
    layers = []
    for row in csv.DictReader(io.StringIO(table.getvalue())):
        # The debugger cuts off the last character of a tensor's name, even if it didn't add that character itself.
        tensor = next((n for n in graph_names if row["tensor_name"] in (n, n[:-1])), row["tensor_name"])
        error, step = float(row["share"]), float(row["scale"])
        if error > _NOTHING:
            layers.append(Layer(_named(tensor, names), tensor, row["op_name"], error, step))
    return sorted(layers, key=lambda layer: -layer.error)


def _share(exact: np.ndarray, rounded: np.ndarray, scale: float, zero: int) -> float:
    """The squared error divided by the squared signal, mean over the channels, 0 to 1; see `errors`.

    Args:
        exact: float output, [..., channels].
        rounded: int8 output of the same shape.
        scale: difference between two neighbouring int8 values.
        zero: the int8 value that stands for 0.
    """
    channels = exact.shape[-1]
    error = ((exact - (rounded.astype(np.float32) - zero) * scale) ** 2).reshape(-1, channels).mean(axis=0)
    power = (exact**2).reshape(-1, channels).mean(axis=0)
    if not power.any():
        return 0.0
    return float(np.minimum(error / np.maximum(power, np.median(power[power > 0])), 1).mean())


def _named(tensor: str, names: Sequence[str]) -> str:
    """The Keras layer of a tensor: "conv2d_5" for "functional_1/baseline_1/conv2d_5_1/Relu;…".

    Keras appends a number to a layer's name each time the layer is used.
    """
    for part in reversed(tensor.split(";")[0].split("/")):
        for candidate in (part, re.sub(r"_\d+$", "", part)):
            if candidate in names:
                return candidate
    return tensor.split(";")[0]


def with_readers(calibrated: bytes, tensors: Sequence[str]) -> list[str]:
    """These tensors, and all tensors computed from them up to and including the next layer with weights.

    Args:
        calibrated: a flatbuffer from quantize.calibrate.
        tensors: names of tensors.

    Returns:
        The names of all these tensors.

    Raises:
        UserError: if none of the tensors is in the graph.

    Keeping one layer in float is not enough: the next layer would round its input to the same coarse steps.
    """
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    graph = model.subgraphs[0]
    names = [tensor.name.decode() for tensor in graph.tensors]
    reached = {i for i, name in enumerate(names) if name in set(tensors)}
    if not reached:
        raise UserError(
            "The layers to keep in float aren't in the graph; this is a bug in `convert`, so please report it."
        )
    result = set(reached)
    for operator in graph.operators:  # in the order of computation
        if reached & set(operator.inputs):
            result |= set(operator.outputs)
            constants = (graph.tensors[i] for i in operator.inputs if i >= 0)
            if not any(
                model.buffers[c.buffer].data is not None and quantize.type_of(c) == "float32" for c in constants
            ):
                reached |= set(operator.outputs)
    return [names[i] for i in sorted(result)]
