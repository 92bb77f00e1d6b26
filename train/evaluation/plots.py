"""Drawings for reports, each as the text of an SVG file."""

import io

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
    below.set_yscale("log")
    below.set_ylim(bottom=_ONE_SEEN)
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
    axes.set_yscale("log")
    axes.set_ylim(bottom=_ONE_SEEN)
    name(axes, f"{names[0]} against {names[1]}", "difference of probabilities", "pictures")
    return svg(figure)


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


def svg(figure: Figure) -> str:
    """The text of an SVG file: always the same for the same figure, without a date or random identifiers."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "edge-classify"}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return buffer.getvalue()
