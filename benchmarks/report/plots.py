"""The drawings of a benchmark's page, each as the text of an SVG file."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.latency import STEPS
from train.evaluation.plots import name, svg

_COLOURS = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
_WIDE = (6.4, 3.6)


def trade(models: Mapping[str, dict]) -> str:
    """Balanced accuracy against milliseconds, both with their intervals, the file's size as area.

    models: {name: {"balanced_accuracy", "milliseconds", "bytes"}}.
    """
    figure = Figure(figsize=_WIDE, layout="constrained")
    axes = figure.subplots()
    largest = max(each["bytes"] for each in models.values())
    for i, (label, each) in enumerate(models.items()):
        x, y = each["milliseconds"], each["balanced_accuracy"]
        colour = _COLOURS[i % len(_COLOURS)]
        axes.scatter([x["value"]], [y["value"]], s=900 * each["bytes"] / largest, color=colour, alpha=0.3, linewidth=0)
        axes.errorbar(
            [x["value"]], [y["value"]], xerr=_reach(x), yerr=_reach(y), color=colour, fmt=".", linewidth=1,
            label=f"{label}, {each['bytes'] / 1e3:,.0f} kB",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.legend(fontsize=8)
    name(
        axes, "Accuracy against latency (area: size of the file)", "milliseconds, the model alone", "balanced accuracy"
    )
    return svg(figure)


def distributions(runs: Mapping[str, Sequence[float]], title: str) -> str:
    """What share of the pictures was answered within so many milliseconds; runs: evenly spaced percentiles from 0 to
    100, by name.
    """
    figure = Figure(figsize=_WIDE, layout="constrained")
    axes = figure.subplots()
    for i, (label, quantiles) in enumerate(runs.items()):
        shares = np.linspace(0, 1, len(quantiles))
        axes.plot(quantiles, shares, color=_COLOURS[i % len(_COLOURS)], label=label)
    axes.set_xscale("log")
    axes.legend(fontsize=8)
    name(axes, title, "milliseconds a picture, decoding to decision", "share of pictures")
    return svg(figure)


def steps(runs: Mapping[str, dict], title: str) -> str:
    """Where the time goes: medians of the steps, one bar a run."""
    figure = Figure(figsize=(6.4, 0.9 + 0.4 * len(runs)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(runs))
    for i, step in enumerate(STEPS):
        width = np.array([run["steps"][step]["value"] for run in runs.values()])
        axes.barh(list(runs), width, left=left, color=_COLOURS[i], label=step)
        left += width
    axes.invert_yaxis()
    axes.legend(fontsize=8, ncols=len(STEPS), loc="lower center", bbox_to_anchor=(0.5, 1.15))
    name(axes, title, "milliseconds, medians", "")
    return svg(figure)


def curves(models: Mapping[str, Mapping[str, dict]], title: str, unit: str, amounts: Sequence[float]) -> str:
    """Balanced accuracy over the strength of a damage, with its interval, a line a model; where answers were left to a
    person, the share answered as a dotted line.

    models: {name: {strength: judged.judged()}}, strength "0" for pictures as they are.
    """
    figure = Figure(figsize=(3.4, 3.0), layout="constrained")
    axes = figure.subplots()
    for i, (label, found) in enumerate(models.items()):
        colour, places = _COLOURS[i % len(_COLOURS)], range(len(found))
        balanced = [each["balanced_accuracy"] for each in found.values()]
        axes.plot(places, [b["value"] for b in balanced], color=colour, label=label)
        axes.fill_between(
            places, [b["low"] for b in balanced], [b["high"] for b in balanced], color=colour, alpha=0.15, linewidth=0
        )
        coverage = [each["coverage"]["value"] for each in found.values()]
        if min(coverage) < 1:
            axes.plot(places, coverage, ":", color=colour)
    axes.set_xticks(range(len(amounts) + 1), ["0", *(f"{amount:g}" for amount in amounts)])
    axes.set_ylim(0.4, 1.01)
    axes.legend(fontsize=7, loc="lower left")
    name(axes, title, unit, "balanced accuracy")
    return svg(figure)


def bars(groups: Mapping[str, dict], title: str, unit: str) -> str:
    """Figures with intervals side by side: {name: {"value", "low", "high"}}."""
    figure = Figure(figsize=(6.4, 0.9 + 0.3 * len(groups)), layout="constrained")
    axes = figure.subplots()
    values = [each["value"] for each in groups.values()]
    reach = np.array([[e["value"] - e["low"], e["high"] - e["value"]] for e in groups.values()]).T
    axes.barh(list(groups), values, xerr=reach, color=_COLOURS[0], alpha=0.6)
    axes.invert_yaxis()
    name(axes, title, unit, "")
    return svg(figure)


def _reach(each: Mapping) -> list[list[float]]:
    return [[each["value"] - each["low"]], [each["high"] - each["value"]]]
