"""Measures how accurate each model is, float and quantized, on the same pictures, and how fast each network is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import metrics
from benchmarks.interleaved import ROUNDS, Timing, timing
from benchmarks.metrics import Figures
from convert import gate
from edge.contract import Changes
from edge.decide import OTHER, Decision
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from edge.system.quiet import quiet
from train.data import crop_cache, dataset
from train.data.dataset import Example
from train.evaluation import intervals

if TYPE_CHECKING:
    import keras

_REFERENCES = ("keras", "float32")  # a network's files are compared with its model of the first of these kinds


@dataclass(frozen=True)
class Compared(Changes):
    """How many answers differ from those of the float model of the same network.

    Attributes:
        reference: the float model's name.
    """

    reference: str


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """One model.

    Attributes:
        network: name of the network, such as "compact".
        kind: "keras", or how the file is quantized.
        sha256: hash of the file.
        bytes: size of the file.
        milliseconds: time per picture in the network alone, on one thread; None for a Keras model.
        figures: accuracy by source, and under "all" for all pictures.
        changes: answers that differ from the float model's; None if that model isn't measured too.
    """

    network: str
    kind: str
    sha256: str
    bytes: int
    milliseconds: Timing | None = None
    figures: dict[str, Figures]
    changes: Compared | None = None


@dataclass(frozen=True)
class Accuracy:
    """All figures of `benchmark accuracy`.

    Attributes:
        split: the split that the pictures belong to.
        split_sha256: hash of the splits and labels of all pictures.
        models: figures by name of the model.
    """

    split: str
    split_sha256: str
    models: dict[str, ModelFigures]


@dataclass(frozen=True)
class _Answered:
    """The answers of one model.

    Attributes:
        name: name of the model.
        network, kind, sha256, bytes: see ModelFigures.
        labels: the labels that an answer can have.
        decisions: one for each picture.
        seconds: time of each picture in the network alone, float [n]; None for a Keras model.
    """

    name: str
    network: str
    kind: str
    sha256: str
    bytes: int
    labels: tuple[str, ...]
    decisions: list[Decision]
    seconds: np.ndarray | None = None


def accuracy(folder: Path, paths: Sequence[Path], split: str, progress: Progress = silent) -> Accuracy:
    """Measures models on the lymphocytes and monocytes of one split.

    Args:
        folder: a data set.
        paths: model files, or folders that `train` wrote. Of a folder, its Keras model is measured, and the files that
            `convert` put beside it.
        split: "train", "val" or "test".
        progress: see edge.system.progress.

    Raises:
        UserError: for a data set, a folder or a file that can't be used, and for a folder if TensorFlow is missing.
    """
    runs = [path for path in paths if path.is_dir()]
    files = [file for path in paths for file in (sorted(path.glob("*.tflite")) if path.is_dir() else [path])]
    examples = dataset.read(folder)
    chosen = dataset.only(examples, split)
    models = [Model(file) for file in files]
    answered = [_keras(run, models, folder, chosen, progress) for run in runs]
    answered += _files(folder, files, models, chosen, progress)
    return Accuracy(
        split, dataset.split_hash(examples), {each.name: _figures(each, answered, chosen) for each in answered}
    )


def _files(
    folder: Path, files: Sequence[Path], models: Sequence[Model], chosen: Sequence[Example], progress: Progress
) -> list[_Answered]:
    """The answers of model files. models: the same files, opened."""
    if not files:
        raise UserError("Nothing to measure: name model files, or training runs with files that `convert` made.")
    crops = [crop_cache.crops(folder, chosen, model.size, model.policy, progress=progress) for model in models]
    raced = gate.race(list(zip(models, crops, strict=True)), progress)
    return [
        _Answered(
            name=file.stem,
            network=model.contract.network,
            kind=model.contract.quantization.kind,
            sha256=model.sha256,
            bytes=file.stat().st_size,
            labels=model.labels,
            decisions=metrics.decisions(model, predictions),
            seconds=seconds,
        )
        for file, model, (predictions, seconds) in zip(files, models, raced, strict=True)
    ]


def _keras(
    path: Path, models: Sequence[Model], folder: Path, chosen: Sequence[Example], progress: Progress
) -> _Answered:
    """The answers of a run's Keras model, by the rules of one of its files, the float32 file if there is one."""
    try:
        with quiet():  # TensorFlow prints while it is imported
            from train import run
    except ModuleNotFoundError as error:
        missing = (error.name or "a package").partition(".")[0]
        raise UserError(
            f"{path} is a Keras model, and {missing} is missing: run `pip install edge-classify[train]`, or name its "
            ".tflite files."
        ) from error
    report, network = run.read(path)
    file = path / "model.keras"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    own = [model for model in models if model.contract.keras_sha256 == sha256]
    if not own:
        raise UserError(
            f"No file of {path} is measured, and a Keras model itself has no rules of answering: run "
            f"`convert --float32 {path}` first, or leave it out."
        )
    rules = min(own, key=lambda model: model.contract.quantization.kind != "float32")
    crops = crop_cache.crops(folder, chosen, report.size, report.crop.policy, progress=progress)
    return _Answered(
        name=f"{report.network}-keras",
        network=report.network,
        kind="keras",
        sha256=sha256,
        bytes=file.stat().st_size,
        labels=report.labels,
        decisions=metrics.decisions(rules, _predictions(network, crops, rules)),
    )


