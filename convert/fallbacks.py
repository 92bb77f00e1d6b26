"""A network that int8 spoils, mended: the cheapest mending that passes the gate."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import keras
import numpy as np

from convert import activation_ranges, layer_errors, qat, quantize
from convert.equalize import equalized
from edge.errors import UserError


@dataclass(frozen=True)
class Attempt:
    """what: was done, in words; kind: what came out, as quantize.emitted() reads it; graph: the flatbuffer; skipped:
    why there is none.
    """

    what: str
    kind: str = ""
    graph: bytes = b""
    skipped: str = ""


def attempts(
    model: keras.Model,
    calibrated: bytes,
    method: str,
    pictures: np.ndarray,
    worst: list[layer_errors.Layer],
    training: Callable[[], np.ndarray],
) -> Iterator[Attempt]:
    """Ways to mend it, the one that costs least first; the gate decides which one is enough.

    calibrated: with the ranges of `method`; pictures: uint8 [n, size, size, 3], what it was calibrated on; worst:
    layer_errors.errors(); training: gives pictures to learn on, uint8 [n, size, size, 3]. First the loud channels are turned
    down and their readers up, which costs nothing and stays int8; then the network is trained on with int8's rounding,
    which costs minutes here and nothing on the device; then only the weights are int8, which costs a little time and
    no size; then 1, 2, 4, … of the worst layers stay in float with those that read them, which costs both.
    """

    def whole(changed: keras.Model) -> bytes:
        return quantize.integer(
            activation_ranges.narrowed(quantize.calibrate(changed, pictures), pictures, (method,))[method]
        )

    quieter = equalized(model, pictures)
    if quieter is not None:
        yield _attempt("channels brought to one loudness across layers", whole(quieter))
    what = "trained on with int8's rounding"
    try:
        tuned = qat.tuned(quieter or model, training())
    except qat.NotAware as error:
        yield Attempt(what, skipped=str(error))
    else:
        yield _attempt(what, whole(tuned))
    with suppress(UserError):  # where there are too few weights
        yield _attempt("int8 for the weights alone", quantize.quantize(model, "dynamic"))
    count = 1
    while count <= len(worst):
        kept = worst[:count]
        graph = quantize.integer(calibrated, layer_errors.with_readers(calibrated, [layer.tensor for layer in kept]))
        names = ", ".join(dict.fromkeys(layer.name for layer in kept))
        yield _attempt(f"{names} and what reads from there kept in float", graph)
        count *= 2


def _attempt(what: str, graph: bytes) -> Attempt:
    return Attempt(what, quantize.emitted(graph)["kind"], graph)
