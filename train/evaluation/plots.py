"""The report's drawings, each as the text of an SVG file."""

import io

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

_LINE, _REST = "#3b4cc0", "#888888"


def roc(truth: np.ndarray, score: np.ndarray, positive: str) -> str:
    """truth: bool [n]; score: float [n], of the class named `positive`. Both classes must be there."""
    figure, axes = _square()
    false, true, _ = roc_curve(truth, score)
    axes.plot(false, true, color=_LINE)
    axes.plot([0, 1], [0, 1], ":", color=_REST)
    name(axes, "ROC", f"others called {positive}", f"{positive} recall")
    return svg(figure)


def precision_recall(truth: np.ndarray, score: np.ndarray, positive: str) -> str:
    """As roc(); the dotted line is the precision of guessing."""
    figure, axes = _square()
    precision, recall, _ = precision_recall_curve(truth, score, drop_intermediate=True)
    axes.plot(recall, precision, color=_LINE, drawstyle="steps-post")
    axes.axhline(truth.mean(), linestyle=":", color=_REST)
    name(axes, "Precision and recall", f"{positive} recall", f"{positive} precision")
    return svg(figure)


def reliability(calibration: dict) -> str:
    """calibration.calibration()'s ranges: the share of right answers over the confidence, and the counts below."""
    figure = Figure(figsize=(3.4, 3.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = calibration["bins"]
    middle = [(b["low"] + b["high"]) / 2 for b in bins]
    width = [0.94 * (b["high"] - b["low"]) for b in bins]
    value = np.array([b["accuracy"]["value"] for b in bins])
    ends = np.array([[b["accuracy"]["low"] for b in bins], [b["accuracy"]["high"] for b in bins]])
    above.bar(middle, value, width, color=_LINE, alpha=0.35)
    reach = np.abs(ends - value)
    above.errorbar([b["confidence"] for b in bins], value, reach, fmt="o", color=_LINE, markersize=3, linewidth=1)
    above.plot([0, 1], [0, 1], ":", color=_REST)
    above.set_ylim(0, 1.02)
    name(above, f"Reliability (ECE {calibration['ece']:.3f})", "", "share right")
    below.bar(middle, [b["count"] for b in bins], width, color=_REST)
    below.set_yscale("log")
    below.set_ylim(bottom=0.5)  # so that a range of one picture is seen
    below.set_xlim(0, 1)
    name(below, "", "confidence", "pictures")
    return svg(figure)


def differences(values: np.ndarray, names: tuple[str, str]) -> str:
    """How far two models' probabilities lie apart, float [n], as a histogram with logarithmic counts."""
    figure = Figure(figsize=(3.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=40, range=(0, max(float(values.max()), 1e-3)), color=_LINE)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)  # so that one picture is seen
    name(axes, f"{names[0]} against {names[1]}", "difference of probabilities", "pictures")
    return svg(figure)


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return figure, axes


def name(axes: Axes, title: str, x: str, y: str) -> None:
    """What stands over and beside a drawing."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)


def svg(figure: Figure) -> str:
    """The same bytes for the same figure: no date in it, and names of parts that don't change."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "edge-classify"}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return buffer.getvalue()
