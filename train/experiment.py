"""Training one network on one data set: what it learns from, the stages it goes through, the report it leaves."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edge import __version__, contract, crop
from edge.errors import UserError, reason
from train import batches, data, field_cells, networks, run, thresholds
from train.augment import recipe
from train.batches import Mix
from train.evaluation import evaluate
from train.loop import Learned, Stage, learn
from train.settings import Settings

_LEARNED = ("train", "val")  # splits whose kinds must be known; a test split may hold others


@dataclass(frozen=True)
class Material:
    """What a run learns from and is measured on: examples, crops uint8 [n, size, size, 3], weights; labels: what its
    answers can be; kinds: what it learns to tell apart, see train.data.kinds(); truth: class numbers among these.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    examples: dict[str, list[data.Example]]
    crops: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]

    @property
    def everything(self) -> list[data.Example]:
        return [e for split in self.examples.values() for e in split]

    @property
    def targets(self) -> np.ndarray:
        """What the training pictures are to be answered with, float32 [n, classes]."""
        return np.eye(len(self.kinds), dtype=np.float32)[self.truth["train"]]


def material(folder: Path, settings: Settings) -> Material:
    """Raises UserError for data that can't be used."""
    labels = data.labels(settings.other)
    examples = data.trained_on(data.read(folder, labels), settings.source)
    split = {name: data.only(examples, name) for name in data.SPLITS}
    kinds = data.kinds(split["train"] + split["val"], settings.other)
    even = {name: np.ones(len(split[name]), np.float32) for name in _LEARNED}
    return Material(
        labels,
        kinds,
        split,
        {
            name: data.crops(folder, each, settings.size, settings.policy, ruler=settings.ruler)
            for name, each in split.items()
        },
        {name: data.targets(split[name], kinds) for name in _LEARNED},
        even if settings.balance == "none" else {name: data.weights(split[name], kinds) for name in _LEARNED},
    )


