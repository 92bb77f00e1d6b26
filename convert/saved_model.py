"""Reads a TensorFlow SavedModel as a Keras model, if what it computes can do no harm.

A SavedModel may hold any program, also one that reads or writes files. So before TensorFlow loads it, its file is
parsed, and every operation that loading or answering would run must be one of a list: those of networks.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
from google.protobuf.message import DecodeError

from edge.errors import UserError

_SIGNATURE = "serving_default"  # the name that Keras and TensorFlow give to the function for answers
_OPERATIONS = (
    "Abs Add AddN AddV2 AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd BroadcastTo Cast Clip ClipByValue "
    "Concat ConcatV2 Const Conv2D DepthToSpace DepthwiseConv2dNative DisableCopyOnRead Einsum Elu Erf Exp "
    "ExpandDims Fill FusedBatchNorm FusedBatchNormV3 Identity IdentityN LeakyRelu Log LogSoftmax MatMul Max MaxPool "
    "Maximum Mean MirrorPad Minimum Mul Neg NoOp Pack Pad PadV2 PartitionedCall Placeholder Pow Prod ReadVariableOp "
    "RealDiv Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor Rsqrt Select SelectV2 Selu Shape Sigmoid Slice "
    "Softmax Softplus Softsign SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze "
    "StatefulPartitionedCall StopGradient StridedSlice Sub Sum Tanh Tile Transpose Unpack ZerosLike"
)
_HARMLESS = {"user_object", "function", "bare_concrete_function", "variable", "constant", "captured_tensor"}
_WAY = "load it where it was made, and save it as one file, with model.save('mine.keras') or, in Keras 2, 'mine.h5'"


def is_saved_model(folder: Path) -> bool:
    """Whether a folder holds a SavedModel."""
    return (folder / "saved_model.pb").is_file()


def load(folder: Path) -> keras.Model:
    """The network of a SavedModel.

    Raises:
        UserError: if it can't be read, or if it could do anything but compute an answer.
    """
    inputs = _checked(folder)
    try:
        layer = keras.layers.TFSMLayer(str(folder), call_endpoint=_SIGNATURE)
        picture = keras.Input(inputs)
        answers = layer(picture)
        outputs = list(answers.values()) if isinstance(answers, dict) else answers
        return keras.Model(picture, outputs, name=layer.name)
    except Exception as error:  # TensorFlow raises many types of exception
        raise UserError(f"{folder} is a TensorFlow SavedModel that can't be loaded; {_WAY}.") from error


def _checked(folder: Path) -> tuple[int | None, ...]:
    """The shape of the input, without the batch. Raises UserError for a file that isn't safe to load."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    found = SavedModel()
    if (folder / "saved_model.cpb").exists():  # TensorFlow would load this one
        raise UserError(f"{folder} is a TensorFlow SavedModel in several files; {_WAY}.")
    try:
        found.ParseFromString((folder / "saved_model.pb").read_bytes())
        [graph] = found.meta_graphs  # of several, TensorFlow would run code at loading
        signature = graph.signature_def.get(_SIGNATURE)
    except (DecodeError, ValueError) as error:
        raise UserError(f"{folder} is a damaged TensorFlow SavedModel; {_WAY}.") from error
    if signature is None or len(signature.inputs) != 1:
        raise UserError(f"{folder} is a TensorFlow SavedModel without a network that takes one picture; {_WAY}.")
    if strange := sorted(_strange(graph)):
        raise UserError(
            f"{folder} is a TensorFlow SavedModel that may do more than compute an answer ({', '.join(strange[:3])}), "
            f"so it isn't opened; {_WAY}."
        )
    [shape] = [each.tensor_shape for each in signature.inputs.values()]
    return tuple(size.size if size.size > 0 else None for size in shape.dim[1:])


def _strange(graph: Any) -> set[str]:
    """What loading a SavedModel, or asking it for an answer, would run besides the operations of a network.

    graph: a MetaGraphDef. TensorFlow restores variables by code of its own, and runs further code at loading only for
    the kinds of objects that are missing in _HARMLESS. So only functions that the answer calls are looked at.
    """
    functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    objects = graph.object_graph_def.nodes
    strange = {str(each.WhichOneof("kind")) for each in objects} - _HARMLESS
    strange |= {"a saver of its own" for each in objects if each.saveable_objects or each.registered_saver}
    wanted = _answering(objects)
    if graph.asset_file_def or not wanted:
        return strange | {"assets" if wanted else "a graph of TensorFlow 1"}
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            strange |= {each.op for each in functions[name]} - set(_OPERATIONS.split()) if name in functions else {name}
            wanted += _called(functions.get(name, ()))
    return strange


def _answering(objects: Sequence[Any]) -> list[str]:
    """The names of the functions that TensorFlow calls for an answer."""

    def child(node: Any, name: str) -> Any:
        return next((objects[each.node_id] for each in node.children if each.local_name == name), None)

    signatures = child(objects[0], "signatures") if len(objects) else None
    answer = child(signatures, _SIGNATURE) if signatures else None
    if answer is None:
        return []
    return [*answer.function.concrete_functions, *filter(None, [answer.bare_concrete_function.concrete_function_name])]


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    """The functions that some operations call."""
    for node in nodes:
        for value in node.attr.values():
            yield from [value.func.name] if value.HasField("func") else [each.name for each in value.list.func]
