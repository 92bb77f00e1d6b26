"""The model to convert and its labelled pictures, read from a training run or from a user's own Keras file."""

import hashlib
import logging
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from convert import gate, keras2, saved_model
from edge.contract import Contract, Crop, Data, Decision, Figures, Input, Quantization
from edge.crop import POLICIES
from edge.errors import UserError, reason
from edge.site import class_names
from edge.system.progress import Progress, silent
from train import run as runs
from train.data import crop_cache, dataset
from train.data.dataset import Example
from train.evaluation import evaluate, model_card
from train.networks import MEANS
from train.provenance import Made

logger = logging.getLogger(__name__)
# Pixel values that a network may expect: 0..255, 0..1, -1..1, or BGR minus ImageNet's means.
PREPROCESS = ("raw", "unit", "tf", "caffe")
_TRIED = 200  # at most about this many val pictures show which pixel values a network expects
_CHANCE = 0.05  # another preprocessing is named if, by McNemar's test, chance explains its gain with less than this
# Files of other programs, by their ending: what they are, and what to do.
_OTHERS = {
    ".onnx": "an ONNX network",
    ".pt": "a PyTorch network",
    ".pth": "a PyTorch network",
    ".pb": "a TensorFlow graph",
    ".safetensors": "a file of weights",
    ".ckpt": "a file of weights",
}


@dataclass(frozen=True)
class Source:
    """A network to convert, with the pictures on which the result is tested.

    Attributes:
        model: maps RGB 0..255, float32 [batch, size, size, 3], to probabilities, float32 [batch, kinds].
        folder: the data set.
        examples: the pictures of the data set, each with its split.
        contract: the contract as far as the model and its data give it; its quantization is the Keras model's, float32.
        figures: accuracy of the float model by split and source; None if no training run measured it.
        made: what trained the model; None if that isn't known.
    """

    model: keras.Model
    folder: Path
    examples: list[Example]
    contract: Contract
    figures: dict[str, dict[str, Figures]] | None = None
    made: Made | None = None

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
    return Source(model, folder, runs.examples(run, report, folder), contract, report.metrics, report.made)


def of_file(
    file: Path,
    folder: Path | None,
    labels: Sequence[str],
    preprocess: str | None = None,
    size: int | None = None,
    policy: str = "whole-image",
) -> Source:
    """Reads a .keras or .h5 file, or a SavedModel, of any image classifier.

    Args:
        file: the file, or the SavedModel's folder.
        folder: labelled pictures, for calibration and for testing the result.
        labels: the classes in the order of the outputs; for a single sigmoid output, the meanings of 0 and 1.
        preprocess: the pixel values that the network expects, one of PREPROCESS. The conversion to them becomes part
            of the graph. None for "raw", unless the network reads val better with another: then it has to be named.
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
    bare, size = _usable(file, _in_float32(file, load(file)), len(labels), size)
    examples = _labelled(folder, labels)
    counts = dataset.describe(examples)
    model = _with_preprocess(bare, preprocess or "raw", size)
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
        preprocess=preprocess or "raw",
        quantization=Quantization("float32"),
    )
    source = Source(model, folder, examples, contract)
    _check_probabilities(file, model, source.crops(dataset.only(examples, "train")[:16]))
    if other := _better(source, bare, preprocess):
        raise UserError(f"{file} {other}")
    return source


def _sha256(path: Path) -> str:
    """The hash of a file, or of the files in a folder together."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()


def load(file: Path) -> keras.Model:
    """The model in a Keras file or in the folder of a SavedModel; a file that Keras 2 saved is translated.

    Raises:
        UserError: for any other file, which is named for what it is, and for a model with custom or Lambda layers.
    """
    if file.is_dir():
        return saved_model.load(file)
    try:
        with keras2.translated(file) as readable:
            model = keras.models.load_model(readable, compile=False)
    except Exception as error:  # Keras, h5py and zipfile raise many types of exception
        text = str(error)
        if "TFOpLambda" in text:
            raise UserError(
                f"{file} computes something outside of its layers, which Keras 2 saved as TFOpLambda; save it there as "
                "a SavedModel, with model.save('mine', save_format='tf'), or build it from Keras's own layers."
            ) from error
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
        raise _not_keras(file, error) from error
    if not isinstance(model, keras.Model):
        raise _not_keras(file)
    return model


