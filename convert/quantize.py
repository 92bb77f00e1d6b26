"""Converts a Keras model to a TFLite flatbuffer, and reads back which types of number the flatbuffer contains."""

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize

from convert.flatbuffer import packed
from convert.operators import operator_name
from edge.contract import Quantization
from edge.errors import UserError, reason
from edge.system.quiet import quiet
from train.networks import FEATURES

KINDS = ("int8", "dynamic", "float16", "float32")
_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
_FLOATS = ("float", "bfloat")


def quantize(model: keras.Model, kind: str, calibration: np.ndarray | None = None) -> bytes:
    """Converts a model to a flatbuffer that takes uint8 RGB [1, size, size, 3].

    Args:
        model: takes RGB 0..255.
        kind: "int8" computes in integers only and gives uint8. The others compute in float32 and give float32:
            "dynamic" stores its weights as int8, "float16" as float16, and "float32" unchanged.
        calibration: training pictures from which int8's ranges are chosen, uint8 [n, size, size, 3]; only for "int8".

    Raises:
        UserError: if the flatbuffer isn't of this kind, or if an operation has no TFLite counterpart.
    """
    if kind not in KINDS:
        raise UserError(f"Unknown kind {kind!r}; known are {', '.join(KINDS)}.")
    if kind == "int8":
        return checked(integer(calibrate(model, calibration)), kind)
    converter = tf.lite.TFLiteConverter.from_keras_model(raw(model))
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    with converting():
        graph = _ordered(converter.convert())
    return checked(graph, kind)


def calibrate(model: keras.Model, calibration: np.ndarray | None) -> bytes:
    """A float flatbuffer with the lowest and the highest value of each tensor written into it.

    Args:
        model: takes RGB 0..255.
        calibration: training pictures, uint8 [n, size, size, 3].

    Raises:
        UserError: without pictures, or if an operation has no TFLite counterpart.

    Before `integer` uses these ranges, convert.activation_ranges may change them. TensorFlow's converter can't do that
    in one pass, so this function makes it stop after calibration (`_experimental_calibrate_only`, a private option).
    """
    if calibration is None or not len(calibration):
        raise UserError("Quantizing to int8 needs training pictures to calibrate on, and there are none.")
    inputs = _new_input(model, None)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, shown(model)(inputs)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _batches(calibration)
    converter._experimental_calibrate_only = True
    with converting():
        return _ordered(converter.convert())


def raw(model: keras.Model) -> keras.Model:
    """The model as it is shown (see `shown`), with one uint8 picture [1, size, size, 3] as its input."""
    inputs = _new_input(model, "uint8")
    return keras.Model(inputs, shown(model)(keras.ops.cast(inputs, "float32")))


def shown(model: keras.Model) -> keras.Model:
    """The model with two more outputs after the probabilities: its features and its logits.

    edge.model computes the answer from the logits, so that it is the same on every machine. A model is returned
    unchanged unless it has a layer called FEATURES and ends in a dense softmax layer.
    """
    last = model.layers[-1]
    if not any(layer.name == FEATURES for layer in model.layers) or not isinstance(last, keras.layers.Dense):
        return model
    features = model.get_layer(FEATURES).output
    linear = keras.layers.Dense(last.units, name=last.name)
    logits = linear(features)
    linear.set_weights(last.get_weights())
    return keras.Model(model.inputs, [keras.layers.Softmax()(logits), features, logits])


def _ordered(graph: bytes) -> bytes:
    """The flatbuffer with its outputs in the order of the network's outputs; the converter changes that order."""
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    if len(model.subgraphs[0].outputs) < 2:
        return graph
    outputs = sorted(model.signatureDefs[0].outputs, key=lambda output: output.name)  # output_0, …
    model.subgraphs[0].outputs = np.array([output.tensorIndex for output in outputs], np.int32)
    return packed(model)


def integer(calibrated: bytes, floats: Sequence[str] = ()) -> bytes:
    """Quantizes a flatbuffer to int8, with uint8 as input and output.

    Args:
        calibrated: a flatbuffer from `calibrate`.
        floats: names of tensors; the operators that compute these tensors stay in float.
    """
    with converting():
        return _ordered(
            mlir_quantize(
                calibrated, input_data_type=tf.uint8, output_data_type=tf.uint8, denylisted_nodes=list(floats) or None
            )
        )


