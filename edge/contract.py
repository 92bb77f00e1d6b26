"""The contract of a model file: what a program or a person must know about the model, as JSON inside the file.

`read` turns the JSON into dataclasses, and `write` turns the dataclasses into JSON. Some fields have been renamed, but
their JSON keys still have the old names, so that older files can be read. Such a field states its key. Each number has
its range: a threshold that is no number would let every answer pass.

A *name* is the label of a cell that isn't *other*: lymphocyte or monocyte. A *named cell* is a cell with such a label.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from edge.share import Share

VERSION = 3  # version of the contract that `convert` writes
KNOWN = (1, 2, 3)  # versions that can be read; version 1 had no subclasses, no risks and no features; 2 had no seal
SEALED = 3  # from this version on, the whole file is under one hash; see edge.model
_LARGEST = 1e300  # of numbers whose range isn't stated
_DEEPEST = 50  # levels of nesting of a value whose type isn't stated; training settings have a few


@dataclass(frozen=True)
class Range:
    """The values that a number may have, `low` and `high` included."""

    low: float
    high: float = math.inf


Probability = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0)]
Logits = Annotated[float, Range(-20, 20)]
# A limit a little outside 0 to 1 means that no answer meets it (see edge.site.refit).
Limit = Annotated[float, Range(-0.01, 1.01)]
Distance = Annotated[float, Range(0)]
# Of a temperature or of Platt scaling. Fits are bounded to 0.2 to 5; a site may flatten them to a fifth once more.
Scale = Annotated[float, Range(0.05, 50)]


def _key(name: str, **more: Any) -> Any:
    """A dataclass field whose key in the JSON differs from its name."""
    return field(metadata={"key": name}, **more)


@dataclass(frozen=True)
class Input:
    """The picture that the graph takes.

    Attributes:
        size: width and height in pixels.
        dtype: type of its values, "uint8".
        colour: order of its channels, "RGB".
        range: lowest and highest value, (0, 255). The graph itself scales them.
    """

    size: Annotated[int, Range(1, 4096)]
    dtype: str = "uint8"
    colour: str = "RGB"
    range: tuple[int, ...] = (0, 255)

    def __post_init__(self) -> None:
        if (self.dtype, self.colour, self.range) != ("uint8", "RGB", (0, 255)):
            raise ValueError(f"the input is {self.dtype} {self.colour} {self.range}, which nothing here makes")


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
        scale: above 0; a scale above 1 makes answers less sure.
        shift: in logits; a shift above 0 makes *other* less likely.
    """

    scale: Scale = 1.0
    shift: Logits = 0.0


@dataclass(frozen=True)
class Thresholds:
    """The limits that an answer must meet at one stated risk. None: the model has no such limit.

    Attributes:
        max_distance: largest Mahalanobis distance from the training cells, above 0; a usual cell has about 1.
        max_other: largest probability of *other* at which a cell still gets a name, 0 to 1.
        min_other: least probability of *other* at which a cell is called *other*, 0 to 1.
        min_subclass: least probability of the likeliest kind within *other*, 0 to 1.
        min_confidence: least probability of the likelier name, where those of the two names sum to 1; 0 to 1.
    """

    max_distance: Distance | None = _key("far", default=None)
    max_other: Limit | None = _key("named", default=None)
    min_other: Limit | None = _key("other", default=None)
    min_subclass: Limit | None = _key("alike", default=None)
    min_confidence: Limit | None = _key("sure", default=None)


@dataclass(frozen=True)
class Decision:
    """How probabilities become answers; see edge.decide.

    Attributes:
        temperature: the logits of the names are divided by it, above 0.
        other: Platt scaling of *other*; None if the model doesn't know *other*.
        risks: thresholds by stated risk. The risk, such as "0.01", is the largest share of given answers that may be
            wrong.
    """

    temperature: Scale
    other: Platt | None = _key("rest", default=None)
    risks: dict[str, Thresholds] | None = None

    def __post_init__(self) -> None:
        for risk in self.risks or {}:
            if not 0 < float(risk) <= 1 or f"{float(risk):g}" != risk:
                raise ValueError(f"{risk!r} is no risk")


@dataclass(frozen=True)
class Data:
    """What the network was trained and measured on.

    Attributes:
        counts: number of pictures [source][split][label].
        split_sha256: hash of the list that gives the split and label of each picture.
        clear: for a locator, the number of single-cell pictures with a clear nucleus that it was trained on.
        fields: for a locator, the number of camera fields that it was trained on.
    """

    counts: dict[str, dict[str, dict[str, Count]]]
    split_sha256: str
    clear: Count | None = None
    fields: Count | None = None


