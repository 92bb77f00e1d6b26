"""The range of values that int8's 256 levels cover: all that were seen, or fewer of them in finer steps."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edge.system.quiet import quiet

METHODS = ("min-max", "percentile", "mse")
PERCENTILE = 99.99  # of all values are kept; the others are clipped, half on each side if there are two sides
PICTURES = 100  # whose values are counted, spread evenly over the calibration pictures
_BINS = 2048
_SHARES = np.linspace(1.0, 0.2, 81)  # of the whole range; the one with the smallest error is taken


def narrowed(calibrated: bytes, pictures: np.ndarray, methods: tuple[str, ...]) -> dict[str, bytes]:
    """By method the flatbuffer with its ranges.

    Args:
        calibrated: of quantize.calibrate.
        pictures: that it was calibrated on, uint8 [n, size, size, 3].
        methods: "min-max" leaves the ranges as they are. "percentile" keeps 99.99 % of the values. "mse" takes the
            share of the whole range with the smallest mean squared error of rounding and clipping together.

    The input and the output keep their ranges, so that raw bytes still go in without a conversion.

    Source: Nagel et al., A White Paper on Neural Network Quantization, 2021, section 3.1.
    """
    if methods == ("min-max",):
        return {"min-max": calibrated}
    counts = _histograms(calibrated, pictures)
    functions = {"percentile": _percentile, "mse": _least_error}
    return {
        method: calibrated
        if method == "min-max"
        else _with_ranges(calibrated, {i: functions[method](*each) for i, each in counts.items()})
        for method in methods
    }


def _histograms(calibrated: bytes, pictures: np.ndarray) -> dict[int, tuple[np.ndarray, float, float]]:
    """Histograms by index of a tensor between input and output: counts, int64 [_BINS], lowest and highest value."""
    graph = schema.ModelT.InitFromPackedBuf(calibrated, 0).subgraphs[0]
    ends = {*graph.inputs, *graph.outputs}
    histograms = {}
    for i, tensor in enumerate(graph.tensors):
        q = tensor.quantization
        if i not in ends and q is not None and q.min is not None and len(q.min) == 1 and q.max[0] > q.min[0]:
            histograms[i] = (np.zeros(_BINS, np.int64), float(q.min[0]), float(q.max[0]))
    with quiet():
        interpreter = Interpreter(model_content=calibrated, experimental_preserve_all_tensors=True, num_threads=1)
        interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    for picture in pictures[:: -(-len(pictures) // PICTURES)]:
        interpreter.set_tensor(place, picture[None].astype(np.float32))
        interpreter.invoke()
        for i, (counts, low, high) in histograms.items():
            bins = ((interpreter.get_tensor(i).ravel() - low) * np.float32(_BINS / (high - low))).astype(np.int64)
            counts += np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)
    return histograms


def _percentile(counts: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The range that holds PERCENTILE of the values of a histogram, and 0."""
    edges = np.linspace(low, high, _BINS + 1)
    shares = np.cumsum(counts) / counts.sum()
    sides = int(low < 0) + int(high > 0)  # after a ReLU there is only one side to clip
    clipped = (1 - PERCENTILE / 100) / sides
    lowest = edges[np.searchsorted(shares, clipped, side="right")] if low < 0 else low
    highest = edges[np.searchsorted(shares, 1 - clipped) + 1] if high > 0 else high
    return min(float(lowest), 0.0), max(float(highest), 0.0)


def _least_error(counts: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The share of the whole range of a histogram that gives the smallest mean squared error."""
    edges = np.linspace(low, high, _BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    errors = []
    for share in _SHARES:
        step = share * (max(high, 0) - min(low, 0)) / 255
        clipped = middles - np.clip(middles, share * low, share * high)
        errors.append((counts * np.where(clipped != 0, clipped**2, step**2 / 12)).sum())
    share = float(_SHARES[int(np.argmin(errors))])
    return share * low, share * high


def _with_ranges(calibrated: bytes, ranges: dict[int, tuple[float, float]]) -> bytes:
    """The flatbuffer with other ranges. ranges: by index of a tensor, its lowest and highest value."""
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    for i, (low, high) in ranges.items():
        q = model.subgraphs[0].tensors[i].quantization
        q.min, q.max = np.array([low], np.float32), np.array([high], np.float32)
    builder = flatbuffers.Builder(len(calibrated) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
