"""What is to be converted: a training run, or a Keras file of the user's own, with the pictures that prove it."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from edge.crop import POLICIES
from edge.errors import UserError, reason
from train import data
from train import run as runs
from train.evaluation import model_card
from train.networks import MEANS

PREPROCESS = ("raw", "unit", "tf", "caffe")


@dataclass(frozen=True)
class Source:
    """model: RGB 0..255 float32 [batch, size, size, 3] -> probabilities [batch, labels]; folder, examples: its data,
    with splits; document: the contract as far as it comes from the model and its data; figures: by_source() of the
    float model by split, where its training wrote them down.
    """

    model: keras.Model
    folder: Path
    examples: list[data.Example]
    document: dict
    figures: dict | None = None

    @property
    def labels(self) -> list[str]:
        return self.document["labels"]

    @property
    def kinds(self) -> list[str]:
        """What the network tells apart, in the order of its outputs."""
        return self.document.get("kinds", self.labels)

    @property
    def size(self) -> int:
        return self.document["input"]["size"]

    @property
    def policy(self) -> str:
        return self.document["crop"]["policy"]

    def split(self, name: str) -> tuple[list[data.Example], np.ndarray]:
        """The examples of one split and their crops, uint8 [n, size, size, 3]."""
        chosen = data.only(self.examples, name)
        return chosen, self.crops(chosen)

    def crops(self, examples: Sequence[data.Example]) -> np.ndarray:
        return data.crops(self.folder, examples, self.size, self.policy)

    def layers(self) -> list[str]:
        """The names of all layers, nested ones too."""
        return [layer.name for layer in flat(self.model)]


def of_run(run: Path, folder: Path | None = None) -> Source:
    """A folder that `train` wrote; `folder`: its data, where it isn't any more where the run found it.

    Raises UserError for what isn't a run of a classifier, or data that isn't the run's.
    """
    told, model = runs.read(run)
    folder = folder or Path(told["data"]["folder"])
    examples = runs.examples(run, told, folder)
    document = _document(
        told["network"],
        told["parameters"],
        told["labels"],
        told["size"],
        told["crop"],
        run / "model.keras",
        {key: told["data"][key] for key in ("counts", "split_sha256")},
        "Apache-2.0",
    )
    if len(runs.kinds(told)) > len(told["labels"]):
        document["kinds"] = runs.kinds(told)
    document["training"] = told["settings"] | {"best_epoch": told["best_epoch"], "code_version": told["version"]}
    return Source(model, folder, examples, document, told["metrics"])


def of_file(
    file: Path,
    folder: Path | None,
    labels: Sequence[str],
    preprocess: str = "raw",
    size: int | None = None,
    policy: str = "whole-image",
) -> Source:
    """A .keras or .h5 file of any image classifier.

    folder: labelled pictures to calibrate on and to prove the result by; labels: in the order of the outputs (of one
    sigmoid output: what 0 and 1 mean); preprocess: what the network expects of its caller, which goes into the graph;
    size: its input's width, where the file leaves it open. Raises UserError for what can't be converted, and why.
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
    document = _document(
        re.sub(r"[^\w.-]+", "-", file.stem),
        model.count_params(),
        list(labels),
        size,
        {"policy": policy, "version": POLICIES[policy]},
        file,
        {"counts": data.describe(examples), "split_sha256": data.split_hash(examples)},
        "not stated: the network's maker's",
    )
    document["preprocess"] = preprocess
    source = Source(model, folder, examples, document)
    _check_probabilities(file, model, source.crops(data.only(examples, "train")[:16]))
    return source


def _document(
    network: str,
    parameters: int,
    labels: list[str],
    size: int,
    crop: dict,
    keras_file: Path,
    told: dict,
    licence: str,
) -> dict:
    return {
        "network": network,
        "parameters": parameters,
        "input": {"size": size, "dtype": "uint8", "colour": "RGB", "range": [0, 255]},
        "labels": labels,
        "crop": crop,
        "decision": {"temperature": 1.0},
        "keras_sha256": hashlib.sha256(keras_file.read_bytes()).hexdigest(),
        "data": told,
        "attributions": model_card.attributions(told["counts"], network),
        "licence": licence,
    }