def _predictions(network: "keras.Model", crops: np.ndarray, model: Model) -> list[Prediction]:
    """A Keras model's answers, with the distances from the training cells that its file `model` knows."""
    from train import run
    from train.networks import FEATURES

    kinds = run.predict(network, crops)
    if not model.distance:
        return [Prediction(each, np.zeros(0, np.float32)) for each in kinds]
    features = run.predict(type(network)(network.inputs, network.get_layer(FEATURES).output), crops)
    return [Prediction(*each, model.distance.of(each[1])) for each in zip(kinds, features, strict=True)]


def _figures(model: _Answered, answered: Sequence[_Answered], chosen: Sequence[Example]) -> ModelFigures:
    truth, cells = dataset.targets(chosen, model.labels), intervals.clusters(chosen)
    sources = np.array([example.source for example in chosen])
    groups = {"all": np.full(len(chosen), True)} | {name: sources == name for name in sorted(set(sources.tolist()))}
    return ModelFigures(
        network=model.network,
        kind=model.kind,
        sha256=model.sha256,
        bytes=model.bytes,
        milliseconds=None if model.seconds is None else _milliseconds(model.seconds),
        figures={
            name: metrics.figures(
                truth[rows], [model.decisions[i] for i in np.flatnonzero(rows)], cells[rows], model.labels
            )
            for name, rows in groups.items()
        },
        changes=_compared(truth, model, answered),
    )


def _milliseconds(seconds: np.ndarray) -> Timing:
    """The timing of one model. seconds: time of each picture, float [n], in the order of measurement.

    Each picture was answered only once. So the pictures are divided into ROUNDS parts, which count as rounds.
    """
    each = len(seconds) // ROUNDS
    return timing(seconds[: ROUNDS * each].reshape(ROUNDS, each) if each else seconds[None])


def _compared(truth: np.ndarray, model: _Answered, answered: Sequence[_Answered]) -> Compared | None:
    same = [each for each in answered if each.network == model.network and each.labels == model.labels]
    references = [each for kind in _REFERENCES for each in same if each.kind == kind]
    if not references or references[0] is model:
        return None
    names = [label for label in model.labels if label != OTHER]
    before, after = (metrics.likelier(each.decisions, names) for each in (references[0], model))
    changes = gate.changes(truth, before, after)
    return Compared(changes.count, changes.changed, changes.spoiled, changes.mended, changes.p, references[0].name)


def table(result: Accuracy) -> str:
    """The result as text for a terminal."""
    blocks = []
    for name, model in result.models.items():
        time = f", {model.milliseconds.value:.3f} ms per picture in the network alone" if model.milliseconds else ""
        heads = metrics.heads(model.figures["all"])
        rows = [[source, *metrics.row(figures)] for source, figures in model.figures.items()]
        lines = [f"{name}: {model.bytes / 1e3:.0f} kB{time}", Table(["", *heads], rows).text()]
        blocks.append("\n".join([*lines, *([changed(model.changes)] if model.changes else [])]))
    return "\n\n".join(blocks)


def changed(answers: Compared) -> str:
    """How many answers a quantized file changed, in words."""
    return (
        f"{answers.changed} of {answers.count:,} answers differ from {answers.reference}'s: {answers.spoiled} for the "
        f"worse, {answers.mended} for the better (McNemar's exact p {answers.p:.2g})"
    )
