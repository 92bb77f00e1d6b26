"""Chooses the range of values that int8's 256 levels cover: all values that were seen, or a narrower range.

A narrower range clips the largest values, but gives finer steps for all others.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from convert.flatbuffer import packed
from edge.system.quiet import quiet

METHODS = ("min-max", "percentile", "mse")
PERCENTILE = 99.99  # percent of the values that are kept; the rest is clipped, half at each end if both have values
PICTURES = 100  # at most about this many, spread evenly over the calibration pictures, are counted in the histograms
_BINS = 2048  # of each histogram
_SHARES = np.linspace(1.0, 0.2, 81)  # shares of the whole range that "mse" tries


def narrowed(calibrated: bytes, pictures: np.ndarray, methods: tuple[str, ...]) -> dict[str, bytes]:
    """Chooses ranges by several methods.

    Args:
        calibrated: a flatbuffer from quantize.calibrate.
        pictures: the pictures that it was calibrated on, uint8 [n, size, size, 3].
        methods: some of METHODS. "min-max" covers all values. "percentile" covers 99.99 % of them. "mse" tries parts of
            the whole range and takes the one with the smallest mean squared error of rounding and clipping together.

    Returns:
        By method, the flatbuffer with the chosen ranges.

    The ranges of the input and the outputs don't change, so that the file still takes raw bytes.

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
    """A histogram for each tensor that is neither input nor output, by the tensor's index.

    Each consists of counts, int64 [_BINS], the lowest value and the highest value.
    """
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
    """The range that covers PERCENTILE percent of the values of a histogram; it always includes 0."""
    edges = np.linspace(low, high, _BINS + 1)
    shares = np.cumsum(counts) / counts.sum()
    sides = int(low < 0) + int(high > 0)  # after a ReLU no value is negative, so only large ones are clipped
    clipped = (1 - PERCENTILE / 100) / sides
    lowest = edges[np.searchsorted(shares, clipped, side="right")] if low < 0 else low
    highest = edges[np.searchsorted(shares, 1 - clipped) + 1] if high > 0 else high
    return min(float(lowest), 0.0), max(float(highest), 0.0)


def _least_error(counts: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The part of a histogram's whole range with the smallest mean squared error of rounding and clipping."""
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
    """The flatbuffer with these ranges. ranges: lowest and highest value, by the index of the tensor."""
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    for i, (low, high) in ranges.items():
        q = model.subgraphs[0].tensors[i].quantization
        q.min, q.max = np.array([low], np.float32), np.array([high], np.float32)
    return packed(model)
