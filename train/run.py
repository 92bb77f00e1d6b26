"""A training run on disk: its network, its report, the data that it learned from, and its answers."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge import contract
from edge.contract import Figures
from edge.crop import POLICIES
from edge.decide import OTHER, merged
from edge.errors import UserError, reason
from edge.system.paths import below
from edge.system.progress import Progress, silent
from train.data import dataset, field_examples
from train.data.dataset import Example
from train.provenance import Made


@dataclass(frozen=True)
class Data:
    """What a run learned from and was measured on.

    Attributes:
        folder: the data folder.
        counts: pictures by source, split and label.
        split_sha256: hash of the list of pictures with their splits and labels.
    """

    folder: str
    counts: dict[str, dict[str, dict[str, int]]]
    split_sha256: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What run.json holds.

    Attributes:
        version: of this package.
        network: its name, such as "compact".
        parameters: how many weights the network has.
        labels: what an answer can be.
        kinds: what the network tells apart, in the order of its outputs; see train.data.dataset.kinds.
        size: width and height of its input in pixels.
        crop: the preprocessing of its pictures.
        settings: train.settings.Settings, and the settings of this network alone.
        thresholds_moved: what train.thresholds added to the logit of each class; None if it was switched off.
        finished: whether all epochs were trained.
        best_epoch: number of the epoch whose weights were kept, from 1.
        seconds: how long the training took.
        data: what it learned from and was measured on.
        made: which code and command trained it; None in older runs.
        metrics: figures by split ("val", "test" and, if there are marked camera fields, "fields") and source.
        history: figures of the last stage by name, one per epoch.
        stages: for each stage its name, its epochs, its best epoch and its history.
    """

    version: str
    network: str
    parameters: int
    labels: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    size: int
    crop: contract.Crop
    settings: dict[str, Any]
    thresholds_moved: tuple[float, ...] | None = field(default_factory=lambda: None)  # written as null
    finished: bool = True
    best_epoch: int
    seconds: float = 0.0
    data: Data
    made: Made | None = None
    metrics: dict[str, dict[str, Figures]] = field(default_factory=dict)
    history: dict[str, tuple[float, ...]] = field(default_factory=dict)
    stages: tuple[dict[str, Any], ...] = ()


