"""The last step of an int8 classifier, computed so that every machine gives the same bytes.

LiteRT's int8 SOFTMAX has one implementation on 64-bit ARM and another one elsewhere. For 65,536 random logits of three
classes, 108 to 393 results differed by one level of 256. The input of SOFTMAX is the same everywhere, so this module
computes the softmax from it.
"""

from typing import Any

import numpy as np


class Softmax:
    """Replaces an output of a graph that comes from an int8 SOFTMAX, with or without a QUANTIZE after it.

    It reads the logits, which are the input of that SOFTMAX.

    Attributes:
        output: index of the replaced output in the interpreter's get_output_details().
    """

    def __init__(self, interpreter: Any, output: int, index: int, scale: float) -> None:
        self.output = output
        self._interpreter, self._index, self._scale = interpreter, index, scale

    def answer(self) -> np.ndarray:
        """After invoke(): the probabilities in 1/256, uint8 in the shape of the output for one picture."""
        logits = self._interpreter.get_tensor(self._index)[0].astype(np.float64) * self._scale
        shares = np.exp(logits - logits.max())
        return np.minimum(np.floor(256 * shares / shares.sum() + 0.5), 255).astype(np.uint8)


def softmax(interpreter: Any) -> Softmax | None:
    """Finds the first output that comes from an int8 SOFTMAX; None if there is none. The tensors must be allocated.

    `convert` makes files with three outputs, and the third output is the logits. In other files, the logits are
    searched for in the graph. A later tensor may share their memory and overwrite them; then the result is None, too.
    """
    outputs = interpreter.get_output_details()
    if len(outputs) == 3:
        logits = outputs[2]
        return (
            Softmax(interpreter, 0, int(logits["index"]), logits["quantization"][0])
            if outputs[0]["dtype"] == np.uint8
            else None
        )
    if not hasattr(interpreter, "_get_ops_details"):
        return None
    makers = {
        int(tensor): op
        for op in interpreter._get_ops_details()
        if op["op_name"] != "DELEGATE"  # it stands for operators that the list holds as well
        for tensor in op["outputs"]
    }
    details = {int(tensor["index"]): tensor for tensor in interpreter.get_tensor_details()}
    for number, output in enumerate(interpreter.get_output_details()):
        at, passed = int(output["index"]), []
        for name in ("QUANTIZE", "SOFTMAX"):
            if at in makers and makers[at]["op_name"] == name:
                passed.append(at)
                at = int(makers[at]["inputs"][0])
        if (
            passed
            and makers[passed[-1]]["op_name"] == "SOFTMAX"
            and details[at]["dtype"] == np.int8
            and output["dtype"] == np.uint8
            and output["quantization"] == (1 / 256, 0)
        ):
            places = [interpreter.tensor(i)() for i in (at, *passed)]
            if not any(np.may_share_memory(places[0], later) for later in places[1:]):  # else they are overwritten
                return Softmax(interpreter, number, at, float(details[at]["quantization"][0]))
    return None
