"""Candidates: flatbuffers that may become the model file. Each is opened once and compared with the float model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from convert import gate, model_file, quantize, representative
from convert.gate import Both, Verdict
from convert.model_file import Draft
from convert.source import Source
from edge.contract import Contract, Figures, Loss
from edge.decide import merged
from edge.model import Model, Prediction
from edge.system.progress import Progress, silent
from train.data import dataset, field_cells
from train.data.dataset import Example
from train.evaluation import evaluate


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures of one split.

    Attributes:
        crops: uint8 [n, size, size, 3].
        truth: true labels, as indices into the model's labels, int [n].
        sources: the source of each picture, n names.
    """

    crops: np.ndarray
    truth: np.ndarray
    sources: Sequence[str]


@dataclass(frozen=True)
class Answers:
    """The answers of an opened model to n pictures.

    Attributes:
        kinds: probabilities, float32 [n, kinds].
        features: values of the last layer but one, float32 [n, features]; 0 columns if the graph doesn't output them.
    """

    kinds: np.ndarray
    features: np.ndarray

    def labels(self, count: int) -> np.ndarray:
        """Probabilities of the labels, float32 [n, count]. count: how many labels the kinds are merged to."""
        return merged(self.kinds, count)


def answers(model: Model, crops: np.ndarray) -> Answers:
    """The answers of an opened model to pictures. crops: uint8 [n, size, size, 3]."""
    return _answers([model.predict(crop) for crop in crops])


def _answers(predictions: Sequence[Prediction]) -> Answers:
    return Answers(np.stack([each.kinds for each in predictions]), np.stack([each.features for each in predictions]))


@dataclass(frozen=True)
class Candidate:
    """A flatbuffer that may become the model file, with its answers to the val split.

    Attributes:
        graph: the flatbuffer.
        contract: the contract so far; its quantization was read back from this flatbuffer.
        draft: the opened flatbuffer; the model file is made from it if this candidate is chosen.
        size: size of a file with that contract, in bytes.
        val: the candidate's answers to the val split.
        probabilities: probabilities of the labels on the val split, by the float model and by the candidate, each float
            [n, labels].
        milliseconds: median time per picture, of the float model and of the candidate, measured in turns.
        verdict: the gate's verdict.
    """

    graph: bytes
    contract: Contract
    draft: Draft[Model]
    size: int
    val: Answers
    probabilities: Both[np.ndarray]
    milliseconds: Both[float]
    verdict: Verdict

    @property
    def kind(self) -> str:
        """The kind of the flatbuffer as read back: "int8", "dynamic", "float16", "float32" or "mixed"."""
        return self.contract.quantization.kind

    @property
    def passed(self) -> bool:
        """Whether it passes the gate."""
        return self.verdict.passed

    @property
    def difference(self) -> np.ndarray:
        """The largest difference from the float model's probabilities, for each picture, float [n], each 0 to 1."""
        return np.abs(self.probabilities.before - self.probabilities.after).max(axis=1)

    def answers(self, crops: np.ndarray) -> Answers:
        """Its answers to more pictures. crops: uint8 [n, size, size, 3]."""
        return answers(self.draft.model, crops)


