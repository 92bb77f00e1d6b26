"""The gate's report: what was converted, how it was tested, and the results. It is written as JSON and as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from convert.candidate import Candidate
from convert.gate import Both, Verdict
from convert.layer_errors import Layer
from edge.contract import Calibration, Loss, Quantization
from edge.output.tables import Table
from train.data.dataset import Example
from train.evaluation import plots
from train.evaluation.html import render

_WORST = 12  # how many of the layers with the largest errors the page shows


@dataclass(frozen=True)
class Compared:
    """The result of one method of choosing int8's ranges, on the val split.

    Attributes:
        difference: mean difference from the float model's probabilities, 0 to 1.
        balanced_accuracy: 0 to 1.
        passed: whether the file passed the gate.
    """

    difference: float
    balanced_accuracy: float
    passed: bool


@dataclass(frozen=True)
class ComparedCalibration(Calibration):
    """The representative data set, and the results of the methods of choosing ranges that were compared.

    Attributes:
        compared: results by the name of the method.
    """

    compared: dict[str, Compared] = field(default_factory=dict)

    @property
    def stored(self) -> Calibration:
        """The part that is stored in the file's contract."""
        return Calibration(self.count, self.method, self.sha256)


@dataclass(frozen=True)
class Attempt:
    """One attempt to repair a file that failed.

    Attributes:
        what: the repair in words.
        skipped: why it wasn't tried; None if it was. If it wasn't, all attributes below are None.
        kind: the kind of the repaired file, as read back from it, such as "int8".
        bytes: size of the repaired file.
        milliseconds: median time per picture.
        lost: how much less accurate it is than the float model on the val split.
        passed: whether it passed the gate.
    """

    what: str
    skipped: str | None = None
    kind: str | None = None
    bytes: int | None = None
    milliseconds: float | None = None
    lost: Loss | None = None
    passed: bool | None = None


