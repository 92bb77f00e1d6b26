"""The plots of a benchmark's page, each as the text of an SVG file."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from benchmarks.accuracy import ModelFigures
from benchmarks.latency import PictureSet, RunFigures
from benchmarks.metrics import Figures
from benchmarks.ranges import Range
from benchmarks.robustness import Strengths
from train.evaluation.intervals import Estimate
from train.evaluation.plots import name, svg

_COLOURS = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
_WIDE = (8.0, 3.6)


def trade(models: Mapping[str, ModelFigures]) -> str:
    """Plots balanced accuracy against milliseconds, with intervals. The area of a dot shows the size of the file.

    models: figures by name of the model; models without milliseconds are left out.
    """
    figure = Figure(figsize=_WIDE, layout="constrained")
    axes = figure.subplots()
    largest = max(model.bytes for model in models.values() if model.milliseconds)
    for i, (label, model) in enumerate(models.items()):
        time, accuracy = model.milliseconds, model.figures["all"].balanced_accuracy
        if time is None or accuracy.value is None:
            continue
        colour = _COLOURS[i % len(_COLOURS)]
        place = [time.value], [accuracy.value]
        axes.scatter(*place, s=900 * model.bytes / largest, color=colour, alpha=0.3, linewidth=0)
        axes.errorbar(
            *place, xerr=_reach(time), yerr=_reach(accuracy), color=colour, fmt=".", linewidth=1,
            label=f"{label}, {model.bytes / 1e3:,.0f} kB",
        )  # fmt: skip
    _logarithmic(axes)
    _legend(axes)
    title = "Accuracy against latency (area of a dot: size of the file)"
    name(axes, title, "milliseconds per picture in the network alone", "balanced accuracy, 0 to 1")
    return svg(figure)


def _legend(axes: Axes) -> None:
    """A legend beside the plot, where it hides nothing."""
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def _logarithmic(axes: Axes) -> None:
    """Makes the x axis logarithmic, with labels such as 0.15 and 2, few enough not to overlap."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    narrow = high < 5 * low  # a logarithmic axis would have one label or two
    axes.xaxis.set_major_locator(MaxNLocator(7) if narrow else LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def distributions(runs: Mapping[str, RunFigures], title: str) -> str:
    """Plots which share of the pictures was answered within a number of milliseconds, with one line per model."""
    figure = Figure(figsize=_WIDE, layout="constrained")
    axes = figure.subplots()
    for i, (label, run) in enumerate(runs.items()):
        shares = np.linspace(0, 1, len(run.quantiles))
        axes.plot(run.quantiles, shares, color=_COLOURS[i % len(_COLOURS)], label=label)
    _logarithmic(axes)
    _legend(axes)
    name(axes, title, "milliseconds per picture, all steps together", "share of pictures, 0 to 1")
    return svg(figure)


def steps(pictures: PictureSet, title: str) -> str:
    """Plots the median milliseconds of each step, with one bar per model."""
    figure = Figure(figsize=(8.0, 0.9 + 0.4 * len(pictures.runs)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(pictures.runs))
    for i, step in enumerate(pictures.steps):
        width = np.array([run.steps[step].value for run in pictures.runs.values()])
        axes.barh(list(pictures.runs), width, left=left, color=_COLOURS[i % len(_COLOURS)], label=step)
        left += width
    axes.invert_yaxis()
    _legend(axes)
    name(axes, title, "milliseconds per picture, medians", "")
    return svg(figure)


def curves(models: Mapping[str, Sequence[Figures]], title: str, strengths: Strengths) -> str:
    """Plots balanced accuracy with its interval against the strength of a corruption, with one line per model.

    If pictures were left for review, a dotted line shows the share that was answered.

    Args:
        models: for each model, the figures without corruption and then at each strength.
        title: title of the plot.
        strengths: strengths of the corruption.
    """
    figure = Figure(figsize=(4.8, 3.0), layout="constrained")
    axes = figure.subplots()
    for i, (label, found) in enumerate(models.items()):
        colour, places = _COLOURS[i % len(_COLOURS)], range(len(found))
        balanced = [each.balanced_accuracy for each in found]
        axes.plot(places, [_number(each.value) for each in balanced], color=colour, label=label)
        low, high = [_number(each.low) for each in balanced], [_number(each.high) for each in balanced]
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        coverage = [_number(each.coverage.value) for each in found]
        if min(coverage) < 1:
            axes.plot(places, coverage, ":", color=colour)
    axes.set_xticks(range(len(strengths.amounts) + 1), ["0", *(f"{amount:g}" for amount in strengths.amounts)])
    axes.set_ylim(0.4, 1.01)
    _legend(axes)
    name(axes, title, strengths.unit, "balanced accuracy, 0 to 1")
    return svg(figure)


def bars(figures: Mapping[str, Range], title: str, unit: str) -> str:
    """Plots figures with their ranges, with one bar per runtime or program."""
    figure = Figure(figsize=(6.4, 0.9 + 0.3 * len(figures)), layout="constrained")
    axes = figure.subplots()
    values = [each.value for each in figures.values()]
    reach = np.hstack([_reach(each) for each in figures.values()])
    axes.barh(list(figures), values, xerr=reach, color=_COLOURS[0], alpha=0.6)
    axes.invert_yaxis()
    name(axes, title, unit, "")
    return svg(figure)


def _reach(figure: Range | Estimate) -> np.ndarray:
    """The distances from a figure to its lower and upper bound, float [2, 1], for error bars."""
    value, low, high = (_number(each) for each in (figure.value, figure.low, figure.high))
    return np.array([[value - low], [high - value]])


def _number(value: float | None) -> float:
    """The value; NaN, which isn't drawn, if it is None."""
    return np.nan if value is None else value
