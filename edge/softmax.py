"""The last step of an int8 classifier, made the same to the byte on every machine.

LiteRT's int8 SOFTMAX is one implementation on 64-bit ARM and another one elsewhere: of 65,536 random logits of three
classes 108 to 393 came out a level of 256 apart. What goes into it is the same everywhere, so it is done here.
"""

from typing import Any

import numpy as np


class Softmax:
    """Of an interpreter whose graph ends in SOFTMAX over int8, or that and QUANTIZE: reads what goes into it."""

    def __init__(self, interpreter: Any, index: int, scale: float) -> None:
        self._interpreter, self._index, self._scale = interpreter, index, scale

    def answer(self) -> np.ndarray:
        """After invoke(): probabilities in 1/256, uint8 of the output's shape without its batch."""
        logits = self._interpreter.get_tensor(self._index)[0].astype(np.float64) * self._scale
        shares = np.exp(logits - logits.max())
        return np.minimum(np.floor(256 * shares / shares.sum() + 0.5), 255).astype(np.uint8)


def softmax(interpreter: Any) -> Softmax | None:
    """The end of an interpreter's graph, its tensors allocated; None where it ends otherwise, or is float."""
    if not hasattr(interpreter, "_get_ops_details"):
        return None
    after = {int(op["inputs"][0]): op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"}
    before = {int(op["outputs"][0]): at for at, op in after.items()}
    output = interpreter.get_output_details()[0]
    at, passed = int(output["index"]), []
    for name in ("QUANTIZE", "SOFTMAX"):
        if at in before and after[before[at]]["op_name"] == name:
            passed.append(at)
            at = before[at]
    details = {int(tensor["index"]): tensor for tensor in interpreter.get_tensor_details()}
    if (
        not passed
        or after[at]["op_name"] != "SOFTMAX"
        or details[at]["dtype"] != np.int8
        or output["dtype"] != np.uint8
        or output["quantization"] != (1 / 256, 0)
    ):
        return None
    places = [interpreter.tensor(i)() for i in (at, *passed)]
    if any(np.may_share_memory(places[0], later) for later in places[1:]):  # overwritten before it can be read
        return None
    return Softmax(interpreter, at, float(details[at]["quantization"][0]))
