"""Drawings for reports, each as the text of an SVG file."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from train.evaluation.calibration import Reliability

_LINE, _REFERENCE = "#3b4cc0", "#888888"
_SIDE = (3.4, 3.4)  # inches
_ONE_SEEN = 0.5  # lower end of a logarithmic axis of counts, so that a count of 1 can be seen


def roc(positive: np.ndarray, score: np.ndarray, label: str) -> str:
    """The ROC curve; the dotted line shows guessing.

    Args:
        positive: whether each picture is of the class `label`, bool [n]; both must occur.
        score: its probability of that class, float [n].
        label: the class.
    """
    figure, axes = _square()
    false, true, _ = roc_curve(positive, score)
    axes.plot(false, true, color=_LINE)
    axes.plot([0, 1], [0, 1], ":", color=_REFERENCE)
    name(axes, "ROC", f"others called {label}", f"{label} recall")
    return svg(figure)


def precision_recall(positive: np.ndarray, score: np.ndarray, label: str) -> str:
    """The precision and recall curve; the dotted line shows guessing. Arguments as for `roc`."""
    figure, axes = _square()
    precision, recall, _ = precision_recall_curve(positive, score, drop_intermediate=True)
    axes.plot(recall, precision, color=_LINE, drawstyle="steps-post")
    axes.axhline(positive.mean(), linestyle=":", color=_REFERENCE)
    name(axes, "Precision and recall", f"{label} recall", f"{label} precision")
    return svg(figure)


def reliability(calibration: Reliability) -> str:
    """A reliability diagram: the share of right answers at each confidence, with 95 % intervals; counts are below."""
    figure = Figure(figsize=_SIDE, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = calibration.bins
    middle = [(each.low + each.high) / 2 for each in bins]
    width = [0.94 * (each.high - each.low) for each in bins]
    value = np.array([each.accuracy.value for each in bins])
    ends = np.array([[each.accuracy.low for each in bins], [each.accuracy.high for each in bins]])
    above.bar(middle, value, width, color=_LINE, alpha=0.35)
    above.errorbar(
        [each.confidence for each in bins], value, np.abs(ends - value), fmt="o", color=_LINE, markersize=3, linewidth=1
    )
    above.plot([0, 1], [0, 1], ":", color=_REFERENCE)
    above.set_ylim(0, 1.02)
    name(above, f"Reliability (ECE {calibration.ece:.3f})", "", "share right")
    below.bar(middle, [each.count for each in bins], width, color=_REFERENCE)
    _counts(below)
    below.set_xlim(0, 1)
    name(below, "", "confidence", "pictures")
    return svg(figure)


def differences(values: np.ndarray, names: tuple[str, str]) -> str:
    """A histogram of the differences between two models' probabilities, with logarithmic counts.

    Args:
        values: the differences, float [n], 0 to 1.
        names: of the two models.
    """
    figure = Figure(figsize=_SIDE, layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=40, range=(0, max(float(values.max()), 1e-3)), color=_LINE)
    _counts(axes)
    name(axes, f"{names[0]} against {names[1]}", "difference of probabilities", "pictures")
    return svg(figure)


def _counts(axes: Axes) -> None:
    """Makes the y axis logarithmic, for counts from 1 on, with labels such as 100 instead of 10 to the second power."""
    axes.set_yscale("log")
    axes.set_ylim(bottom=_ONE_SEEN)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def learning_curves(stages: Sequence[Mapping[str, Any]]) -> Figure:
    """The losses and the accuracy on val after each epoch, one stage beside the other.

    stages: as in train.run.Report. A dotted line marks the epoch whose network was kept.
    """
    stages = [stage for stage in stages if stage.get("loss")]
    figure = Figure(figsize=(4.6 * max(1, len(stages)), 5.2), layout="constrained")
    parts = figure.subplots(2, max(1, len(stages)), sharex="col", squeeze=False)
    for (above, below), stage in zip(parts.T, stages, strict=True):
        epochs = range(1, len(stage["loss"]) + 1)
        above.plot(epochs, stage["loss"], color=_REFERENCE, marker=".", label="training pictures, as varied")
        above.plot(epochs, stage["val_loss"], color=_LINE, marker=".", label="val pictures")
        below.plot(epochs, stage["val_accuracy"], color=_LINE, marker=".")
        for axes in (above, below):
            axes.axvline(stage["best_epoch"], linestyle=":", color=_REFERENCE)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        above.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=2)
        name(above, f"{stage['name']}: epoch {stage['best_epoch']} was kept", "", "loss")
        name(below, "", "epoch", "share of val pictures right")
    return figure


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """The confusion table as a picture: the darker, the larger the share of the true class.

    Args:
        counts: number of pictures, [true class][answer].
        labels: the classes.
    """
    table = np.array(counts, float)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(1.6 + 1.3 * len(labels), 1.2 + 1.0 * len(labels)), layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(np.arange(-0.5, len(labels)), np.arange(-0.5, len(labels)), shares, cmap="Blues", vmin=0, vmax=1)
    axes.invert_yaxis()
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row][column]:,}\n{100 * share:.1f} %"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.6 else "black", fontsize=10)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels, rotation=90, va="center")
    name(axes, "Pictures and share of their true class", "answer", "truth")
    return figure


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIDE, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return figure, axes


def name(axes: Axes, title: str, x: str, y: str) -> None:
    """Writes the title of a drawing and the names of its axes."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)


def png(figure: Figure) -> bytes:
    """The content of a PNG file: always the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """The text of an SVG file: always the same for the same figure, without a date or random identifiers."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "edge-classify"}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return buffer.getvalue()
