"""The contract of a model file: all that a runner and a reader must know, stored as JSON inside the .tflite file.

`read` makes dataclasses of the JSON and `write` makes JSON of the dataclasses. Keys that were chosen before a field got
its present name stay as they are, so that older files can be read; such a field names its key.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.share import Share

VERSION = 2  # of the contract that `convert` writes
KNOWN = (1, 2)  # versions that can be read; the first had no subclasses, no risks and no features


def _key(name: str, **more: Any) -> Any:
    """A field that stands under another key in the JSON."""
    return field(metadata={"key": name}, **more)


@dataclass(frozen=True)
class Input:
    """What the graph takes.

    Attributes:
        size: width and height in pixels.
        dtype: "uint8".
        colour: "RGB".
        range: the lowest and the highest level, (0, 255); scaling is inside the graph.
    """

    size: int
    dtype: str = "uint8"
    colour: str = "RGB"
    range: tuple[int, ...] = (0, 255)


@dataclass(frozen=True)
class Crop:
    """Which preprocessing the network was trained on; see edge.crop.

    Attributes:
        policy: a key of edge.crop.POLICIES.
        version: which version of that policy.
    """

    policy: str
    version: int


@dataclass(frozen=True)
class Platt:
    """Platt scaling of the logit of *other*: (logit - shift) / scale.

    Attributes:
        scale: above 0; above 1 makes answers less sure.
        shift: in logits.
    """

    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Thresholds:
    """What an answer must keep to at one stated risk; None where the model has no such threshold.

    Attributes:
        max_distance: largest Mahalanobis distance from the training cells, above 0; 1 is usual.
        max_other: largest probability of *other* with which a cell still gets a name, 0 to 1.
        min_other: least probability with which a cell is called *other*, 0 to 1.
        min_subclass: least probability of the likeliest kind of *other*, 0 to 1.
        min_confidence: least probability of the likelier name, among the names, 0 to 1.
    """

    max_distance: float | None = _key("far", default=None)
    max_other: float | None = _key("named", default=None)
    min_other: float | None = _key("other", default=None)
    min_subclass: float | None = _key("alike", default=None)
    min_confidence: float | None = _key("sure", default=None)


@dataclass(frozen=True)
class Decision:
    """How answers are made of probabilities; see edge.decide.

    Attributes:
        temperature: divides the logits of the names, above 0.
        other: Platt scaling of *other*; None where the model doesn't know *other*.
        risks: thresholds by stated risk, such as "0.01": at most that share of the answers given may be wrong.
    """

    temperature: float
    other: Platt | None = _key("rest", default=None)
    risks: dict[str, Thresholds] | None = None


@dataclass(frozen=True)
class Data:
    """What the network was trained and measured on.

    Attributes:
        counts: pictures by source, split and label.
        split_sha256: hash over which picture is in which split under which label.
        clear: of a locator, single-cell pictures with a clear nucleus that it learned from.
        fields: of a locator, camera fields that it learned from.
    """

    counts: dict[str, dict[str, dict[str, int]]]
    split_sha256: str
    clear: int | None = None
    fields: int | None = None


@dataclass(frozen=True)
class Quantization:
    """What was really emitted, read back from the graph.

    Attributes:
        kind: "int8", "dynamic", "float16", "float32" or "mixed".
        tensors: number of tensors by dtype.
        operators: number of operators by name.
    """

    kind: str
    tensors: dict[str, int] = field(default_factory=dict)
    operators: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration:
    """The representative data set by which int8's ranges were chosen.

    Attributes:
        count: training pictures; 0 for a file without int8.
        method: how the ranges were chosen, such as "mse, bias corrected"; None for a file without int8.
        sha256: hash of the list of pictures; None for a file without int8.
    """

    count: int
    method: str | None
    sha256: str | None


@dataclass(frozen=True)
class Loss:
    """Points of accuracy, as shares: allowed to be lost, or lost (float minus quantized).

    Attributes:
        balanced_accuracy: 0 to 1, or below 0 where the quantized file is better.
        recall: of the rare class, likewise.
    """

    balanced_accuracy: float
    recall: float


@dataclass(frozen=True)
class Differences:
    """How far the probabilities of the float and the quantized file lie apart, each 0 to 1.

    Attributes:
        mean: over all pictures.
        percentile_99: of them.
        largest: of them.
    """

    mean: float
    percentile_99: float
    largest: float


@dataclass(frozen=True)
class Changes:
    """Pictures that the quantized file answers otherwise than the float model.

    Attributes:
        count: pictures compared.
        changed: with another answer.
        spoiled: right before and wrong now.
        mended: wrong before and right now.
        p: McNemar's exact p value, 0 to 1.
    """

    count: int
    changed: int
    spoiled: int
    mended: int
    p: float


@dataclass(frozen=True)
class Gate:
    """The verdict of the gate that a quantized file had to pass; see convert.gate.

    Attributes:
        split: which split it was measured on, "val".
        limits: what may be lost.
        rare: the class whose recall is watched.
        lost: what was lost.
        differences: of the probabilities.
        answers: which changed.
    """

    split: str
    limits: Loss
    rare: str
    lost: Loss
    differences: Differences
    answers: Changes


@dataclass(frozen=True)
class ClassFigures:
    """One class.

    Attributes:
        recall: share of its cells that are called so.
        precision: share of what is called so that is.
        f1: harmonic mean of the two, 0 to 1; None where the class neither occurs nor is answered.
    """

    recall: Share
    precision: Share
    f1: float | None


@dataclass(frozen=True)
class OtherFigures:
    """What becomes of the cells of *other*.

    Attributes:
        recall: share of them that is called *other*.
        lost: share of the named cells that is called *other*.
        auroc: between the two, 0 to 1; None where there is only one of them.
    """

    recall: Share
    lost: Share
    auroc: float | None = None


@dataclass(frozen=True)
class Figures:
    """How one set of labelled pictures is answered; see train.evaluation.evaluate.

    Attributes:
        count: pictures with a name.
        accuracy: share of right answers.
        balanced_accuracy: mean recall of the classes, 0 to 1.
        classes: figures by label.
        confusion: counts [truth][answer].
        auroc: of the second class against the first, 0 to 1; None where it isn't defined.
        other: what becomes of other cells; None where the model doesn't know *other*.
    """

    count: int
    accuracy: Share
    balanced_accuracy: float
    classes: dict[str, ClassFigures]
    confusion: tuple[tuple[int, ...], ...]
    auroc: float | None = None
    other: OtherFigures | None = None


@dataclass(frozen=True)
class Selective:
    """Selective classification at one stated risk.

    Attributes:
        coverage: share of the named cells that get an answer.
        risk: share of wrong answers among these.
        named: share of other cells that get a name; None where the model doesn't know *other*.
    """

    coverage: Share
    risk: Share
    named: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The contract of one model file. Its fields stand in the order of the keys in the file.

    Attributes:
        version: of the contract, one of KNOWN.
        network: its name, such as "compact".
        parameters: of the Keras model.
        input: what the graph takes.
        labels: what an answer can be, in the order of the outputs; *other* last where it is one.
        crop: the preprocessing; None for a locator, which takes whole fields.
        decision: how answers are made; None for a locator.
        keras_sha256: hash of the Keras file.
        data: what it was trained and measured on.
        attributions: by source, whose pictures it learned from.
        licence: SPDX name, or where it isn't known a sentence.
        preprocess: what a user's own Keras file expected of its caller, now inside the graph.
        kinds: what the network tells apart in the order of its outputs, where these are finer than the labels.
        training: the settings of the training run.
        quantization: what was emitted.
        calibration: the representative data set.
        gate: the verdict on this file.
        rescue: how a file that failed the gate was mended.
        metrics: figures by model ("float", or the kind of this file), split and source.
        doubt: selective classification by stated risk and source.
        code_version: of this package, when the file was made.
        graph_sha256: hash of the flatbuffer in front of the archive.
    """

    version: int = _key("contract", default=VERSION)
    network: str
    parameters: int
    input: Input
    labels: tuple[str, ...]
    crop: Crop | None = None
    decision: Decision | None = None
    keras_sha256: str = ""
    data: Data | None = None
    attributions: dict[str, str] = field(default_factory=dict)
    licence: str
    preprocess: str | None = None
    kinds: tuple[str, ...] | None = None
    training: dict[str, Any] | None = None
    quantization: Quantization
    calibration: Calibration | None = None
    gate: Gate | None = None
    rescue: str | None = None
    metrics: dict[str, dict[str, dict[str, Figures]]] | None = None
    doubt: dict[str, dict[str, Selective]] | None = None
    code_version: str = ""
    graph_sha256: str = ""


