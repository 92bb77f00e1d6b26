"""The last step of an int8 classifier, made the same to the byte on every machine.

LiteRT's int8 SOFTMAX is one implementation on 64-bit ARM and another one elsewhere: of 65,536 random logits of three
classes 108 to 393 came out a level of 256 apart. What goes into it is the same everywhere, so it is done here.
"""

from typing import Any

import numpy as np


class Softmax:
    """Of an interpreter one of whose outputs ends in SOFTMAX over int8, or that and QUANTIZE: reads what goes into it.

    output: which of the interpreter's outputs that is, as get_output_details() counts them.
    """

    def __init__(self, interpreter: Any, output: int, index: int, scale: float) -> None:
        self.output = output
        self._interpreter, self._index, self._scale = interpreter, index, scale

    def answer(self) -> np.ndarray:
        """After invoke(): probabilities in 1/256, uint8 of the output's shape without its batch."""
        logits = self._interpreter.get_tensor(self._index)[0].astype(np.float64) * self._scale
        shares = np.exp(logits - logits.max())
        return np.minimum(np.floor(256 * shares / shares.sum() + 0.5), 255).astype(np.uint8)


def softmax(interpreter: Any) -> Softmax | None:
    """The first output that ends so, the interpreter's tensors allocated; None where none does, or they are floats.

    Of a file with three outputs, which `convert` makes, the third are the logits. In other files they are looked up in
    the graph, and may have been overwritten by the time that they could be read: then None as well.
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
        if op["op_name"] != "DELEGATE"  # which stands for others that are in the list, too
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
            if not any(np.may_share_memory(places[0], later) for later in places[1:]):  # else overwritten by then
                return Softmax(interpreter, number, at, float(details[at]["quantization"][0]))
    return None