def checked(graph: bytes, kind: str) -> bytes:
    """Returns the flatbuffer if it is of this kind.

    Raises:
        UserError: if it is of another kind; the message says why and what to do.
    """
    real = emitted(graph).kind
    if real == kind:
        return graph
    if kind == "int8":
        raise UserError(
            f"{', '.join(floating(graph))} can't be computed in int8, and a file that computes in float isn't int8; "
            "build the model from other operations, or try --rescue, --dynamic or --float16."
        )
    if (kind, real) == ("dynamic", "float32"):
        raise UserError(
            "TensorFlow's converter leaves tensors of fewer than 1,024 weights in float, and this model has no larger "
            "ones; try --float16."
        )
    raise UserError(
        f"TensorFlow's converter was asked for {kind} but made a {real} file, so nothing was written; "
        "choose another kind."
    )


def _new_input(model: keras.Model, dtype: str | None) -> keras.KerasTensor:
    """A new input for the model, with a batch of one picture. With a variable batch the graph would compute shapes.

    This also resets the numbers that Keras appends to the names of layers. The names get into the file, and the same
    model must always give the same bytes.
    """
    keras.utils.clear_session()
    return keras.Input(batch_shape=(1, *model.input_shape[1:]), dtype=dtype)


@contextmanager
def converting() -> Iterator[None]:
    """Silences TensorFlow's converter inside a `with` block. Raises UserError, with one sentence, if it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter warns about arguments that it passes itself
        failed: Exception | None = None
        with quiet():
            try:
                yield
            except Exception as error:  # caught inside quiet(), so that the compiler's long output isn't shown
                failed = error
    if failed:
        raise UserError(_untranslated(failed)) from failed


def _untranslated(error: Exception) -> str:
    """A sentence that says which operation the converter couldn't translate, or why it failed otherwise."""
    names = dict.fromkeys(re.findall(r"'(tf\.\w+)' op|for op: '(\w+)'", str(error)))
    if names:
        what = ", ".join("".join(name) for name in names)
        return f"The model has an operation that can't be converted to TFLite ({what}); build it from other operations."
    return f"The model can't be converted to TFLite: {reason(error)}."


def _batches(calibration: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Batches of one picture each, float32 [1, size, size, 3], in the form that the converter expects."""
    for i, picture in enumerate(calibration):
        batch = picture[None].astype(np.float32)
        if i == 0:
            # With one black and one white pixel, the range of the input is exactly 0 to 255. The scale is then 1, and
            # raw bytes need no rounding.
            batch[0, 0, 0], batch[0, 0, 1] = 0, 255
        yield [batch]


def emitted(graph: bytes) -> Quantization:
    """The kind of a flatbuffer, and the types of its tensors and operators, read back from its bytes.

    - "int8": no tensor is float.
    - "float32": all tensors are float32, except for integers such as the input and shapes.
    - "float16": constants are float16, and everything is computed in float32.
    - "dynamic": constants are int8, and everything is computed in float32.
    - "mixed": anything else.
    """
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    tensors: Counter[str] = Counter()
    computed: set[str] = set()
    operators: Counter[str] = Counter()
    for subgraph in model.subgraphs:
        names = [type_of(tensor) for tensor in subgraph.tensors]
        tensors.update(names)
        computed.update(names[i] for operator in subgraph.operators for i in operator.outputs)
        operators.update(operator_name(model, operator) for operator in subgraph.operators)
    floats = {name for name in tensors if name.startswith(_FLOATS)}
    in_floats = "int8" not in computed and "float32" in computed
    pure = {
        "int8": "int8" in tensors and not floats,
        "float32": floats == {"float32"} and "int8" not in tensors,
        "float16": floats == {"float32", "float16"} and "int8" not in tensors,
        "dynamic": floats == {"float32"} and "int8" in tensors and in_floats,
    }
    kind = next((name for name, holds in pure.items() if holds), "mixed")
    return Quantization(kind, dict(sorted(tensors.items())), dict(sorted(operators.items())))


def floating(graph: bytes) -> list[str]:
    """The names of the operators with float outputs, sorted; DEQUANTIZE is left out."""
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    return sorted(
        {
            operator_name(model, operator)
            for subgraph in model.subgraphs
            for operator in subgraph.operators
            if any(type_of(subgraph.tensors[i]).startswith(_FLOATS) for i in operator.outputs)
        }
        - {"DEQUANTIZE"}
    )


def type_of(tensor: schema.TensorT) -> str:
    """The type of a tensor's values, such as "int8" or "float32"."""
    return _TYPES[tensor.type]
