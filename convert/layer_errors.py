"""How large an error int8 adds in each layer of a network."""

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

_NOTHING = 1e-9  # a smaller error is a float's own rounding, in layers that only move values
PICTURES = 16  # to measure on; the error of a layer hardly differs from picture to picture


@dataclass(frozen=True)
class Layer:
    """One layer of a graph.

    Attributes:
        name: of the Keras layer; if it can't be found, that of the tensor.
        tensor: name of its output in the graph.
        operator: that computes it, such as "CONV_2D".
        error: the squared error that the layer adds itself, as a share of the signal, mean over its channels, 0 to 1.
        step: between two int8 values of its output.
    """

    name: str
    tensor: str
    operator: str
    error: float
    step: float


def errors(calibrated: bytes, pictures: np.ndarray, names: Sequence[str] = ()) -> list[Layer]:
    """The layers that add an error, the worst first.

    Args:
        calibrated: of quantize.calibrate.
        pictures: uint8 [n, size, size, 3].
        names: of the Keras layers.

    Each layer is computed in int8 and in float from the same dequantized inputs, so that errors of layers before it
    don't count (TensorFlow's QuantizationDebugger). A channel's error is divided by the channel's own signal; otherwise
    one channel with large values would hide the errors in the others. The divisor is at least the median channel's
    signal, because some channels have none.
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
        # The debugger cuts off the last digit of a name as if it had added that itself, which isn't always so.
        tensor = next((n for n in graph_names if row["tensor_name"] in (n, n[:-1])), row["tensor_name"])
        error, step = float(row["share"]), float(row["scale"])
        if error > _NOTHING:
            layers.append(Layer(_named(tensor, names), tensor, row["op_name"], error, step))
    return sorted(layers, key=lambda layer: -layer.error)


def _share(exact: np.ndarray, rounded: np.ndarray, scale: float, zero: int) -> float:
    """The error as a share of the signal, 0 to 1.

    Args:
        exact: float output, [..., channels].
        rounded: int8 output, likewise.
        scale: between two int8 values.
        zero: the int8 value that means 0.
    """
    channels = exact.shape[-1]
    error = ((exact - (rounded.astype(np.float32) - zero) * scale) ** 2).reshape(-1, channels).mean(axis=0)
    power = (exact**2).reshape(-1, channels).mean(axis=0)
    if not power.any():
        return 0.0
    return float(np.minimum(error / np.maximum(power, np.median(power[power > 0])), 1).mean())


def _named(tensor: str, names: Sequence[str]) -> str:
    """The Keras layer of a tensor: "conv2d_5" for "functional_1/baseline_1/conv2d_5_1/Relu;…".

    Keras numbers each use of a layer behind its name.
    """
    for part in reversed(tensor.split(";")[0].split("/")):
        for candidate in (part, re.sub(r"_\d+$", "", part)):
            if candidate in names:
                return candidate
    return tensor.split(";")[0]


def with_readers(calibrated: bytes, tensors: Sequence[str]) -> list[str]:
    """These tensors, and all that is computed from them up to and including the next layer with weights.

    Args:
        calibrated: of quantize.calibrate.
        tensors: names of output tensors.

    Raises:
        UserError: if none of the tensors is in the graph.

    A layer in float doesn't help if the next one rounds its input to the same coarse steps.
    """
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    graph = model.subgraphs[0]
    names = [tensor.name.decode() for tensor in graph.tensors]
    reached = {i for i, name in enumerate(names) if name in set(tensors)}
    if not reached:
        raise UserError("The layers to keep in float aren't in the graph; this is a mistake of `convert`, report it.")
    result = set(reached)
    for operator in graph.operators:  # in the order in which they are computed
        if reached & set(operator.inputs):
            result |= set(operator.outputs)
            constants = (graph.tensors[i] for i in operator.inputs if i >= 0)
            if not any(
                model.buffers[c.buffer].data is not None and quantize.type_of(c) == "float32" for c in constants
            ):
                reached |= set(operator.outputs)
    return [names[i] for i in sorted(result)]
