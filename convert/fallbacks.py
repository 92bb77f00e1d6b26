"""Ways to repair a network that loses too much in int8. The gate decides which of them is enough."""

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
        graph: of quantize.calibrate, with the ranges of `method`.
        method: how ranges are chosen, one of activation_ranges.METHODS.
        pictures: by which they were chosen, uint8 [n, size, size, 3].
    """

    graph: bytes
    method: str
    pictures: np.ndarray


@dataclass(frozen=True)
class Fallback:
    """One way.

    Attributes:
        what: was done, in words.
        graph: the flatbuffer; empty if it was skipped.
        skipped: why it was; empty if it wasn't.
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
    """Ways to repair the network, the cheapest first.

    Args:
        model: the network.
        calibrated: its int8 form that failed.
        worst: layers that add an error, the worst first, as layer_errors.errors returns them.
        training: returns pictures to train on, uint8 [n, size, size, 3].
        progress: is called with how far training is.

    Yields:
        Channels brought to one scale across layers: it costs nothing, and the file stays int8.
        Training with int8's rounding: it costs minutes here and nothing on the device.
        Int8 for the weights alone: it costs a little time and no size.
        The worst 1, 2, 4, … layers in float, with those that read them: it costs time and size.
    """

    def whole(changed: keras.Model) -> bytes:
        graph = quantize.calibrate(changed, calibrated.pictures)
        return quantize.integer(
            activation_ranges.narrowed(graph, calibrated.pictures, (calibrated.method,))[calibrated.method]
        )

    balanced = equalized(model, calibrated.pictures)
    if balanced is not None:
        yield Fallback("channels brought to one loudness across layers", whole(balanced))
    what = "trained on with int8's rounding"
    try:
        tuned = qat.tuned(balanced or model, training(), progress)
    except qat.NotTrainable as error:
        yield Fallback(what, skipped=str(error))
    else:
        yield Fallback(what, whole(tuned))
    with suppress(UserError):  # a network with too few weights
        yield Fallback("int8 for the weights alone", quantize.quantize(model, "dynamic"))
    count = 1
    while count <= len(worst):
        kept = worst[:count]
        tensors = layer_errors.with_readers(calibrated.graph, [layer.tensor for layer in kept])
        names = ", ".join(dict.fromkeys(layer.name for layer in kept))
        yield Fallback(f"{names} and what reads from there kept in float", quantize.integer(calibrated.graph, tensors))
        count *= 2
