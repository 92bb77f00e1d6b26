"""Keras model -> TFLite flatbuffer, and what the flatbuffer really holds."""

import warnings
from collections import Counter
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from edge.errors import UserError
from edge.quiet import quiet

KINDS = ("int8", "float32")
_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def quantize(model: keras.Model, kind: str, calibration: np.ndarray | None = None) -> bytes:
    """A model that takes RGB 0..255 -> the bytes of a flatbuffer that takes uint8 RGB [1, size, size, 3].

    "int8" is full-integer, its ranges taken from `calibration`, uint8 [n, size, size, 3] of training pictures, and
    gives uint8; "float32" gives float32. Raises UserError where what came out isn't what was asked for.
    """
    if kind not in KINDS:
        raise UserError(f"Unknown kind {kind!r}; known are {', '.join(KINDS)}.")
    keras.utils.clear_session()  # Keras numbers what it makes, and the numbers would get into the file
    shape = (1, *model.input_shape[1:])
    if kind == "float32":
        inputs = keras.Input(batch_shape=shape, dtype="uint8")
        outputs = model(keras.ops.cast(inputs, "float32"))
    else:
        inputs = keras.Input(batch_shape=shape)
        outputs = model(inputs)
    # A fixed batch of one: with a free one the converter leaves shape arithmetic in the graph.
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, outputs))
    if kind == "int8":
        if calibration is None or not len(calibration):
            raise UserError("Quantizing to int8 needs training pictures to calibrate on, and there are none.")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _batches(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own, of its own arguments
        graph = converter.convert()
    found = emitted(graph)["kind"]
    if found != kind:
        raise UserError(f"The converter was asked for {kind} and emitted {found}; nothing was written.")
    return graph


def _batches(calibration: np.ndarray) -> Iterator[list[np.ndarray]]:
    for i, picture in enumerate(calibration):
        batch = picture[None].astype(np.float32)
        if i == 0:
            # A black and a white pixel, whatever the pictures hold: the input's range is then 0 to 255 exactly, its
            # scale 1, and raw bytes need no rounding.
            batch[0, 0, 0], batch[0, 0, 1] = 0, 255
        yield [batch]


def emitted(graph: bytes) -> dict:
    """What a flatbuffer holds -> {"kind", "tensors": {type: count}, "operators": {name: count}}.

    kind is "int8" only where no tensor at all is a float; "float32" where none is an integer beside the input and
    shapes; else "mixed".
    """
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    tensors: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    for subgraph in model.subgraphs:
        tensors.update(_TYPES[tensor.type] for tensor in subgraph.tensors)
        for operator in subgraph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            operators[_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]] += 1
    floats = {name for name in tensors if name.startswith(("float", "bfloat"))}
    pure = {"int8": not floats, "float32": floats == {"float32"} and "int8" not in tensors}
    kind = next((name for name, holds in pure.items() if name in tensors and holds), "mixed")
    return {"kind": kind, "tensors": dict(sorted(tensors.items())), "operators": dict(sorted(operators.items()))}
