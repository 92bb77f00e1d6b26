"""The model to convert and its labelled pictures, read from a training run or from a user's own Keras file."""

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
from edge.site import class_names
from edge.system.progress import Progress, silent
from train import run as runs
from train.data import crop_cache, dataset
from train.data.dataset import Example
from train.evaluation import model_card
from train.networks import MEANS

# Pixel values that a network may expect: 0..255, 0..1, -1..1, or BGR minus ImageNet's means.
PREPROCESS = ("raw", "unit", "tf", "caffe")


@dataclass(frozen=True)
class Source:
    """A network to convert, with the pictures on which the result is tested.

    Attributes:
        model: maps RGB 0..255, float32 [batch, size, size, 3], to probabilities, float32 [batch, kinds].
        folder: the data set.
        examples: the pictures of the data set, each with its split.
        contract: the contract as far as the model and its data give it; its quantization is the Keras model's, float32.
        figures: accuracy of the float model by split and source; None if no training run measured it.
    """

    model: keras.Model
    folder: Path
    examples: list[Example]
    contract: Contract
    figures: dict[str, dict[str, Figures]] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that an answer can have."""
        return self.contract.labels

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cell that the network distinguishes, in the order of its outputs."""
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
        """The names of all layers, including those of nested models."""
        return [layer.name for layer in flat(self.model)]


def of_run(run: Path, folder: Path | None = None) -> Source:
    """Reads the classifier of a training run.

    Args:
        run: a folder that `train` wrote.
        folder: the data set; None if it is still where it was during training.

    Raises:
        UserError: if `run` isn't the training run of a classifier, or if the data set isn't the one it was trained on.
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
    """Reads a .keras or .h5 file of any image classifier.

    Args:
        file: the file.
        folder: labelled pictures, for calibration and for testing the result.
        labels: the classes in the order of the outputs; for a single sigmoid output, the meanings of 0 and 1.
        preprocess: the pixel values that the network expects, one of PREPROCESS. The conversion to them becomes part
            of the graph.
        size: width and height of the input in pixels; needed only if the file accepts any size.
        policy: how crops are made, a key of edge.crop.POLICIES.

    Raises:
        UserError: if the model can't be converted; the message says why.
    """
    if folder is None:
        raise UserError(f"{file} holds no pictures; name a folder of labelled ones with --data DIR.")
    if not labels:
        raise UserError(f"{file} doesn't name its classes; name them in the order of its outputs with --labels A,B.")
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
    """The model in a Keras file. Raises UserError for any other file, and for a model with custom or Lambda layers."""
    try:
        model = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras, h5py and zipfile raise many types of exception
        text = str(error)
        custom = re.search(
            r"(?:[Cc]ould not locate (?:class|function)|Unknown (?:layer|\w+ function):?) '([^']+)'", text
        )
        if custom:
            raise UserError(
                f"{file} needs code of its own ({custom[1]}), which isn't stored in the file; "
                "build the model from Keras's own layers."
            ) from error
        if "lambda" in text.lower():
            raise UserError(
                f"{file} holds a Lambda layer, whose code isn't run for safety; "
                "build the model from Keras's own layers."
            ) from error
        why = f" ({reason(error)})" if isinstance(error, OSError) and error.errno else ""
        raise UserError(
            f"{file} is not a Keras model{why}; name a .keras or .h5 file, or a folder that `train` wrote."
        ) from error
    if not isinstance(model, keras.Model):
        raise UserError(f"{file} is not a Keras model; name a .keras or .h5 file, or a folder that `train` wrote.")
    return model


def _usable(file: Path, model: keras.Model, classes: int, size: int | None) -> tuple[keras.Model, int]:
    """The model with one probability per class, and the width of its input in pixels.

    Args:
        file: where the model comes from, for messages.
        model: the model as it was loaded.
        classes: how many classes the user named.
        size: width of the input in pixels as the user gave it; None if not given.

    Raises:
        UserError: if the model isn't a classifier of square RGB pictures with this number of classes.
    """
    if not getattr(model, "inputs", None):
        raise UserError(f"{file} has no input shape; build the model, or call it once, before saving it.")
    for what, ends in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(ends) != 1:
            raise UserError(
                f"{file} has {len(ends)} {what}; an image classifier takes one picture and gives one answer."
            )
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[3] != 3:
        raise UserError(
            f"{file} takes arrays of shape {list(shape[1:])}; only RGB pictures [size, size, 3] are supported."
        )
    width = shape[1] or shape[2] or size
    if width is None:
        raise UserError(f"{file} takes pictures of any size; choose a width in pixels with --size.")
    if {shape[1], shape[2]} - {width, None}:
        raise UserError(f"{file} takes pictures of {shape[1]} x {shape[2]}; only square ones are supported.")
    if size not in (None, width):
        raise UserError(f"{file} takes pictures {width} pixels wide, not {size}; leave out --size.")
    outputs = tuple(model.outputs[0].shape)
    if outputs == (None, 1) and classes == 2:
        inputs = keras.Input((width, width, 3))
        yes = model(inputs)
        return keras.Model(inputs, keras.ops.concatenate([1.0 - yes, yes], axis=-1), name=model.name), width
    if outputs[1:] != (classes,):
        raise UserError(f"{file} gives {list(outputs[1:])} numbers per picture, but --labels names {classes} classes.")
    return model, width


def _with_preprocess(model: keras.Model, preprocess: str, size: int) -> keras.Model:
    """The model with its preprocessing as first layers, so that it takes RGB 0..255.

    "tf" and "caffe" mean the same as in keras.applications.imagenet_utils.preprocess_input. "unit" divides by 255.

    Raises:
        UserError: if `preprocess` isn't one of PREPROCESS.
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
        swap = layers.Conv2D(3, 1, name="rgb_to_bgr")  # a convolution is exact and fast in int8, too
        x = swap(inputs)
        swap.set_weights([np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3), -np.array(MEANS[::-1], np.float32)])
    else:
        raise UserError(f"Unknown preprocessing {preprocess!r}; known are {', '.join(PREPROCESS)}.")
    return keras.Model(inputs, model(x), name=model.name)


def _labelled(folder: Path, labels: Sequence[str]) -> list[Example]:
    """The pictures with these labels.

    As in train.data.dataset.read, the folder of a class may be written otherwise ("Monocytes", "LY").

    Raises:
        UserError: if a split lacks a class.
    """
    spelled = {class_names.label(label): label for label in labels} | {label: label for label in labels}
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
    """Raises UserError if the model's answers to these crops aren't probabilities."""
    answers = runs.predict(model, crops)
    if answers.min() < 0 or abs(answers.sum(axis=1) - 1).max() > 1e-3:
        raise UserError(
            f"{file} doesn't answer with probabilities (its outputs don't sum to 1); let it end with a softmax."
        )


def flat(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers of a model; a nested model is replaced by its own layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        else:
            yield layer
