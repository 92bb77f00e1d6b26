"""Standard TFLite metadata, which tells other readers of .tflite files (MediaPipe, Netron) what goes in and out.

Field numbers are those of TFLite's metadata_schema.fbs. Its generated Python classes came with tflite-support, which
is no longer maintained; only a small part of them is needed here.
"""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_FEATURE, _IMAGE = 1, 2  # ContentProperties
_RGB = 1  # ColorSpaceType
_NORMALIZATION = 1  # ProcessUnitOptions
_MORE = (("features", "What the last layer tells the labels by."), ("logits", "What the probabilities are made of."))


def attach(graph: bytes, *, name: str, description: str, version: str, licence: str, size: int) -> bytes:
    """The flatbuffer with metadata in it.

    Args:
        graph: flatbuffer.
        name: of the model.
        description: of the model, a sentence or two.
        version: of the code that made it.
        licence: of the model.
        size: width and height of the input, in pixels.

    The metadata refers to labels.txt, which must stand in the archive behind the flatbuffer.
    """
    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
        tensor.name = tensor.name.split(b";")[0]  # a fused tensor has many names; the first says enough
    buffer, entry = schema.BufferT(), schema.MetadataT()
    outputs = len(model.subgraphs[0].outputs)
    buffer.data = list(_metadata(name, description, version, licence, size, outputs))
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [m for m in model.metadata or [] if m.name != b"TFLITE_METADATA"] + [entry]
    builder = flatbuffers.Builder(len(graph) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _metadata(name: str, description: str, version: str, licence: str, size: int, outputs: int) -> bytes:
    """The metadata's own flatbuffer. outputs: how many the model has, 1 to 3; other arguments as for `attach`."""
    b = flatbuffers.Builder(1024)
    labels = _table(b, {0: b.CreateString("labels.txt"), 2: (b.PrependInt8Slot, _TENSOR_AXIS_LABELS)})
    image_size = _table(b, {0: (b.PrependUint32Slot, size), 1: (b.PrependUint32Slot, size)})
    image = _table(b, {0: (b.PrependInt8Slot, _RGB), 1: image_size})
    image_content = _table(b, {0: (b.PrependUint8Slot, _IMAGE), 1: image})
    # Mean 0 and standard deviation 1: the bytes go in unchanged.
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
            1: b.CreateString("One probability a label."),
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
    """Writes a table and returns its offset. fields: by number an offset, or (method that adds a scalar, value)."""
    b.StartObject(max(fields, default=-1) + 1)
    for number, value in fields.items():
        if isinstance(value, tuple):
            value[0](number, value[1], 0)
        else:
            b.PrependUOffsetTRelativeSlot(number, value, 0)
    return b.EndObject()


def _offsets(b: flatbuffers.Builder, items: list[int]) -> int:
    """Writes a vector of offsets and returns its own."""
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return b.EndVector()


def _floats(b: flatbuffers.Builder, items: list[float]) -> int:
    """Writes a vector of floats and returns its offset."""
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependFloat32(item)
    return b.EndVector()