def _load(file: Path) -> keras.Model:
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
    """An image classifier with so many answers, and its input's width. Raises UserError for anything else."""
    if not getattr(model, "inputs", None):
        raise UserError(f"{file} has no input shape; build the model, or call it once, before it is saved.")
    for what, ends in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(ends) != 1:
            raise UserError(
                f"{file} has {len(ends)} {what}; an image classifier has one picture in and one answer out."
            )
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[3] != 3:
        raise UserError(f"{file} takes {list(shape[1:])}; only RGB pictures [size, size, 3] can be fed to it.")
    found = shape[1] or shape[2] or size
    if found is None:
        raise UserError(f"{file} takes pictures of any size; say which with --size.")
    if {shape[1], shape[2]} - {found, None}:
        raise UserError(f"{file} takes pictures of {shape[1]} x {shape[2]}; only square ones are supported.")
    if size not in (None, found):
        raise UserError(f"{file} takes pictures {found} pixels wide, not {size}; leave --size away.")
    outputs = tuple(model.outputs[0].shape)
    if outputs == (None, 1) and classes == 2:
        inputs = keras.Input((found, found, 3))
        yes = model(inputs)
        return keras.Model(inputs, keras.ops.concatenate([1.0 - yes, yes], axis=-1), name=model.name), found
    if outputs[1:] != (classes,):
        raise UserError(f"{file} gives {list(outputs[1:])} numbers a picture, and --labels names {classes} classes.")
    return model, found


def _with_preprocess(model: keras.Model, preprocess: str, size: int) -> keras.Model:
    """As keras.applications.imagenet_utils.preprocess_input() has it; "unit" is 0..1."""
    layers = keras.layers
    inputs = keras.Input((size, size, 3))
    if preprocess == "raw":
        x = inputs
    elif preprocess == "unit":
        x = layers.Rescaling(1 / 255)(inputs)
    elif preprocess == "tf":
        x = layers.Rescaling(1 / 127.5, -1.0)(inputs)
    elif preprocess == "caffe":
        turn = layers.Conv2D(3, 1, name="rgb_to_bgr")  # a convolution, which is exact and fast in int8 as well
        x = turn(inputs)
        turn.set_weights([np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3), -np.array(MEANS[::-1], np.float32)])
    else:
        raise UserError(f"Unknown preprocessing {preprocess!r}; known are {', '.join(PREPROCESS)}.")
    return keras.Model(inputs, model(x), name=model.name)


def _labelled(folder: Path, labels: Sequence[str]) -> list[data.Example]:
    """The pictures under these labels; class folders may be capitalised and in the plural, as in train.data.read()."""
    spelled = {label.lower().removesuffix("s"): label for label in labels} | {label: label for label in labels}
    found = data.read(folder, None)
    known = ", ".join(sorted({e.label for e in found})) or "none at all"
    examples = [data.Example(e.path, spelled[e.label], e.split, e.source, e.cell) for e in found if e.label in spelled]
    counts = Counter((e.split, e.label) for e in examples)
    for split in data.SPLITS:
        for label in labels:
            if not counts[split, label]:
                raise UserError(
                    f"{folder} holds no {label} in its {split} split; each class needs pictures in each "
                    f"(classes found: {known})."
                )
    return examples


def _check_probabilities(file: Path, model: keras.Model, crops: np.ndarray) -> None:
    answers = runs.predict(model, crops)
    if answers.min() < 0 or abs(answers.sum(axis=1) - 1).max() > 1e-3:
        raise UserError(
            f"{file} doesn't answer with probabilities (its outputs don't sum to 1); let it end with a softmax."
        )


def flat(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        else:
            yield layer