def prepare(out: Path, settings: Settings) -> tuple[tf.distribute.Strategy, bool]:
    """Seeds, precision, and the devices to train on; and whether this process is the one that writes files."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} can't be made: {reason(error)}.") from error
    strategy, chief = _strategy(settings.strategy)
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
                "--strategy multiworker needs the variable TF_CONFIG, as TensorFlow's guide on multi-worker training "
                "describes it."
            ) from error
        return strategy, task.get("type") == "chief" or (task.get("type") == "worker" and not int(task.get("index", 0)))
    return tf.distribute.get_strategy(), True


def baseline(folder: Path, out: Path, settings: Settings, *, resume: bool = False) -> dict:
    """The seed project's network from scratch; writes OUT/model.keras, run.json, baseline.csv and TensorBoard logs.

    The weights kept are those of the epoch with the lowest weighted loss on val. Returns what run.json holds: settings,
    data, and metrics of val and test by source. Raises UserError for data or a folder that can't be used.
    """

    def plan(taken: Material) -> Plan:
        changes = tuple(recipe(settings.augment))
        return Plan(lambda: networks.baseline(settings.size, len(taken.kinds)), [taken.crops["train"]], changes)

    return one_stage("baseline", folder, out, settings, plan, resume=resume)


@dataclass(frozen=True)
class Plan:
    """build: makes the network; seen: views of the training crops, uint8 [n, size, size, 3] each; changes: by chance to
    each of them, train.augment.recipe()'s; more: settings of this network alone; targets: what each view is to be
    answered with, float32 [n, classes], the truth where there are none.
    """

    build: Callable[[], keras.Model]
    seen: list[np.ndarray]
    changes: tuple[str, ...]
    more: dict = field(default_factory=dict)
    targets: list[np.ndarray] | None = None


def one_stage(
    name: str, folder: Path, out: Path, settings: Settings, plan: Callable[[Material], Plan], *, resume: bool
) -> dict:
    """Trains a network in one stage of that name; returns what finish() does, and nothing where another process is the
    chief. Raises UserError for data or a folder that can't be used.
    """
    started = time.time()
    strategy, chief = prepare(out, settings)
    taken = material(folder, settings)
    planned = plan(taken)
    classes = len(taken.kinds)
    targets = planned.targets or [taken.targets] * len(planned.seen)
    balanced = settings.balance == "sampling"
    mix = Mix(settings.batch, settings.seed, planned.changes, balanced, settings.mixup, settings.amount)
    steps = batches.steps(len(taken.truth["train"]), settings.batch)
    stage = Stage(name, settings.epochs, steps, settings.rate, settings.smoothing, settings.average)
    learned = learn(
        stage,
        planned.build,
        lambda first: batches.training(planned.seen, targets, taken.weights["train"], mix, settings.epochs, first),
        batches.measuring(taken.crops["val"], taken.truth["val"], taken.weights["val"], classes),
        out,
        seed=settings.seed,
        resume=resume,
        key=run_key(settings, taken, **planned.more),
        strategy=strategy,
        chief=chief,
    )
    if not chief:
        return {}
    keras.mixed_precision.set_global_policy("float32")
    model = planned.build()
    model.set_weights(keras.models.load_model(learned.best, compile=False).get_weights())
    return finish(model, folder, out, settings, taken, [(stage, learned)], time.time() - started, planned.more)


def run_key(settings: Settings, taken: Material, **more: object) -> str:
    """What an unfinished run must have in common with the one that goes on with it."""
    what = asdict(settings) | {"data": data.split_hash(taken.everything)} | more
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def finish(
    model: keras.Model,
    folder: Path,
    out: Path,
    settings: Settings,
    taken: Material,
    stages: list[tuple[Stage, Learned]],
    seconds: float,
    more: dict | None = None,
) -> dict:
    """Measures the network on val, on test and on labelled cells of marked fields; writes model.keras and run.json;
    tidies up where nothing is left to do.
    """
    labels, results = taken.labels, {}
    moved = None
    if settings.thresholds:
        answers = run.predict(model, taken.crops["val"])
        moved = thresholds.correct(model, taken.truth["val"], answers, taken.weights["val"])
    for name in ("val", "test"):
        probabilities = run.predict(model, taken.crops[name], len(labels))
        sources = [e.source for e in taken.examples[name]]
        truth = data.targets(taken.examples[name], labels)
        results[name] = evaluate.by_source(truth, probabilities, sources, labels)
    found = field_cells.read(folder, settings.size, settings.policy, labels, settings.ruler)
    if len(found.truth):
        probabilities = run.predict(model, found.crops, len(labels))
        results["fields"] = evaluate.by_source(found.truth, probabilities, found.sources, labels)
    learned = stages[-1][1]
    report = {
        "version": __version__,
        "network": model.name,
        "parameters": model.count_params(),
        "labels": list(labels),
        "kinds": list(taken.kinds),
        "size": settings.size,
        "crop": {"policy": settings.policy, "version": crop.POLICIES[settings.policy]},
        "settings": asdict(settings) | (more or {}),
        "thresholds_moved": moved,
        "finished": all(each.finished for _, each in stages),
        "best_epoch": learned.best_epoch,
        "seconds": round(seconds, 1),
        "data": {
            "folder": str(folder.resolve()),
            "counts": data.describe(taken.everything),
            "split_sha256": data.split_hash(taken.everything),
        },
        "metrics": results,
        "history": learned.history,
        "stages": [{"name": s.name, "epochs": s.epochs, "best_epoch": d.best_epoch, **d.history} for s, d in stages],
    }
    try:
        model.save(out / "model.keras")
        (out / "run.json").write_text(json.dumps(contract.document(report), indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}.") from error
    if report["finished"]:
        for stage, _ in stages:
            for end in ("json", "last.keras", "best.keras"):
                (out / f"{stage.name}.{end}").unlink(missing_ok=True)
    return report