class Validation:
    """The pictures on which candidates are tested, and the float model with which they are compared.

    Attributes:
        source: the model to convert and its data set.
        examples: the val split, as the data set lists it.
        val: the pictures of the val split.
        graph: the float model's flatbuffer.
        size: size of the float model's file, in bytes.
    """

    def __init__(self, source: Source, limits: Loss = gate.LIMITS, progress: Progress = silent) -> None:
        """Converts the float model to a float32 flatbuffer. limits: the largest losses allowed to a candidate."""
        self.source = source
        self._limits, self._progress = limits, progress
        self.examples, crops = source.split("val", progress)
        self.val = Pictures(crops, dataset.targets(self.examples, source.labels), [e.source for e in self.examples])
        self.graph = quantize.quantize(source.model, "float32")
        self._float, contract = self._draft(self.graph)
        self.size = len(self._float.sealed(contract))

    @cached_property
    def at_home(self) -> frozenset[str]:
        """The sources whose val split shows every label; all if there are none. Limits of answers are fitted to them.

        A source with a few camera fields shows no lymphocytes and monocytes there. It would only add places without a
        white cell, which say nothing about the risk of a name.
        """
        shown: dict[str, set[int]] = {}
        for source, label in zip(self.val.sources, self.val.truth.tolist(), strict=True):
            shown.setdefault(source, set()).add(label)
        every = (source for source, labels in shown.items() if len(labels) == len(self.source.labels))
        return frozenset(every) or frozenset(shown)

    @cached_property
    def test(self) -> Pictures:
        """The test split."""
        examples, crops = self.source.split("test", self._progress)
        return Pictures(crops, dataset.targets(examples, self.source.labels), [e.source for e in examples])

    @cached_property
    def held_out(self) -> dict[str, Pictures]:
        """By split, the pictures besides val on which the contract's figures are measured.

        These are "test", and "fields" (labelled cells of camera fields) if the training run measured the float model on
        those as well.
        """
        source = self.source
        if not source.figures or "fields" not in source.figures:
            return {"test": self.test}
        cells = field_cells.read(
            source.folder,
            source.size,
            source.policy,
            source.labels,
            progress=self._progress,
            half=source.contract.learned_fields,
        )
        return {"test": self.test, "fields": Pictures(cells.crops, cells.truth, cells.sources)}

    @cached_property
    def float_figures(self) -> dict[str, dict[str, Figures]]:
        """The float model's figures on the held-out pictures, by split and source."""
        model = self._float.model
        return {split: self.figures(each, answers(model, each.crops)) for split, each in self.held_out.items()}

    def figures(self, pictures: Pictures, answers: Answers) -> dict[str, Figures]:
        """How accurate these answers to these pictures are, by source."""
        labels = self.source.labels
        return evaluate.by_source(pictures.truth, answers.labels(len(labels)), pictures.sources, labels)

    def training(self, count: int) -> tuple[list[Example], np.ndarray]:
        """About `count` training pictures, balanced over kinds and sources.

        Returns:
            The examples, and their crops, uint8 [n, size, size, 3].

        Raises:
            UserError: if one of the pictures is also in val or test.
        """
        examples = representative.chosen(dataset.only(self.source.examples, "train"), count)
        crops = self.source.crops(examples, self._progress)
        representative.unseen(examples, crops, self.val.crops)
        representative.unseen(examples, crops, self.test.crops)
        return examples, crops

    def candidates(self, graphs: Mapping[str, bytes], before: np.ndarray | None = None) -> dict[str, Candidate]:
        """Lets flatbuffers and the float model answer the val split in turns, once each, and applies the gate.

        Args:
            graphs: flatbuffers by name.
            before: probabilities to compare with, float [n, labels]; None for those of the float model's flatbuffer.

        The float model answers again at each call, because only times that were measured in turns can be compared.
        """
        drafts = {name: self._draft(graph) for name, graph in graphs.items()}
        models = [self._float.model, *(draft.model for draft, _ in drafts.values())]
        (float_seen, float_seconds), *raced = gate.race([(model, self.val.crops) for model in models], self._progress)
        labels = self.source.labels
        before = _answers(float_seen).labels(len(labels)) if before is None else before
        result = {}
        for (name, (draft, contract)), (seen, seconds) in zip(drafts.items(), raced, strict=True):
            val = _answers(seen)
            after = val.labels(len(labels))
            result[name] = Candidate(
                graph=graphs[name],
                contract=contract,
                draft=draft,
                size=len(draft.sealed(contract)),
                val=val,
                probabilities=Both(before, after),
                milliseconds=Both(_median(float_seconds), _median(seconds)),
                verdict=gate.verdict(self.val.truth, before, after, self.val.sources, labels, self._limits),
            )
        return result

    def _draft(self, graph: bytes) -> tuple[Draft[Model], Contract]:
        contract = replace(self.source.contract, quantization=quantize.emitted(graph))
        return model_file.draft(graph, contract, Model), contract


def _median(seconds: np.ndarray) -> float:
    """The median of times in seconds, converted to milliseconds."""
    return 1e3 * float(np.median(seconds))