def read(document: Any) -> Contract:
    """The JSON document of a model file -> its contract.

    Raises:
        ValueError: where a field is missing or of another type; the message names it.
    """
    return _load(Contract, document, "contract")


def write(contract: Contract) -> dict[str, Any]:
    """The contract as the JSON document that `read` takes; a field that is None by default is left out."""
    return document(contract)


def document(value: Any) -> Any:
    """A dataclass of this module, or a container of them, as JSON has it."""
    if isinstance(value, Share):
        return value.document()
    if dataclasses.is_dataclass(value):
        return {
            each.metadata.get("key", each.name): document(getattr(value, each.name))
            for each in dataclasses.fields(value)
            if getattr(value, each.name) is not None or each.default is not None
        }
    if isinstance(value, Mapping):
        return {key: document(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [document(each) for each in value]
    return value


def load(kind: type, value: Any) -> Any:
    """The inverse of `document`, for a dataclass of this module. Raises ValueError as `read` does."""
    return _load(kind, value, kind.__name__.lower())


def _load(kind: Any, value: Any, where: str) -> Any:
    """A JSON value as a value of an annotated type. Raises ValueError; `where` is the path to it, for the message."""
    if kind is Any:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _load(arguments[0], value, where)
    if origin is dict and isinstance(value, dict):
        return {str(key): _load(arguments[1], each, f"{where}.{key}") for key, each in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_load(arguments[0], each, where) for each in value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _load_dataclass(kind, value, where)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{where} is {value!r:.80}")


def _load_dataclass(kind: Any, value: dict[str, Any], where: str) -> Any:
    if kind is Share:
        try:
            return Share.of(value)
        except KeyError as error:
            raise ValueError(f"{where} lacks {error}") from error
    found = {}
    for name, key, required, hint in _fields(kind):
        if key in value:
            found[name] = _load(hint, value[key], f"{where}.{key}")
        elif required:
            raise ValueError(f"{where} lacks {key!r}")
    return kind(**found)


@functools.cache
def _fields(kind: Any) -> list[tuple[str, str, bool, Any]]:
    """(name, key in the JSON, whether it must be there, type) of each field of a dataclass."""
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    return [
        (
            each.name,
            each.metadata.get("key", each.name),
            each.default is missing and each.default_factory is missing,
            hints[each.name],
        )
        for each in dataclasses.fields(kind)
    ]