def make_folder(out: Path, resume: bool = False) -> None:
    """Makes the folder of a run. Nothing is overwritten.

    Args:
        out: the folder.
        resume: whether an unfinished run in it is continued.

    Raises:
        UserError: if it can't be made, or if it isn't empty and holds no unfinished run to continue.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in out.iterdir()}
    except OSError as error:
        raise UserError(f"{out} can't be made: {reason(error)}.") from error
    in_first_epoch = all(name in ("logs", "partial.keras") or name.endswith(".best.keras") for name in found)
    unfinished = in_first_epoch or any(name.endswith(".last.keras") for name in found)
    if not found or (resume and unfinished):
        return
    if unfinished:
        raise UserError(f"{out} holds an unfinished run; continue it with --resume, or name another folder.")
    if resume:
        raise UserError(f"{out} holds no unfinished run that could be continued; name another folder.")
    raise UserError(f"{out} exists and isn't empty; name a new folder.")


def write(out: Path, report: Report, model: keras.Model) -> None:
    """Writes OUT/model.keras and OUT/run.json. Raises UserError if they can't be written."""
    try:
        model.save(out / "model.keras")
        (out / "run.json").write_text(json.dumps(contract.document(report), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error


def draw(out: Path, report: Report) -> None:
    """Draws OUT/learning-curves.png and OUT/confusion.png. Raises UserError if they can't be written."""
    from train.evaluation import plots  # imports matplotlib, which reading a run doesn't need

    found = report.metrics["test"]["all"]
    drawings = {"learning-curves.png": plots.learning_curves(report.stages)} if report.stages else {}
    if found.count:
        drawings["confusion.png"] = plots.confusion(found.confusion, tuple(found.classes))
    try:
        for name, figure in drawings.items():
            (out / name).write_bytes(plots.png(figure))
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error


def network(run: Path) -> str:
    """The name of the network that a run trained; "locator" for a locator. Raises UserError if it isn't a run."""
    return str(_document(run)["network"])


def read(run: Path) -> tuple[Report, keras.Model]:
    """The report and the network of a finished run.

    Args:
        run: a folder that train.experiment wrote.

    Raises:
        UserError: if it isn't a finished run of a classifier, or if this version no longer makes its kind of crops.
    """
    document = _document(run)
    if document["network"] == "locator":
        raise UserError(f"{run} holds a locator, which doesn't classify cells; measure it with `benchmark locating`.")
    try:
        report: Report = contract.load(Report, document)
        report = replace(report, kinds=report.kinds or report.labels)
        shapes = (None, report.size, report.size, 3), (None, len(report.kinds))
        if POLICIES.get(report.crop.policy) != report.crop.version:
            raise UserError(
                f"{run} was trained on crops {report.crop.policy!r} version {report.crop.version}, which this version "
                "of the program doesn't make; train again."
            )
        model = keras.models.load_model(run / "model.keras", compile=False)
        if (model.input_shape, model.output_shape) != shapes:
            raise ValueError("the network and the report are from different runs")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise _unfinished(run, error) from error
    return report, model


def _document(run: Path) -> dict[str, Any]:
    """The JSON of a run's report, which names a network."""
    try:
        document = json.loads((run / "run.json").read_text(encoding="utf-8"))
        below(run, str(document["network"]))  # files are named after it
        return document
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unfinished(run, error) from error


def _unfinished(run: Path, error: Exception) -> UserError:
    why = reason(error) if isinstance(error, OSError) else "its run.json or model.keras is damaged"
    return UserError(f"{run} is not a finished training run ({why}); make one with `train baseline`.")


def examples(run: Path, report: Report, folder: Path) -> list[Example]:
    """The examples that a run learns from or may be tested on. Raises UserError if `folder` isn't the run's data."""
    known = learned(folder, report.labels, report.settings)
    if dataset.split_hash(known) != report.data.split_sha256:
        raise UserError(f"{folder} is not the data that {run} was trained on (its splits differ); train again.")
    return known


def learned(
    folder: Path, labels: Sequence[str], settings: Mapping[str, Any], progress: Progress = silent
) -> list[Example]:
    """The pictures that a run with these settings learns from or may be tested on.

    Args:
        folder: the data folder.
        labels: what its answers can be.
        settings: train.settings.Settings as a dictionary; those of an older version lack some keys.
        progress: see edge.system.progress.

    Raises:
        UserError: for data that can't be used, or settings that don't fit the data.
    """
    known = dataset.read(folder, labels)
    if what := settings.get("fields"):
        if OTHER not in labels:
            raise UserError("--fields needs --other kinds or --other one: most of what fields show is no name.")
        in_fields = field_examples.read(folder, what, progress)
        sources = {e.source for e in in_fields}
        named = set(dataset.named(settings.get("source")))
        if named and not named & sources:
            raise UserError(f"--fields learns nothing: no --source names fields; {', '.join(sorted(sources))} do.")
        known += in_fields
    return dataset.trained_on(known, settings.get("source"), settings.get("without"))


def predict(
    model: keras.Model, crops: np.ndarray, labels: int = 0, batch: int = 64, progress: Progress = silent
) -> np.ndarray:
    """A network's answers.

    Args:
        model: the network.
        crops: uint8 [n, size, size, 3]; if it is a memory map, only one batch at a time is read into memory.
        labels: how many labels to merge the kinds into; 0 to leave the kinds unmerged.
        batch: pictures at a time.
        progress: see edge.system.progress.

    Returns:
        Probabilities, float32 [n, kinds] or [n, labels].

    Raises:
        UserError: if an answer is NaN or infinite, because the training failed.
    """
    answers = []
    for first in range(0, len(crops), batch):
        answers.append(model.predict_on_batch(crops[first : first + batch].astype(np.float32)))
        progress("Answering pictures", min(first + batch, len(crops)), len(crops))
    probabilities = np.concatenate(answers)
    if not np.isfinite(probabilities).all():
        raise UserError("The network's answers are not numbers, so its training failed; train again.")
    return merged(probabilities, labels or probabilities.shape[-1])
