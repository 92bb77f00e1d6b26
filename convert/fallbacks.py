"""Ways to repair a network that loses too much accuracy in int8. The gate decides whether a repair is enough."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import keras
import numpy as np

from convert import activation_ranges, layer_errors, qat, quantize
from convert.equalize import equalized
from convert.layer_errors import Layer
from edge.errors import UserError
from edge.system.progress import Progress, silent


@dataclass(frozen=True)
class Calibrated:
    """A network that was calibrated for int8.

    Attributes:
        graph: a flatbuffer from quantize.calibrate, with the ranges of `method`.
        method: how ranges are chosen, one of activation_ranges.METHODS.
        pictures: the pictures from which they were chosen, uint8 [n, size, size, 3].
    """

    graph: bytes
    method: str
    pictures: np.ndarray


@dataclass(frozen=True)
class Fallback:
    """One repair, done or skipped.

    Attributes:
        what: the repair in words.
        graph: the repaired flatbuffer; empty if the repair was skipped.
        skipped: why it was skipped; empty if it was done.
    """

    what: str
    graph: bytes = b""
    skipped: str = ""


def fallbacks(
    model: keras.Model,
    calibrated: Calibrated,
    worst: Sequence[Layer],
    training: Callable[[], np.ndarray],
    progress: Progress = silent,
) -> Iterator[Fallback]:
    """Repairs the network in several ways, the cheapest first.

    Args:
        model: the float network.
        calibrated: the same network, calibrated for int8, which failed the gate.
        worst: the layers that add an error, the worst first, as layer_errors.errors returns them.
        training: returns pictures to train on, uint8 [n, size, size, 3].
        progress: see edge.system.progress.

    Yields:
        1. Channels scaled to similar ranges across layers. This costs nothing, and the file stays int8.
        2. Training with int8's rounding. This costs minutes during the conversion, and nothing on the device.
        3. Int8 for the weights only. This costs a little time on the device, and no size.
        4. The worst 1, 2, 4, … layers in float, with the layers that read their output. This costs time and size.
    """

    def in_int8(changed: keras.Model) -> bytes:
        graph = quantize.calibrate(changed, calibrated.pictures)
        return quantize.integer(
            activation_ranges.narrowed(graph, calibrated.pictures, (calibrated.method,))[calibrated.method]
        )

    balanced = equalized(model, calibrated.pictures)
    if balanced is not None:
        yield Fallback("channels scaled to similar ranges across layers", in_int8(balanced))
    what = "trained further with int8's rounding"
    try:
        tuned = qat.tuned(balanced or model, training(), progress)
    except qat.NotTrainable as error:
        yield Fallback(what, skipped=str(error))
    else:
        yield Fallback(what, in_int8(tuned))
    with suppress(UserError):  # the converter leaves a network with few weights in float
        yield Fallback("int8 for the weights only", quantize.quantize(model, "dynamic"))
    count = 1
    while count <= len(worst):
        kept = worst[:count]
        tensors = layer_errors.with_readers(calibrated.graph, [layer.tensor for layer in kept])
        names = ", ".join(dict.fromkeys(layer.name for layer in kept))
        what = f"{names} kept in float, with the layers that read from there"
        yield Fallback(what, quantize.integer(calibrated.graph, tensors))
        count *= 2
