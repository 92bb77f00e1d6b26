"""Adds graphs for fields that aren't square to a locator's flatbuffer.

The network is fully convolutional, but a TFLite graph is made for one size. In the square, a field of 4:3 leaves a
quarter of the rows empty. So the flatbuffer gets one more subgraph for each of ROWS, with a signature that is named
by `edge.locate.signature`. They share the weights of the first subgraph, and each adds 30 kB for its tensors.

These subgraphs are faster in three more ways, none of which changes a value:

- They take int8, the levels less 128. The runtime's QUANTIZE from uint8 took a quarter of the network's time.
- Marks and codes of the diameter are two outputs, not one. So nothing concatenates them.
- One SPACE_TO_DEPTH replaces the RESHAPE, TRANSPOSE and RESHAPE that put blocks of 4 x 4 pixels into channels.
"""

import copy
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.flatbuffer import packed
from convert.operators import operator_name
from edge.locate import CODES, FIELD, MARKS, signature

ROWS = (192, 224, 256, 320)  # divisible by 32; for fields of 16:9, 16:10, 4:3, and for the square
_BLOCKS = ["RESHAPE", "TRANSPOSE", "RESHAPE"]
_RESIZED = "RESIZE_BILINEAR"


def added(graph: bytes) -> bytes:
    """The flatbuffer with a subgraph for each of ROWS; unchanged if it has them, or if it isn't built as expected."""
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    if len(model.subgraphs) > 1 or not _expected(model):
        return graph
    square = model.subgraphs[0]
    signatures = list(model.signatureDefs or [])
    for rows in ROWS:
        model.subgraphs.append(_subgraph(model, square, rows / ROWS[-1], signature(rows)))
        signatures.append(_signature(model, len(model.subgraphs) - 1))
    model.signatureDefs = signatures
    return packed(model)


def _names(model: schema.ModelT, operators: Sequence[schema.OperatorT]) -> list[str]:
    return [operator_name(model, operator) for operator in operators]


def _expected(model: schema.ModelT) -> bool:
    """Whether it is an int8 locator: QUANTIZE at both ends, two outputs joined, and no shape that isn't known here."""
    graph = model.subgraphs[0]
    names = _names(model, graph.operators)
    if names[:1] != ["QUANTIZE"] or names[-2:] != ["CONCATENATION", "QUANTIZE"]:
        return False
    if graph.tensors[graph.inputs[0]].shape[1] != ROWS[-1]:
        return False
    rest = graph.operators[4 if names[1:4] == _BLOCKS else 1 :]
    known = all(len(graph.tensors[i].shape) == 4 for operator in rest for i in operator.outputs)
    return known and all(_shifts(graph, operator) for operator in (graph.operators[0], graph.operators[-1]))


def _shifts(graph: schema.SubGraphT, quantize: schema.OperatorT) -> bool:
    """Whether a QUANTIZE between uint8 and int8 only adds or subtracts 128."""
    before, after = (graph.tensors[i[0]].quantization for i in (quantize.inputs, quantize.outputs))
    return bool(before.scale == after.scale and abs(before.zeroPoint - after.zeroPoint) == 128)


def _subgraph(model: schema.ModelT, square: schema.SubGraphT, share: float, name: str) -> schema.SubGraphT:
    """A copy of the square graph without its ends, for fields with fewer rows. share: of the square's rows."""
    graph = copy.deepcopy(square)
    graph.name = name.encode()
    first, *operators, joined, _ = graph.operators
    graph.inputs, graph.outputs = first.outputs, joined.inputs
    if _names(model, operators[:3]) == _BLOCKS:
        operators[:3] = [_space_to_depth(model, graph, first.outputs[0], operators[2].outputs[0])]
    graph.operators = operators
    # Two operators may share the tensor that holds their size.
    for i in {int(each.inputs[1]) for each in operators if operator_name(model, each) == _RESIZED}:
        rows, columns = np.frombuffer(bytes(model.buffers[graph.tensors[i].buffer].data), np.int32)
        graph.tensors[i].buffer = _buffer(model, np.array([round(rows * share), columns], np.int32))
    for i in {*graph.inputs.tolist(), *(int(i) for operator in operators for i in operator.outputs)}:
        batch, rows, *rest = graph.tensors[i].shape
        graph.tensors[i].shape = np.array([batch, round(rows * share), *rest], np.int32)
    return _without_unused(graph)


def _space_to_depth(model: schema.ModelT, graph: schema.SubGraphT, before: int, after: int) -> schema.OperatorT:
    code = schema.BuiltinOperator.SPACE_TO_DEPTH
    if all(each.builtinCode != code for each in model.operatorCodes):
        # Version 2 is the first that takes int8.
        model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=code, version=2, builtinCode=code))
    block = int(graph.tensors[before].shape[1] // graph.tensors[after].shape[1])
    return schema.OperatorT(
        opcodeIndex=[each.builtinCode for each in model.operatorCodes].index(code),
        inputs=np.array([before], np.int32),
        outputs=np.array([after], np.int32),
        builtinOptionsType=schema.BuiltinOptions.SpaceToDepthOptions,
        builtinOptions=schema.SpaceToDepthOptionsT(blockSize=block),
    )


def _buffer(model: schema.ModelT, values: np.ndarray) -> int:
    """The index of a new buffer with these values."""
    model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    return len(model.buffers) - 1


def _without_unused(graph: schema.SubGraphT) -> schema.SubGraphT:
    """The graph without the tensors that no operator uses, the others renumbered."""
    used = {int(i) for operator in graph.operators for i in (*operator.inputs, *operator.outputs) if i >= 0}
    number = {old: new for new, old in enumerate(sorted(used))} | {-1: -1}
    graph.tensors = [graph.tensors[i] for i in sorted(used)]
    for holder in (*graph.operators, graph):
        holder.inputs = np.array([number[int(i)] for i in holder.inputs], np.int32)
        holder.outputs = np.array([number[int(i)] for i in holder.outputs], np.int32)
    return graph


def _signature(model: schema.ModelT, subgraph: int) -> schema.SignatureDefT:
    graph = model.subgraphs[subgraph]
    marks, codes = graph.outputs.tolist()
    return schema.SignatureDefT(
        signatureKey=graph.name,
        subgraphIndex=subgraph,
        inputs=[schema.TensorMapT(name=FIELD.encode(), tensorIndex=int(graph.inputs[0]))],
        outputs=[
            schema.TensorMapT(name=MARKS.encode(), tensorIndex=marks),
            schema.TensorMapT(name=CODES.encode(), tensorIndex=codes),
        ],
    )
