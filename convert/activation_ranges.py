"""Which values int8 reaches from: the lowest to the highest seen, or less of them in finer steps."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edge.system.quiet import quiet

METHODS = ("min-max", "percentile", "mse")
PERCENTILE = 99.99  # of all values; what lies beyond is clipped, half of it on each side where there are two
PICTURES = 100  # whose values are counted, spread evenly over the calibration pictures
_BINS = 2048
_STEPS = np.linspace(1.0, 0.2, 81)  # shares of the whole range that are tried for the smallest error


def narrowed(calibrated: bytes, pictures: np.ndarray, methods: tuple[str, ...]) -> dict[str, bytes]:
    """quantize.calibrate()'s flatbuffer with the ranges of each method -> {method: flatbuffer}.

    pictures: uint8 [n, size, size, 3], those that it was calibrated on. "min-max" leaves it as it is; "percentile"
    keeps 99.99 % of the values; "mse" takes the share of the whole range with the smallest mean squared error of
    rounding and clipping together (Nagel et al., A White Paper on Neural Network Quantization, 2021, section 3.1).
    Input and output keep theirs, so that raw bytes still go straight in.
    """
    if methods == ("min-max",):
        return {"min-max": calibrated}
    counts = _histograms(calibrated, pictures)
    chosen = {"percentile": _percentile, "mse": _least_error}
    return {
        method: calibrated
        if method == "min-max"
        else _with_ranges(calibrated, {i: chosen[method](*each) for i, each in counts.items()})
        for method in methods
    }


def _histograms(calibrated: bytes, pictures: np.ndarray) -> dict[int, tuple[np.ndarray, float, float]]:
    """{number of a tensor: (counts int64 [_BINS] of its values, lowest, highest)} of all that is computed between."""
    graph = schema.ModelT.InitFromPackedBuf(calibrated, 0).subgraphs[0]
    ends = {*graph.inputs, *graph.outputs}
    found = {}
    for i, tensor in enumerate(graph.tensors):
        q = tensor.quantization
        if i not in ends and q is not None and q.min is not None and len(q.min) == 1 and q.max[0] > q.min[0]:
            found[i] = (np.zeros(_BINS, np.int64), float(q.min[0]), float(q.max[0]))
    with quiet():
        interpreter = Interpreter(model_content=calibrated, experimental_preserve_all_tensors=True, num_threads=1)
        interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    for picture in pictures[:: -(-len(pictures) // PICTURES)]:
        interpreter.set_tensor(place, picture[None].astype(np.float32))
        interpreter.invoke()
        for i, (counts, low, high) in found.items():
            bins = ((interpreter.get_tensor(i).ravel() - low) * np.float32(_BINS / (high - low))).astype(np.int64)
            counts += np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS)
    return found


def _percentile(counts: np.ndarray, low: float, high: float) -> tuple[float, float]:
    edges = np.linspace(low, high, _BINS + 1)
    shares = np.cumsum(counts) / counts.sum()
    sides = int(low < 0) + int(high > 0)  # after a ReLU there is but one to clip
    rest = (1 - PERCENTILE / 100) / sides
    lowest = edges[np.searchsorted(shares, rest, side="right")] if low < 0 else low
    highest = edges[np.searchsorted(shares, 1 - rest) + 1] if high > 0 else high
    return min(float(lowest), 0.0), max(float(highest), 0.0)


def _least_error(counts: np.ndarray, low: float, high: float) -> tuple[float, float]:
    edges = np.linspace(low, high, _BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    errors = []
    for share in _STEPS:
        step = share * (max(high, 0) - min(low, 0)) / 255
        clipped = middles - np.clip(middles, share * low, share * high)
        errors.append((counts * np.where(clipped != 0, clipped**2, step**2 / 12)).sum())
    share = float(_STEPS[int(np.argmin(errors))])
    return share * low, share * high


def _with_ranges(calibrated: bytes, ranges: dict[int, tuple[float, float]]) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(calibrated, 0)
    for i, (low, high) in ranges.items():
        q = model.subgraphs[0].tensors[i].quantization
        q.min, q.max = np.array([low], np.float32), np.array([high], np.float32)
    builder = flatbuffers.Builder(len(calibrated) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