def _not_keras(path: Path, error: Exception | None = None) -> UserError:
    """Says what a file is that isn't a Keras model, and what to do. error: of the attempt to load it."""
    way = "save the whole model with Keras, as model.save('mine.keras')"
    head, weights = b"", False
    with suppress(OSError):
        with path.open("rb") as opened:
            head = opened.read(64)
        with h5py.File(path) as opened:
            weights = "model_config" not in opened.attrs
    if weights:
        return UserError(
            f"{path} holds weights alone, without a network: build it, load them with load_weights, and {way}."
        )
    if head[4:8] == b"TFL3":
        return UserError(f"{path} is a .tflite file already; name the Keras model that it was made from.")
    if head.startswith(b"version https://git-lfs"):
        return UserError(f"{path} is only a pointer to a file in Git LFS; fetch it with `git lfs pull`.")
    if what := _OTHERS.get(path.suffix.lower()):
        return UserError(f"{path} is {what}, which can't be converted; rebuild it in Keras and {way}.")
    why = f" ({reason(error)})" if isinstance(error, OSError) and error.errno else ""
    if not why and (zipfile.is_zipfile(path) or h5py.is_hdf5(path)):
        why = " that this version of Keras can read"
    return UserError(f"{path} is not a Keras model{why}; name a .keras or .h5 file, or a folder that `train` wrote.")


def _in_float32(file: Path, model: keras.Model) -> keras.Model:
    """The model with float32 for all weights and all computation; a model of mixed precision has float16 in it."""
    policies = [layer.dtype_policy for layer in flat(model) if not isinstance(layer, keras.layers.InputLayer)]
    if all((each.variable_dtype, each.compute_dtype) == ("float32", "float32") for each in policies):
        return model
    if any(isinstance(each, keras.dtype_policies.QuantizedDTypePolicy) for each in policies):
        raise UserError(f"{file} was quantized by Keras; save the float model from before, which `convert` quantizes.")
    weights = model.get_weights()
    for layer in flat(model):
        layer.dtype_policy = keras.DTypePolicy("float32")
    try:
        copy = keras.models.clone_model(model)
        copy.set_weights([each.astype(np.float32) for each in weights])
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} computes in float16; save it in float32: {reason(error)}.") from error
    logger.info("%s computes in %s; its float32 form is converted.", file, policies[-1].compute_dtype)
    return copy


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
    logits = _ends_linear(model)
    inputs = keras.Input((width, width, 3))
    if outputs == (None, 1) and classes == 2:
        yes = model(inputs)
        if logits:
            logger.info("%s ends in a logit; a sigmoid was added.", file)
            yes = keras.layers.Activation("sigmoid")(yes)
        return keras.Model(inputs, keras.ops.concatenate([1.0 - yes, yes], axis=-1), name=model.name), width
    if outputs[1:] != (classes,):
        raise UserError(f"{file} gives {list(outputs[1:])} numbers per picture, but --labels names {classes} classes.")
    if logits:
        logger.info("%s ends in logits; a softmax was added.", file)
        return keras.Model(inputs, keras.layers.Softmax()(model(inputs)), name=model.name), width
    return model, width


def _ends_linear(model: keras.Model) -> bool:
    """Whether the last thing that a model computes is a layer without an activation, so that it gives logits."""
    last = getattr(model, "operations", model.layers)[-1]  # an operation need not be a layer
    if isinstance(last, keras.Model):
        return _ends_linear(last)
    return getattr(last, "activation", None) is keras.activations.linear


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


def _better(source: Source, bare: keras.Model, preprocess: str | None) -> str:
    """Which preprocessing reads val clearly better than the chosen one, in words; "" if none does.

    Args:
        source: the model with the chosen preprocessing, and its data.
        bare: the model without preprocessing.
        preprocess: as the user chose it; the others are then tried only if the network answers at chance. None if the
            user chose none.
    """
    val = dataset.only(source.examples, "val")
    val = val[:: -(-len(val) // _TRIED)]
    crops, truth = source.crops(val), dataset.targets(val, source.labels)

    def answers(model: keras.Model) -> np.ndarray:
        return runs.predict(model, crops).argmax(axis=1)

    def chance(called: np.ndarray) -> bool:
        return gate.at_chance(evaluate.metrics(truth, np.eye(len(source.labels))[called], source.labels))

    chosen, own = preprocess or "raw", answers(source.model)
    if preprocess and not chance(own):
        return ""
    others = {each: answers(_with_preprocess(bare, each, source.size)) for each in PREPROCESS if each != chosen}
    best = max(others, key=lambda each: int((others[each] == truth).sum()))
    changes = gate.changes(truth, own, others[best])
    if changes.mended <= changes.spoiled or changes.p >= _CHANCE or chance(others[best]):
        return ""
    before, after = (100 * float((called == truth).mean()) for called in (own, others[best]))
    return (
        f"reads {before:.0f} % of {len(val)} val pictures rightly with --preprocess {chosen}, but {after:.0f} % with "
        f"{best}: most likely it was trained so. Add --preprocess {best}"
        + ("." if chance(own) else f", or --preprocess {chosen} to keep it as it is.")
    )


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
            f"{file} doesn't answer with probabilities (its outputs don't sum to 1, as those of several sigmoids); let "
            "it end with a softmax."
        )


def flat(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers of a model; a nested model is replaced by its own layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        else:
            yield layer
