"""What the networks may cost on a Raspberry Pi, estimated from a published figure of the same kind of network.

Nothing here was measured on a Raspberry Pi by this project. Only the networks are estimated: reading a picture, finding
red cells and cropping take more time than they do.

XNNPACK, which runs these networks, took 17 ms for an int8 MobileNetV2 on the four cores of a Raspberry Pi 4 (64 bit).
These networks are made of the same layers, but are smaller, and smaller layers use a core less well. One core of four
does at least a quarter of the work, so the estimate for one core is rather too long.

Sources: github.com/google/XNNPACK, README, "Raspberry Pi", measured on 2022-02-08. Sandler et al., "MobileNetV2", CVPR
2018, table 4: 300 million multiply-adds. raspberrypi.com on the Raspberry Pi 5: 2 to 3 times the speed of a Pi 4.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from convert.operators import operator_name
from edge.model import File
from edge.output.tables import Table

MOBILENET = 300.0, 17.0  # million multiply-adds, and milliseconds on a Raspberry Pi 4
CORES = 4
FASTER = 2, 3  # times a Raspberry Pi 4: a Raspberry Pi 5
# The axes of an operator's weights that are summed over for each number of its output.
_SUMMED = {"CONV_2D": slice(1, 4), "DEPTHWISE_CONV_2D": slice(1, 3), "FULLY_CONNECTED": slice(1, 2)}


def multiply_adds(content: bytes) -> dict[str, int]:
    """How many multiplications, each with an addition, each graph of a TFLite file makes for one input, by its name.

    A locator has one graph for each number of rows that a field may have, see convert/field_shapes.py.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    totals: dict[str, int] = {}
    for graph in model.subgraphs:
        total = 0
        for each in graph.operators:
            name = operator_name(model, each)
            if name in _SUMMED:
                weights, out = graph.tensors[each.inputs[1]].shape, graph.tensors[each.outputs[0]].shape
                total += math.prod(out) * math.prod(weights[_SUMMED[name]])
        totals[(graph.name or b"").decode()] = total
    return totals


def table(files: Sequence[Path]) -> str:
    """The estimate for each model file, as text for a terminal. Raises UserError if one isn't a model file."""
    rows = []
    for path in files:
        File(path)  # refuses what isn't one
        for number, (name, count) in enumerate(multiply_adds(path.read_bytes()).items()):
            millions = count / 1e6
            one = CORES * millions * MOBILENET[1] / MOBILENET[0]
            slow, fast = (one / times for times in FASTER)
            title = f"{path.stem}, {name}" if number else path.stem
            rows.append([title, f"{millions:.1f}", f"{one:.0f}", f"{fast:.0f} to {slow:.0f}"])
    heads = ["estimated, not measured", "million multiply-adds", "ms on one core of a Pi 4", "of a Pi 5"]
    return Table(heads, rows).text()
