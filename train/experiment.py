"""Training one network on one data folder: the pictures that it learns from, its stages, and the report of the run."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge import __version__, contract, crop
from edge.errors import UserError
from edge.system.progress import Progress, renamed, silent
from train import batches, loop, networks, provenance, run, thresholds
from train.augment import recipe
from train.batches import Mix
from train.data import crop_cache, dataset, field_cells
from train.data.crop_cache import Wanted
from train.data.dataset import Example
from train.evaluation import evaluate
from train.loop import Session, Stage, StageResult
from train.settings import Settings

_LEARNED = ("train", "val")  # splits with only kinds that the run learns; a test split may hold others


@dataclass(frozen=True)
class Job:
    """One training job: the data, the folder to write to, and the settings.

    Attributes:
        folder: the data folder.
        out: the run's folder.
        settings: how to train.
        resume: whether to continue a run that was stopped.
        progress: see edge.system.progress.
    """

    folder: Path
    out: Path
    settings: Settings
    resume: bool = False
    progress: Progress = silent


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and is measured on. Dictionaries are keyed by split.

    Attributes:
        labels: what its answers can be.
        kinds: the classes that it learns; see train.data.dataset.kinds.
        examples: labelled pictures.
        crops: crops of these pictures, uint8 [n, size, size, 3].
        truth: indices into `kinds`, int64 [n]; only for train and val.
        weights: weight of each picture, in the loss or in being drawn, float32 [n]; only for train and val.
        marked: the labelled cells of marked camera fields, to measure on. They are read before training, so that a
            damaged table or field ends the run at its start.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    examples: dict[str, list[Example]]
    crops: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    marked: field_cells.FieldCells

    @property
    def everything(self) -> list[Example]:
        """The examples of all splits."""
        return [e for split in self.examples.values() for e in split]

    @property
    def targets(self) -> np.ndarray:
        """The target answers for the training pictures, one-hot, float32 [n, kinds]."""
        return np.eye(len(self.kinds), dtype=np.float32)[self.truth["train"]]


def training_data(job: Job, views: bool = False) -> TrainingData:
    """Reads the data and makes the crops.

    Args:
        job: what is trained.
        views: whether train.views will make views of the training pictures. What it needs is then made in the same
            pass, so that no picture is decoded twice.

    Raises:
        UserError: for data that can't be used.
    """
    settings = job.settings
    labels = dataset.labels(settings.other)
    examples = run.learned(job.folder, labels, asdict(settings), job.progress)
    split = {name: dataset.only(examples, name) for name in dataset.SPLITS}
    kinds = dataset.kinds(split["train"] + split["val"], settings.other)
    wanted = {name: Wanted(settings.size, (settings.policy,), ruler=settings.ruler) for name in dataset.SPLITS}
    if views and settings.policy == "normalised":
        wanted["train"] = Wanted(settings.size, ("normalised", "cell"), True, settings.ruler)
    crops = {
        name: crop_cache.make(
            job.folder, split[name], wanted[name], progress=renamed(job.progress, f"Reading {name} pictures")
        ).crops[settings.policy]
        for name in dataset.SPLITS
    }
    even = {name: np.ones(len(split[name]), np.float32) for name in _LEARNED}
    return TrainingData(
        labels,
        kinds,
        split,
        crops,
        {name: dataset.targets(split[name], kinds) for name in _LEARNED},
        even if settings.balance == "none" else {name: dataset.weights(split[name], kinds) for name in _LEARNED},
        field_cells.read(
            job.folder, settings.size, settings.policy, labels, settings.ruler, job.progress, half=bool(settings.fields)
        ),
    )


def prepare(job: Job) -> tuple[tf.distribute.Strategy, bool]:
    """Makes the run's folder, unless it holds something that isn't to be continued, and sets seeds and precision.

    Returns:
        The devices to train on, and whether this process is the one that writes files.

    Raises:
        UserError: if the folder can't be made or isn't empty, or if TF_CONFIG doesn't describe the machines of
            "multiworker".
    """
    settings = job.settings
    strategy, chief = _strategy(settings.strategy)
    if chief:  # other workers may share its folder
        run.make_folder(job.out, job.resume)
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    auto = "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"
    keras.mixed_precision.set_global_policy(auto if settings.precision == "auto" else settings.precision)
    return strategy, chief


def _strategy(name: str) -> tuple[tf.distribute.Strategy, bool]:
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(), True
    if name == "multiworker":
        try:
            task = json.loads(os.environ["TF_CONFIG"])["task"]
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(
                "--strategy multiworker needs the environment variable TF_CONFIG; TensorFlow's guide to multi-worker "
                "training describes it."
            ) from error
        return strategy, task.get("type") == "chief" or (task.get("type") == "worker" and not int(task.get("index", 0)))
    return tf.distribute.get_strategy(), True


def baseline(
    folder: Path, out: Path, settings: Settings, *, resume: bool = False, progress: Progress = silent
) -> run.Report | None:
    """Trains the baseline, a small convolutional network, from scratch.

    Writes OUT/model.keras, OUT/run.json, OUT/baseline.csv and logs for TensorBoard. It keeps the weights of the epoch
    with the lowest weighted loss on val.

    Args:
        folder: the data folder.
        out: the run's folder.
        settings: how to train.
        resume: whether to continue a run that was stopped.
        progress: see edge.system.progress.

    Returns:
        The run's report; None if another process writes the files.

    Raises:
        UserError: for data or a folder that can't be used.
    """

    def plan(data: TrainingData) -> Plan:
        changes = tuple(recipe(settings.augment))
        return Plan(lambda: networks.baseline(settings.size, len(data.kinds)), [data.crops["train"]], changes)

    return one_stage("baseline", Job(folder, out, settings, resume, progress), plan)


@dataclass(frozen=True)
class Plan:
    """How one stage learns from its data.

    Attributes:
        build: makes the network.
        views: versions of the training crops, uint8 [n, size, size, 3] each.
        changes: names of the random changes to each view, from train.augment.recipe.
        more: settings of this network alone, for run.json.
        targets: the target answers for each view, float32 [n, kinds]; None for the true labels.
    """

    build: Callable[[], keras.Model]
    views: list[np.ndarray]
    changes: tuple[str, ...]
    more: dict = field(default_factory=dict)
    targets: list[np.ndarray] | None = None


def one_stage(name: str, job: Job, plan: Callable[[TrainingData], Plan], views: bool = False) -> run.Report | None:
    """Trains a network in one stage.

    Args:
        name: of the stage.
        job: what is trained.
        plan: given the data, says how the stage learns from it.
        views: see `training_data`.

    Returns:
        The run's report; None if another process writes the files.

    Raises:
        UserError: for data or a folder that can't be used.
    """
    started = time.time()
    settings = job.settings
    strategy, chief = prepare(job)
    data = training_data(job, views)
    planned = plan(data)
    targets = planned.targets or [data.targets] * len(planned.views)
    balanced = settings.balance == "sampling"
    mix = Mix(settings.batch, settings.seed, planned.changes, balanced, settings.mixup, settings.amount)
    steps = batches.steps(len(data.truth["train"]), settings.batch)
    stage = Stage(name, settings.epochs, steps, settings.rate, settings.smoothing, settings.average)
    trained = loop.train(
        stage,
        planned.build,
        lambda first: batches.training(planned.views, targets, data.weights["train"], mix, settings.epochs, first),
        batches.measuring(data.crops["val"], data.truth["val"], data.weights["val"], len(data.kinds)),
        session(job, run_key(settings, data, **planned.more), strategy, chief),
    )
    if not chief:
        return None
    keras.mixed_precision.set_global_policy("float32")
    model = planned.build()
    model.set_weights(keras.models.load_model(trained.best, compile=False).get_weights())
    return finish(job, model, data, Stages([(stage, trained)], time.time() - started), planned.more)


def session(job: Job, key: str, strategy: tf.distribute.Strategy, chief: bool) -> Session:
    """The session that trains the stages of a job. key: from `run_key`."""
    return Session(job.out, job.settings.seed, key, job.resume, strategy, chief, job.progress)


def run_key(settings: Settings, data: TrainingData, **more: object) -> str:
    """A hash of the settings and the data. Only a run with the same hash may continue an unfinished run."""
    what = asdict(settings) | {"data": dataset.split_hash(data.everything)} | more
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Stages:
    """The stages that were trained.

    Attributes:
        results: each stage with its result, in the order of training.
        seconds: how long all stages took.
    """

    results: Sequence[tuple[Stage, StageResult]]
    seconds: float

    @property
    def finished(self) -> bool:
        return all(result.finished for _, result in self.results)


def finish(
    job: Job, model: keras.Model, data: TrainingData, stages: Stages, more: Mapping[str, Any] | None = None
) -> run.Report:
    """Measures the network on val, on test and on the labelled cells of marked camera fields; writes the run's files.

    If all stages are finished, the files that were only needed to continue them are deleted.

    Args:
        job: what was trained.
        model: the network.
        data: what it learned from.
        stages: the stages that were trained.
        more: settings of this network alone.

    Returns:
        The run's report.

    Raises:
        UserError: if files can't be written.
    """
    settings, labels = job.settings, data.labels
    moved = None
    if settings.thresholds:
        answers = run.predict(model, data.crops["val"], progress=renamed(job.progress, "Setting thresholds"))
        moved = thresholds.correct(model, data.truth["val"], answers, data.weights["val"])
    results = {}
    for name in ("val", "test"):
        progress = renamed(job.progress, f"Answering {name} pictures")
        probabilities = run.predict(model, data.crops[name], len(labels), progress=progress)
        sources = [e.source for e in data.examples[name]]
        truth = dataset.targets(data.examples[name], labels)
        results[name] = evaluate.by_source(truth, probabilities, sources, labels)
    if len(data.marked.truth):
        probabilities = run.predict(model, data.marked.crops, len(labels))
        results["fields"] = evaluate.by_source(data.marked.truth, probabilities, data.marked.sources, labels)
    last = stages.results[-1][1]
    report = run.Report(
        version=__version__,
        network=model.name,
        parameters=model.count_params(),
        labels=labels,
        kinds=data.kinds,
        size=settings.size,
        crop=contract.Crop(settings.policy, crop.POLICIES[settings.policy]),
        settings=asdict(settings) | dict(more or {}),
        thresholds_moved=None if moved is None else tuple(moved),
        finished=stages.finished,
        best_epoch=last.best_epoch,
        seconds=round(stages.seconds, 1),
        data=run.Data(
            str(job.folder.resolve()), dataset.describe(data.everything), dataset.split_hash(data.everything)
        ),
        made=provenance.made(),
        metrics=results,
        history={name: tuple(values) for name, values in last.history.items()},
        stages=tuple(
            {"name": stage.name, "epochs": stage.epochs, "best_epoch": result.best_epoch, **result.history}
            for stage, result in stages.results
        ),
    )
    run.write(job.out, report, model)
    run.draw(job.out, report)
    if report.finished:
        for stage, _ in stages.results:
            for end in ("json", "last.keras", "best.keras"):
                (job.out / f"{stage.name}.{end}").unlink(missing_ok=True)
    return report
