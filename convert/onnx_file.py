"""Writes a float network as ONNX, and proves with ONNX Runtime that it answers like the Keras model."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convert import gate, quantize
from convert.candidate import Validation
from convert.run import Options, converted_to, final_contract
from convert.source import Source
from edge import __version__
from edge import contract as contracts
from edge.contract import Contract, Quantization
from edge.errors import UserError, reason
from edge.system.progress import Progress, silent
from edge.system.quiet import quiet
from train import report as reports
from train import run as runs

# A probability of ONNX Runtime may differ by so much from Keras's. They sum in another order: the shipped networks
# differ by less than 1e-6.
LARGEST = 1e-4
_OPSET = 18  # ONNX Runtime 1.14 (2023) and later read it
_OUTPUTS = ("probabilities", "features", "logits")


@dataclass(frozen=True)
class Result:
    """A network as ONNX, compared with the Keras model on the val split.

    Attributes:
        path: the file; None if it answers otherwise and wasn't written.
        bytes: its size.
        pictures: how many were answered.
        difference: the largest of a probability, 0 to 1.
        same: for how many pictures the likeliest kind is the same.
    """

    path: Path | None
    bytes: int
    pictures: int
    difference: float
    same: int


def convert(source: Source, out: Path, options: Options, progress: Progress = silent) -> Result:
    """Writes OUT/NETWORK-float32.onnx, if it answers the val split like the Keras model.

    Its input and outputs are those of the float32 .tflite file. The metadata holds "labels" (a line for each kind),
    "contract" (that of the float32 .tflite file, as JSON) and "compared" (this result, as JSON).

    Args:
        source: the model and its data set.
        out: folder for the new file.
        options: the limits for the float32 .tflite file that the contract comes from.
        progress: see edge.system.progress.

    Raises:
        UserError: if a library is missing, the model can't be converted, or `out` can't be written.
    """
    _need_libraries()
    reports.write(out, {})  # if the folder can't be made, the user should know before the work begins
    validation = Validation(source, options.limits, progress)
    content = graph(source.model)
    crops = validation.val.crops
    expected, found = runs.predict(source.model, crops), answers(content, crops, progress)
    difference = float(np.abs(found - expected).max(initial=0.0))
    alike = int((found.argmax(axis=1) == expected.argmax(axis=1)).sum())
    result = Result(None, len(content), len(crops), difference, alike)
    if not difference <= LARGEST:
        return result
    made = converted_to(validation, "float32", options, progress)
    if not made.candidate.passed:
        why = gate.sentence(made.candidate.verdict)
        raise gate.NotProven(f"The float32 .tflite file has no contract to take over: {why}")
    contract, _ = final_contract(validation, made)
    path = out / f"{contract.network}-float32.onnx"
    content = _described(content, contract, result)
    reports.write(out, {path.name: content})
    return replace(result, path=path, bytes=len(content))


def graph(model: keras.Model) -> bytes:
    """A network as ONNX that takes uint8 RGB [1, size, size, 3].

    Raises:
        UserError: if an operation has no counterpart in ONNX.
    """
    import onnx
    import tf2onnx

    network = quantize.raw(model)
    signature = [tf.TensorSpec(network.input_shape, tf.uint8, name="image")]
    failed: Exception | None = None
    with quiet():
        try:
            found, _ = tf2onnx.convert.from_function(tf.function(network, signature), signature, opset=_OPSET)
        except Exception as error:  # tf2onnx raises many types of exception; outside quiet() it can be shown
            failed = error
    if failed:
        raise UserError(f"The model can't be converted to ONNX: {reason(failed)}.") from failed
    names = {output.name: name for output, name in zip(found.graph.output, _OUTPUTS, strict=False)}
    for node in found.graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(name, name) for name in places]
    for output in found.graph.output:
        output.name = names[output.name]
    onnx.checker.check_model(found)
    return bytes(found.SerializeToString())


def answers(content: bytes, crops: np.ndarray, progress: Progress = silent) -> np.ndarray:
    """ONNX Runtime's answers to pictures, float32 [n, kinds]. crops: uint8 [n, size, size, 3]."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    result = []
    for number, crop in enumerate(crops):
        progress("Answering pictures", number, len(crops))
        result.append(session.run(_OUTPUTS[:1], {"image": crop[None]})[0][0])
    progress("Answering pictures", len(crops), len(crops))
    return np.array(result, np.float32).reshape(len(crops), -1)


def _described(content: bytes, contract: Contract, result: Result) -> bytes:
    """The file with its metadata."""
    import onnx

    model = onnx.load_model_from_string(content)
    model.producer_name, model.producer_version = "edge-classify convert", __version__
    model.doc_string = f"{' or '.join(contract.labels)}. Not a medical device."
    # What this file isn't: the hash and the tensors of a flatbuffer.
    contract = replace(contract, graph_sha256="", quantization=Quantization("float32"))
    compared: dict[str, Any] = {"with": "Keras, on val", "pictures": result.pictures}
    compared |= {"largest_difference": result.difference, "same_answer": result.same}
    onnx.helper.set_model_props(
        model,
        {
            "labels": "\n".join(contract.kinds or contract.labels),
            "contract": json.dumps(contracts.write(contract)),
            "compared": json.dumps(compared),
        },
    )
    return bytes(model.SerializeToString())


def _need_libraries() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError:
        raise UserError("ONNX needs more libraries: pip install 'edge-classify[onnx]'.") from None