@dataclass(frozen=True)
class Quantization:
    """The number types that the converter really produced, read back from the graph.

    Attributes:
        kind: "int8", "dynamic", "float16", "float32" or "mixed".
        tensors: number of tensors of each dtype.
        operators: number of operators of each name.
    """

    kind: str
    tensors: dict[str, Count] = field(default_factory=dict)
    operators: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration:
    """The training pictures that showed which value ranges int8 must cover.

    Attributes:
        count: number of these pictures; 0 for a file without int8.
        method: how the ranges were chosen, such as "mse, bias corrected"; None for a file without int8.
        sha256: hash of the list of pictures; None for a file without int8.
    """

    count: Count
    method: str | None
    sha256: str | None


@dataclass(frozen=True)
class Loss:
    """The loss of accuracy that quantization causes (float minus quantized), as measured or as allowed.

    Attributes:
        balanced_accuracy: its loss, -1 to 1; below 0 if the quantized file is better.
        recall: the loss of the rare class' recall, -1 to 1.
    """

    balanced_accuracy: Annotated[float, Range(-1, 1)]
    recall: Annotated[float, Range(-1, 1)]


@dataclass(frozen=True)
class Differences:
    """How much quantization changes the probabilities of a picture: the largest change among its classes, 0 to 1.

    Attributes:
        mean: mean of all pictures.
        percentile_99: 99th percentile of all pictures.
        largest: maximum of all pictures.
    """

    mean: Probability
    percentile_99: Probability
    largest: Probability


@dataclass(frozen=True)
class Changes:
    """How many pictures get a different answer from the quantized file than from the float model.

    Attributes:
        count: pictures compared.
        changed: pictures with a different answer.
        spoiled: pictures that the float model answers rightly and the quantized file wrongly.
        mended: pictures that the float model answers wrongly and the quantized file rightly.
        p: McNemar's exact p value of spoiled against mended, 0 to 1.
    """

    count: Count
    changed: Count
    spoiled: Count
    mended: Count
    p: Probability


@dataclass(frozen=True)
class Gate:
    """The result of the gate, a test that a quantized file must pass before it is written; see convert.gate.

    Attributes:
        split: the split that it was measured on, "val".
        limits: the largest loss allowed.
        rare: the class whose recall is watched.
        lost: the measured loss.
        differences: how much the probabilities changed.
        answers: how many answers changed.
    """

    split: str
    limits: Loss
    rare: str
    lost: Loss
    differences: Differences
    answers: Changes


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is recognised.

    Attributes:
        recall: share of the cells of this class that are answered with it.
        precision: share of the answers with this class that are right.
        f1: harmonic mean of the two, 0 to 1; None if no cell is of this class and no answer either.
    """

    recall: Share
    precision: Share
    f1: Probability | None


@dataclass(frozen=True)
class OtherFigures:
    """How well the cells of *other* are told from named cells.

    Attributes:
        recall: share of the cells of *other* that are called *other*.
        lost: share of the named cells that are called *other*.
        auroc: area under the ROC curve of *other* against named cells, 0 to 1; None if only one of the two occurs.
    """

    recall: Share
    lost: Share
    auroc: Probability | None = None


@dataclass(frozen=True)
class Figures:
    """The results on one set of labelled pictures; see train.evaluation.evaluate.

    Attributes:
        count: number of pictures of named cells.
        accuracy: share of right answers.
        balanced_accuracy: mean recall of the classes, 0 to 1.
        classes: figures by label.
        confusion: number of pictures [true class][answered class].
        auroc: area under the ROC curve of the second class against the first, 0 to 1; None unless there are
            exactly two classes and both occur.
        other: figures on cells of *other*; None if the model doesn't know *other*.
    """

    count: Count
    accuracy: Share
    balanced_accuracy: Probability
    classes: dict[str, ClassFigures]
    confusion: tuple[tuple[Count, ...], ...]
    auroc: Probability | None = None
    other: OtherFigures | None = None


@dataclass(frozen=True)
class Selective:
    """Selective classification at one stated risk.

    Attributes:
        coverage: share of the named cells that get an answer.
        risk: share of these answers that are wrong.
        named: share of the cells of *other* that wrongly get a name; None if the model doesn't know *other*.
    """

    coverage: Share
    risk: Share
    named: Share | None = None


@dataclass(frozen=True)
class Usual:
    """One measure of edge.unlike in home runs: random groups of val cells of one source.

    Attributes:
        middle: mean over home runs.
        spread: standard deviation over home runs.
    """

    middle: float
    spread: Annotated[float, Range(0)]


@dataclass(frozen=True)
class Home:
    """What is usual in home runs, for edge.unlike.

    Attributes:
        measures: by name.
        slope: how much the network's logit of the second name against the first grows with that of a linear
            discriminant analysis of its features, which is what the common offset of a run's features acts on.
    """

    measures: dict[str, Usual]
    slope: float


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The contract of one model file. The fields are in the order of the keys in the file.

    Attributes:
        version: version of the contract, one of KNOWN.
        network: the network's name, such as "compact".
        parameters: number of parameters of the Keras model.
        input: the picture that the graph takes.
        labels: the possible answers, in the order of the outputs; *other*, if the model knows it, is the last.
        crop: the preprocessing; None for a locator, which takes whole fields.
        decision: how probabilities become answers; None for a locator.
        keras_sha256: hash of the Keras file.
        data: what the network was trained and measured on.
        attributions: for each source, who made the pictures.
        licence: SPDX name, or a sentence if the licence isn't known.
        preprocess: the preprocessing that a user's own Keras file expected from its caller; now it is inside the graph.
        kinds: what the network tells apart, in the order of its outputs; None if these are the labels.
        training: the settings of the training run.
        quantization: the number types in the graph.
        calibration: the pictures from which the ranges of int8 were chosen.
        gate: the result of the gate for this file.
        rescue: how the file was repaired after it had failed the gate.
        metrics: figures [model][split][source], where the model is "float" or the kind of this file.
        doubt: selective classification [stated risk][source].
        home: what is usual in runs like those of training; None in older files, whose runs aren't judged.
        code_version: version of this package that made the file.
        graph_sha256: hash of the flatbuffer, which precedes the archive in the file.
    """

    version: int = _key("contract", default=VERSION)
    network: str
    parameters: Count
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
    home: Home | None = None

    @property
    def learned_fields(self) -> bool:
        """Whether the network learned from half of the marked camera fields."""
        return bool((self.training or {}).get("fields"))

    code_version: str = ""
    graph_sha256: str = ""