@dataclass(frozen=True)
class Conversion:
    """A finished conversion to one kind of file, before the file is written.

    Attributes:
        candidate: the candidate that was chosen.
        calibration: how int8's ranges were chosen; its count is 0 for kinds other than int8.
        layers: layers that add an error in int8, the worst first; empty for kinds other than int8.
        attempts: the repairs that were tried after a failure, in this order.
        repaired: the repair that let the file pass; None if no repair was needed, or if none helped.
        failed: the candidate that failed before the repair; None if nothing was repaired.
    """

    candidate: Candidate
    calibration: ComparedCalibration = ComparedCalibration(0, None, None)
    layers: tuple[Layer, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    repaired: str | None = None
    failed: Candidate | None = None


@dataclass(frozen=True)
class Answer:
    """An answer to one picture.

    Attributes:
        answer: the likeliest label.
        probability: probability of that label, 0 to 1.
    """

    answer: str
    probability: float


@dataclass(frozen=True)
class Changed:
    """A picture that the file answers differently from the float model.

    Attributes:
        path: the picture's path, relative to the data set's folder.
        truth: the picture's true label.
        before: the float model's answer.
        after: the file's answer.
    """

    path: str
    truth: str
    before: Answer = field(metadata={"key": "float"})
    after: Answer = field(metadata={"key": "quantized"})


@dataclass(frozen=True)
class Report:
    """Everything that was measured during one conversion.

    Attributes:
        version: version of this package.
        command: the command line.
        network: name of the network, such as "compact".
        asked: the kind that the user requested.
        kind: the kind of the file, as read back from it; it may differ from `asked` after a repair.
        sentences: the outcome in words.
        gate: the gate's verdict.
        bytes: sizes of the model files, with their contracts.
        milliseconds: median times per picture, measured in turns on one thread.
        quantization: types of tensors and operators, as read back from the file.
        calibration: how int8's ranges were chosen.
        layers: layers that add an error in int8, the worst first.
        attempts: repairs that were tried after a failure.
        changed: the pictures that the file answers differently.
        keras_sha256: hash of the Keras file.
        split_sha256: hash of the data set's splits.
    """

    version: str
    command: str
    network: str
    asked: str
    kind: str
    sentences: tuple[str, ...] = field(metadata={"key": "said"})
    gate: Verdict
    bytes: Both[int]
    milliseconds: Both[float]
    quantization: Quantization
    calibration: ComparedCalibration
    layers: tuple[Layer, ...]
    attempts: tuple[Attempt, ...]
    changed: tuple[Changed, ...]
    keras_sha256: str
    split_sha256: str


def changed(candidate: Candidate, examples: Sequence[Example]) -> tuple[Changed, ...]:
    """The pictures of the val split that the candidate and the float model answer differently.

    examples: the val split, in the order of the candidate's answers.
    """
    labels = candidate.contract.labels

    def answer(probabilities: np.ndarray) -> Answer:
        return Answer(labels[int(probabilities.argmax())], float(probabilities.max()))

    before, after = candidate.probabilities.before, candidate.probabilities.after
    rows = np.flatnonzero(before.argmax(axis=1) != after.argmax(axis=1)).tolist()
    return tuple(Changed(examples[i].path, examples[i].label, answer(before[i]), answer(after[i])) for i in rows)


def page(report: Report, difference: np.ndarray) -> str:
    """The report as a self-contained HTML page.

    Args:
        report: the report.
        difference: how far the file's probabilities differ for each picture of the val split, float [n], each 0 to 1.
    """
    models = ("Keras" if report.asked == "float32" else "float", report.kind)
    return render(
        "convert",
        "report.html",
        report=report,
        models=models,
        figures=_figures(report, models),
        costs=_costs(report, models),
        histogram=plots.differences(difference, models),
        changed=_changed(report, models),
        compared=_compared(report),
        layers=_layers(report),
        attempts=_attempts(report),
        origin=_origin(report),
    )


def _figures(report: Report, models: Sequence[str]) -> Table:
    verdict = report.gate
    labels = list(reversed(verdict.before["all"].classes))  # the rarer class first
    return Table(
        ["", "pictures", *(f"{label} recall" for label in labels), "balanced accuracy"],
        [
            [
                f"{source}, {model}",
                f"{figures[source].count:,}",
                *(str(figures[source].classes[label].recall) for label in labels),
                f"{figures[source].balanced_accuracy:.4f}",
            ]
            for source in verdict.before
            for model, figures in zip(models, (verdict.before, verdict.after), strict=True)
        ],
    )


def _costs(report: Report, models: Sequence[str]) -> Table:
    size, time, ece = report.bytes, report.milliseconds, report.gate.ece
    rows = [(size.before, time.before, ece.before), (size.after, time.after, ece.after)]
    return Table(
        ["", "size", "median time per picture", "expected calibration error"],
        [
            [model, f"{size / 1e3:,.0f} kB", f"{time:.2f} ms", f"{ece:.4f}"]
            for model, (size, time, ece) in zip(models, rows, strict=True)
        ],
    )


def _changed(report: Report, models: Sequence[str]) -> Table | None:
    rows = [
        [each.path, each.truth, *(f"{a.answer} {a.probability:.4f}" for a in (each.before, each.after))]
        for each in report.changed
    ]
    return Table(["picture", "truth", *models], rows) if rows else None


def _compared(report: Report) -> Table:
    return Table(
        ["method", "mean difference of probabilities on val", "balanced accuracy", "within the limits"],
        [
            [name, f"{each.difference:.5f}", f"{each.balanced_accuracy:.4f}", _yes(each.passed)]
            for name, each in report.calibration.compared.items()
        ],
    )


def _layers(report: Report) -> Table | None:
    rows = [[each.name, each.operator, f"{each.error:.2e}", f"{each.step:.4g}"] for each in report.layers[:_WORST]]
    return Table(["layer", "operator", "error", "int8 step"], rows) if rows else None


def _attempts(report: Report) -> Table | None:
    heads = ["what was tried", "kind", "size", "time per picture", "balanced accuracy lost", "recall lost", "passed"]
    rows = []
    for each in report.attempts:
        if each.lost is None:
            rows.append([each.what, f"skipped: {each.skipped}", *[""] * 5])
            continue
        losses = (f"{100 * lost:.1f} points" for lost in (each.lost.balanced_accuracy, each.lost.recall))
        size, time = (each.bytes or 0) / 1e3, each.milliseconds or 0.0
        rows.append([each.what, each.kind or "", f"{size:,.0f} kB", f"{time:.2f} ms", *losses, _yes(each.passed)])
    return Table(heads, rows) if rows else None


def _origin(report: Report) -> Table:
    quantization = report.quantization
    operators, tensors = (
        ", ".join(f"{name} x {count}" for name, count in counts.items())
        for counts in (quantization.operators, quantization.tensors)
    )
    return Table(
        ["", ""],
        [
            ["command", report.command],
            ["version", f"edge-classify {report.version}"],
            ["read back from the file", f"{quantization.kind}; operators: {operators}; tensors: {tensors}"],
            ["sha256 of the Keras model", report.keras_sha256],
            ["sha256 of the splits", report.split_sha256],
        ],
    )


def _yes(passed: bool | None) -> str:
    return "yes" if passed else "no"
