"""What is to be converted, with the pictures that prove it: a training run, or a Keras file of the user's own."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from edge.contract import Contract, Crop, Data, Decision, Figures, Input, Quantization
from edge.crop import POLICIES
from edge.errors import UserError, reason
from edge.system.progress import Progress, silent
from train import run as runs
from train.data import crop_cache, dataset
from train.data.dataset import Example
from train.evaluation import model_card
from train.networks import MEANS

# What a network can expect of its caller: 0..255, 0..1, -1..1, or BGR minus ImageNet's means.
PREPROCESS = ("raw", "unit", "tf", "caffe")


@dataclass(frozen=True)
class Source:
    """A network to be converted, with the pictures that prove it.

    Attributes:
        model: RGB 0..255, float32 [batch, size, size, 3] -> probabilities, float32 [batch, kinds].
        folder: of its data set.
        examples: its pictures, with splits.
        contract: what the model and its data say of themselves; its quantization is that of the Keras model.
        figures: of the float model by split and source, if its training run measured them.
    """

    model: keras.Model
    folder: Path
    examples: list[Example]
    contract: Contract
    figures: dict[str, dict[str, Figures]] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What an answer can be."""
        return self.contract.labels

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the network tells apart, in the order of its outputs."""
        return self.contract.kinds or self.labels

    @property
    def size(self) -> int:
        """Width and height of the input, in pixels."""
        return self.contract.input.size

    @property
    def policy(self) -> str:
        """How crops are made, a key of edge.crop.POLICIES."""
        assert self.contract.crop
        return self.contract.crop.policy

    def split(self, name: str, progress: Progress = silent) -> tuple[list[Example], np.ndarray]:
        """The examples of one split and their crops, uint8 [n, size, size, 3]."""
        chosen = dataset.only(self.examples, name)
        return chosen, self.crops(chosen, progress)

    def crops(self, examples: Sequence[Example], progress: Progress = silent) -> np.ndarray:
        """The crops of these examples, uint8 [n, size, size, 3]."""
        return crop_cache.crops(self.folder, examples, self.size, self.policy, progress=progress)

    def layers(self) -> list[str]:
        """The names of all layers, those of nested models too."""
        return [layer.name for layer in flat(self.model)]


def of_run(run: Path, folder: Path | None = None) -> Source:
    """A folder that `train` wrote.

    Args:
        run: the folder.
        folder: of the data set; None if it is still where the run found it.

    Raises:
        UserError: if it isn't a run of a classifier, or if the data isn't the run's.
    """
    report, model = runs.read(run)
    folder = folder or Path(report.data.folder)
    contract = Contract(
        network=report.network,
        parameters=report.parameters,
        input=Input(report.size),
        labels=report.labels,
        crop=report.crop,
        decision=Decision(temperature=1.0),
        keras_sha256=_sha256(run / "model.keras"),
        data=Data(report.data.counts, report.data.split_sha256),
        attributions=model_card.attributions(report.data.counts, report.network),
        licence="Apache-2.0",
        kinds=report.kinds if len(report.kinds) > len(report.labels) else None,
        training=report.settings | {"best_epoch": report.best_epoch, "code_version": report.version},
        quantization=Quantization("float32"),
    )
    return Source(model, folder, runs.examples(run, report, folder), contract, report.metrics)


def of_file(
    file: Path,
    folder: Path | None,
    labels: Sequence[str],
    preprocess: str = "raw",
    size: int | None = None,
    policy: str = "whole-image",
) -> Source:
    """A .keras or .h5 file of any image classifier.

    Args:
        file: the file.
        folder: of labelled pictures, to calibrate on and to prove the result by.
        labels: in the order of the outputs; of a single sigmoid output, what 0 and 1 mean.
        preprocess: what the network expects of its caller, one of PREPROCESS; it becomes part of the graph.
        size: width and height of the input in pixels, if the file leaves them open.
        policy: how crops are made, a key of edge.crop.POLICIES.

    Raises:
        UserError: if it can't be converted; the message says why.
    """
    if folder is None:
        raise UserError(f"{file} comes without data; name labelled pictures with --data DIR to calibrate and prove it.")
    if not labels:
        raise UserError(f"{file} doesn't name its classes; give them in the order of its outputs, --labels a,b.")
    if len(set(labels)) < len(labels):
        raise UserError(f"--labels {','.join(labels)} names a class twice.")
    model = _load(file)
    model, size = _usable(file, model, len(labels), size)
    model = _with_preprocess(model, preprocess, size)
    examples = _labelled(folder, labels)
    counts = dataset.describe(examples)
    network = re.sub(r"[^\w.-]+", "-", file.stem)
    contract = Contract(
        network=network,
        parameters=model.count_params(),
        input=Input(size),
        labels=tuple(labels),
        crop=Crop(policy, POLICIES[policy]),
        decision=Decision(temperature=1.0),
        keras_sha256=_sha256(file),
        data=Data(counts, dataset.split_hash(examples)),
        attributions=model_card.attributions(counts, network),
        licence="not stated: the network's maker's",
        preprocess=preprocess,
        quantization=Quantization("float32"),
    )
    source = Source(model, folder, examples, contract)
    _check_probabilities(file, model, source.crops(dataset.only(examples, "train")[:16]))
    return source


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _load(file: Path) -> keras.Model:
    """The model of a Keras file. Raises UserError for another file, and for one that brings code of its own."""
    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras, h5py and zipfile each raise what they like
        text = str(error)
        custom = re.search(
            r"(?:[Cc]ould not locate (?:class|function)|Unknown (?:layer|\w+ function):?) '([^']+)'", text
        )
        if custom:
            raise UserError(
                f"{file} holds code of its own ({custom[1]}), which a file can't bring along; "
                "build the model of Keras's own layers."
            ) from error
        if "lambda" in text.lower():
            raise UserError(
                f"{file} holds a Lambda layer, whose code isn't run for safety; build it of Keras's own layers."
            ) from error
        why = f" ({reason(error)})" if isinstance(error, OSError) and error.errno else ""
        raise UserError(
            f"{file} is not a Keras model{why}; name a .keras or .h5 file, or a folder of `train`."
        ) from error
    if not isinstance(model, keras.Model):
        raise UserError(f"{file} is not a Keras model; name a .keras or .h5 file, or a folder that `train` wrote.")
    return model


def _usable(file: Path, model: keras.Model, classes: int, size: int | None) -> tuple[keras.Model, int]:
    """The model, with one probability a class, and the width of its input in pixels.

    Raises:
        UserError: if it isn't a classifier of RGB pictures with so many classes.
    """
    if not getattr(model, "inputs", None):
        raise UserError(f"{file} has no input shape; build the model, or call it once, before it is saved.")
    for what, ends in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(ends) != 1:
            raise UserError(
                f"{file} has {len(ends)} {what}; an image classifier takes one picture and gives one answer."
            )
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[3] != 3:
        raise UserError(f"{file} takes {list(shape[1:])}; only RGB pictures [size, size, 3] can be fed to it.")
    width = shape[1] or shape[2] or size
    if width is None:
        raise UserError(f"{file} takes pictures of any size; say which with --size.")
    if {shape[1], shape[2]} - {width, None}:
        raise UserError(f"{file} takes pictures of {shape[1]} x {shape[2]}; only square ones are supported.")
    if size not in (None, width):
        raise UserError(f"{file} takes pictures {width} pixels wide, not {size}; leave --size away.")
    outputs = tuple(model.outputs[0].shape)
    if outputs == (None, 1) and classes == 2:
        inputs = keras.Input((width, width, 3))
        yes = model(inputs)
        return keras.Model(inputs, keras.ops.concatenate([1.0 - yes, yes], axis=-1), name=model.name), width
    if outputs[1:] != (classes,):
        raise UserError(f"{file} gives {list(outputs[1:])} numbers a picture, and --labels names {classes} classes.")
    return model, width


def _with_preprocess(model: keras.Model, preprocess: str, size: int) -> keras.Model:
    """The model with its preprocessing in front, so that it takes RGB 0..255.

    "tf" and "caffe" are those of keras.applications.imagenet_utils.preprocess_input; "unit" is a division by 255.

    Raises:
        UserError: for another word than those of PREPROCESS.
    """
    layers = keras.layers
    inputs = keras.Input((size, size, 3))
    if preprocess == "raw":
        x = inputs
    elif preprocess == "unit":
        x = layers.Rescaling(1 / 255)(inputs)
    elif preprocess == "tf":
        x = layers.Rescaling(1 / 127.5, -1.0)(inputs)
    elif preprocess == "caffe":
        turn = layers.Conv2D(3, 1, name="rgb_to_bgr")  # a convolution is exact and fast in int8, too
        x = turn(inputs)
        turn.set_weights([np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3), -np.array(MEANS[::-1], np.float32)])
    else:
        raise UserError(f"Unknown preprocessing {preprocess!r}; known are {', '.join(PREPROCESS)}.")
    return keras.Model(inputs, model(x), name=model.name)


def _labelled(folder: Path, labels: Sequence[str]) -> list[Example]:
    """The pictures with these labels. Class folders may be capitalised or in the plural, as in train.data.dataset.read.

    Raises:
        UserError: if a split lacks a class.
    """
    spelled = {label.lower().removesuffix("s"): label for label in labels} | {label: label for label in labels}
    every = dataset.read(folder, None)
    known = ", ".join(sorted({e.label for e in every})) or "none at all"
    examples = [Example(e.path, spelled[e.label], e.split, e.source, e.cell) for e in every if e.label in spelled]
    counts = Counter((e.split, e.label) for e in examples)
    for split in dataset.SPLITS:
        for label in labels:
            if not counts[split, label]:
                raise UserError(
                    f"{folder} holds no {label} in its {split} split; each class needs pictures in each split "
                    f"(classes found: {known})."
                )
    return examples


def _check_probabilities(file: Path, model: keras.Model, crops: np.ndarray) -> None:
    """Raises UserError if the model doesn't answer these crops with probabilities."""
    answers = runs.predict(model, crops)
    if answers.min() < 0 or abs(answers.sum(axis=1) - 1).max() > 1e-3:
        raise UserError(
            f"{file} doesn't answer with probabilities (its outputs don't sum to 1); let it end with a softmax."
        )


def flat(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of a model, and in place of a nested model its layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        else:
            yield layer
