"""Graphs tried on the val split, against the float model, through the runner."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from convert import gate, model_file, quantize, representative
from convert.source import Source
from edge.decide import merged
from edge.model import Model, Prediction
from train import data


@dataclass(frozen=True)
class Candidate:
    """One graph's answers. size: of the file with its contract, bytes; before, after: probabilities float [n, labels]
    of the float model and of the graph; milliseconds: a picture's median, its own and the float model's beside it.
    """

    graph: bytes
    size: int
    before: np.ndarray
    after: np.ndarray
    milliseconds: float
    float_milliseconds: float
    verdict: dict

    @property
    def passed(self) -> bool:
        return self.verdict["passed"]

    @property
    def difference(self) -> np.ndarray:
        """How far the probabilities of each picture lie apart, float [n]."""
        return np.abs(self.before - self.after).max(axis=1)


class Validation:
    """The val split of a source, and its float32 graph to compare with."""

    def __init__(self, source: Source, limits: gate.Limits) -> None:
        self.source, self.limits = source, limits
        self.examples, self.crops = source.split("val")
        self.truth = data.targets(self.examples, source.labels)
        self.graph = quantize.quantize(source.model, "float32")
        self.content = self.seal(self.graph)
        self.sources = [e.source for e in self.examples]

    def training(self, count: int) -> tuple[list[data.Example], np.ndarray]:
        """About so many training pictures, balanced, of which no copy is in val or test: uint8 [n, size, size, 3]."""
        examples = representative.chosen(data.only(self.source.examples, "train"), count)
        pictures = self.source.crops(examples)
        representative.unseen(examples, pictures, self.crops)
        representative.unseen(examples, pictures, self.source.split("test")[1])
        return examples, pictures

    def seal(self, graph: bytes) -> bytes:
        return model_file.seal(graph, self.source.document | {"quantization": quantize.emitted(graph)})

    def seen(self, graph: bytes, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A graph in the runner: uint8 [n, size, size, 3] -> what it sees, probabilities float32 [n, kinds] and
        features float32 [n, features].
        """
        with model_file.opened(self.seal(graph), Model) as model:
            seen = [model.predict(crop) for crop in crops]
        return np.stack([each.kinds for each in seen]), np.stack([each.features for each in seen])

    def tried(self, graphs: dict[str, bytes], before: np.ndarray | None = None) -> dict[str, Candidate]:
        """{name: flatbuffer} -> {name: Candidate}, all of them and the float graph taking turns.

        before: answers to compare with instead of the float graph's, float [n, labels].
        """
        contents = {name: self.seal(graph) for name, graph in graphs.items()}
        with ExitStack() as stack:
            models = [
                stack.enter_context(model_file.opened(content, Model)) for content in (self.content, *contents.values())
            ]
            (floats, float_times), *raced = gate.race([(each, self.crops) for each in models])
        labels = len(self.source.labels)
        before = _answers(floats, labels) if before is None else before
        result = {}
        float_time = 1e3 * float(np.median(float_times))
        for name, (seen, times) in zip(graphs, raced, strict=True):
            after = _answers(seen, labels)
            found = gate.verdict(self.truth, before, after, self.sources, self.source.labels, self.limits)
            time = 1e3 * float(np.median(times))
            result[name] = Candidate(graphs[name], len(contents[name]), before, after, time, float_time, found)
        return result


def _answers(seen: Sequence[Prediction], labels: int) -> np.ndarray:
    return merged(np.stack([each.kinds for each in seen]), labels)
