"""Packs a TFLite graph into the bytes of its flatbuffer. This file imports no TensorFlow, as convert/operators.py."""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER = b"TFL3"
_SIZE = 1 << 18  # bytes that are reserved at first; more are added where they are needed


def packed(model: schema.ModelT) -> bytes:
    """The flatbuffer of a model. `schema.ModelT.InitFromPackedBuf` is the inverse."""
    builder = flatbuffers.Builder(_SIZE)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())
