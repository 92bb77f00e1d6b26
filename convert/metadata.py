"""Standard TFLite metadata: tells other programs that read .tflite files (MediaPipe, Netron) what goes in and out.

The field numbers are those of TFLite's metadata_schema.fbs. Python classes for this schema came with the package
tflite-support, which is no longer maintained. Only a small part of the schema is needed, so it is written directly.
"""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from convert.flatbuffer import packed

_TENSOR_AXIS_LABELS = 2  # a value of the schema's AssociatedFileType
_FEATURE, _IMAGE = 1, 2  # values of its ContentProperties
_RGB = 1  # a value of its ColorSpaceType
_NORMALIZATION = 1  # a value of its ProcessUnitOptions
# Names and descriptions of the outputs after the probabilities.
_MORE = (
    ("features", "Input of the last layer, by which a cell is compared with the training cells."),
    ("logits", "Output of the last layer, before the softmax that makes probabilities of it."),
)


def attach(graph: bytes, *, name: str, description: str, version: str, licence: str, size: int) -> bytes:
    """Adds metadata to a flatbuffer.

    Args:
        graph: the flatbuffer.
        name: the model's name.
        description: what the model does, in a sentence or two.
        version: version of the code that made the model.
        licence: the model's licence.
        size: width and height of the input, in pixels.

    The metadata refers to labels.txt. That file must be in the zip archive that is appended to the flatbuffer.
    """
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
        tensor.name = tensor.name.split(b";")[0]  # a fused tensor has a list of names; the first one is enough
    buffer, entry = schema.BufferT(), schema.MetadataT()
    outputs = len(model.subgraphs[0].outputs)
    buffer.data = list(_metadata(name, description, version, licence, size, outputs))
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [m for m in model.metadata or [] if m.name != b"TFLITE_METADATA"] + [entry]
    return packed(model)


def _metadata(name: str, description: str, version: str, licence: str, size: int, outputs: int) -> bytes:
    """The metadata as a flatbuffer. outputs: how many outputs the model has, 1 to 3; the rest as in `attach`."""
    b = flatbuffers.Builder(1024)
    labels = _table(b, {0: b.CreateString("labels.txt"), 2: (b.PrependInt8Slot, _TENSOR_AXIS_LABELS)})
    image_size = _table(b, {0: (b.PrependUint32Slot, size), 1: (b.PrependUint32Slot, size)})
    image = _table(b, {0: (b.PrependInt8Slot, _RGB), 1: image_size})
    image_content = _table(b, {0: (b.PrependUint8Slot, _IMAGE), 1: image})
    # Mean 0 and standard deviation 1 mean: give the model the bytes unchanged.
    normalization = _table(b, {0: _floats(b, [0.0]), 1: _floats(b, [1.0])})
    unit = _table(b, {0: (b.PrependUint8Slot, _NORMALIZATION), 1: normalization})
    picture = _table(
        b,
        {
            0: b.CreateString("image"),
            1: b.CreateString("RGB picture of one cell, 0 to 255; scaling is in the graph."),
            3: image_content,
            4: _offsets(b, [unit]),
        },
    )
    feature_content = _table(b, {0: (b.PrependUint8Slot, _FEATURE), 1: _table(b, {})})
    probabilities = _table(
        b,
        {
            0: b.CreateString("probability"),
            1: b.CreateString("One probability per label."),
            3: feature_content,
            6: _offsets(b, [labels]),
        },
    )
    tensors = [probabilities]
    for name, meaning in _MORE[: outputs - 1]:
        text = b.CreateString(meaning)
        tensors.append(_table(b, {0: b.CreateString(name), 1: text, 3: feature_content}))
    subgraph = _table(b, {2: _offsets(b, [picture]), 3: _offsets(b, tensors)})
    root = _table(
        b,
        {
            0: b.CreateString(name),
            1: b.CreateString(description),
            2: b.CreateString(version),
            3: _offsets(b, [subgraph]),
            5: b.CreateString(licence),
            7: b.CreateString("1.0.0"),
        },
    )
    b.Finish(root, b"M001")
    return bytes(b.Output())


def _table(b: flatbuffers.Builder, fields: dict) -> int:
    """Writes a table and returns its offset.

    fields: by field number, the offset of the value or, for a scalar, (method that adds it, value).
    """
    b.StartObject(max(fields, default=-1) + 1)
    for number, value in fields.items():
        if isinstance(value, tuple):
            value[0](number, value[1], 0)
        else:
            b.PrependUOffsetTRelativeSlot(number, value, 0)
    return b.EndObject()


def _offsets(b: flatbuffers.Builder, items: list[int]) -> int:
    """Writes a vector of offsets and returns the vector's offset."""
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return b.EndVector()


def _floats(b: flatbuffers.Builder, items: list[float]) -> int:
    """Writes a vector of floats and returns the vector's offset."""
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependFloat32(item)
    return b.EndVector()