def read(document: Any) -> Contract:
    """Turns the JSON document of a model file into its contract.

    Raises:
        ValueError: if a field is missing, has the wrong type or lies outside its range; the message names the field.
    """
    return _load(Contract, document, "contract")


def write(contract: Contract) -> dict[str, Any]:
    """Turns a contract into the JSON document that `read` takes, without the fields that kept their default None."""
    return document(contract)


def document(value: Any) -> Any:
    """Turns a dataclass of this module, or a container of them, into dicts, lists and values for JSON."""
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
    """Converts a JSON value to an annotated type. where: the path to the value, for the message of the ValueError."""
    if kind is Any:
        return _shallow(value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        number, allowed = _load(arguments[0], value, where), arguments[1]
        if not allowed.low <= number <= allowed.high:
            raise ValueError(f"{where} is {value!r:.80}, which is not between {allowed.low} and {allowed.high}")
        return number
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _load(arguments[0], value, where)
    if origin is dict and isinstance(value, dict):
        return {str(key): _load(arguments[1], each, f"{where}.{key}") for key, each in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_load(arguments[0], each, where) for each in value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _load_dataclass(kind, value, where)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not -_LARGEST < value < _LARGEST:
            raise ValueError(f"{where} is {value!r:.80}, which is no usable number")
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{where} is {value!r:.80}, which has the wrong type")


def _shallow(value: Any, where: str, depth: int = 0) -> Any:
    """Any JSON value, unless it is nested too deeply for those who read it."""
    if depth > _DEEPEST:
        raise ValueError(f"{where} is nested too deeply")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _shallow(each, where, depth + 1)
    return value


def _load_dataclass(kind: Any, value: dict[str, Any], where: str) -> Any:
    found = {}
    for name, key, required, hint in fields(kind):
        if key in value:
            found[name] = _load(hint, value[key], f"{where}.{key}")
        elif required:
            raise ValueError(f"{where} lacks {key!r}")
    return kind(**found)


@functools.cache
def fields(kind: Any) -> list[tuple[str, str, bool, Any]]:
    """For each field of a dataclass: its name, its key in the JSON, whether the key is required, and its type."""
    hints = typing.get_type_hints(kind, include_extras=True)
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
