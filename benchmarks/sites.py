"""What labelled cells of a microscope bring there: `edge-site adapt` with more and more of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.contract import document
from edge.decide import OTHER
from edge.model import Model
from edge.site.adapt import adapt, answers
from edge.site.figures import figures
from edge.site.labelled import Cells
from edge.site.profile import FEWEST
from train import data
from train import field_cells as fields
from train.evaluation import intervals

COUNTS = (0, 5, 10, 15, 20, 50)
DRAWS = 20
_LEFT = 2  # physical cells of each name to measure on, at least
_FIGURES = ("balanced_accuracy", "labels", "given", "wrong", "named")


def sites(folder: Path, models: Sequence[Path], counts: Sequence[int] = COUNTS, draws: int = DRAWS) -> dict:
    """Model files on each source of `folder`: the test split of single cells, and the labelled cells of marked fields,
    which no classifier learned from -> {"draws", "models": {file: {"sources": {source: {"learned": whether it did,
    "cells": physical ones by label, "points": {count: {"alone", "adapted": {figure of SiteFigures: {"value", "low",
    "high"}}, "written": in how many draws there was a profile}}, "left_out": counts with too few cells}}}}}.

    Each draw takes so many physical cells of each name, and as many others or half of them, adapts to all their
    pictures, and measures on the rest; without a profile, the model's own answers are measured. Value is the mean, low
    and high are the extremes of the draws.
    """
    return {
        "draws": draws,
        "models": {
            path.name: {"sources": _sources(folder, Model(path), [n for n in counts if n >= FEWEST], draws)}
            for path in map(Path, models)
        },
    }


def _sources(folder: Path, model: Model, counts: Sequence[int], draws: int) -> dict:
    test = [e for e in data.only(data.read(folder, model.labels), "test") if e.kind != data.PATCH]
    found = fields.read(folder, model.size, model.policy, model.labels)
    crops = np.concatenate([data.crops(folder, test, model.size, model.policy), found.crops])
    truth = np.concatenate([data.targets(test, model.labels), found.truth])
    physical = np.concatenate([intervals.clusters(test), len(test) + np.unique(found.cells, return_inverse=True)[1]])
    seen = Cells.of([model.predict(crop) for crop in crops], truth, physical)
    names = np.array([e.source for e in test] + found.sources)
    only = (model.contract.training or {}).get("source")
    learned = {only} if only else set(model.contract.data.counts if model.contract.data else {})
    return {
        str(source): {"learned": source in learned, **curve(seen.at(names == source), model, counts, draws)}
        for source in dict.fromkeys(names)
    }


def curve(there: Cells, model: Model, counts: Sequence[int], draws: int) -> dict:
    """One source's figures, see sites(); the same draws for every model."""
    home = document(figures(answers(there, model), there.truth, model.labels))
    points: dict[str, dict] = {"0": {"alone": {name: _spread([home[name]]) for name in _FIGURES}}}
    enough = [n for n in counts if all(there.count(label) >= n + _LEFT for label in (0, 1))]
    for count in enough:
        alone: list[dict] = []
        adapted: list[dict] = []
        written = 0
        for number in range(draws):
            drawn = _drawn(there, count, np.random.default_rng(number))
            rest = there.at(~drawn)
            profile = adapt(there.at(drawn), model).profile
            written += profile is not None
            was = answers(rest, model)
            now = answers(rest, model, profile) if profile else was
            for rows, decisions in ((alone, was), (adapted, now)):
                rows.append(document(figures(decisions, rest.truth, model.labels)))
        points[str(count)] = {
            name: {figure: _spread([row[figure] for row in rows]) for figure in _FIGURES}
            for name, rows in (("alone", alone), ("adapted", adapted))
        } | {"written": written}
    return {
        "cells": {label: there.count(i) for i, label in enumerate(model.labels)},
        "points": points,
        "left_out": [n for n in counts if n not in enough],
    }


def _drawn(there: Cells, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which pictures are labelled, bool [n]: all of the physical cells that are drawn."""
    drawn = np.zeros(len(there), bool)
    for label in np.unique(there.truth):
        known = rng.permutation(np.unique(there.physical[there.truth == label]))
        drawn |= np.isin(there.physical, known[: count if label < 2 else min(count, len(known) // 2)])
    return drawn


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return {"value": None, "low": None, "high": None}
    return {"value": float(np.mean(known)), "low": min(known), "high": max(known)}


def table(result: dict) -> str:
    """sites()'s figures as a Markdown table: means and ranges of the draws."""
    lines = [
        "| model | site | labelled a class | adapted | balanced accuracy | alone, same cells | answered "
        "| wrong of these | others named |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    notes = []
    for file, told in result["models"].items():
        for source, each in told["sources"].items():
            where = f"{file} | {source}{' (its own)' if each['learned'] else ''}"
            for count, point in each["points"].items():
                now = point.get("adapted", point["alone"])
                written = f"{point['written']} of {result['draws']}" if "written" in point else "-"
                alone = _text(point["alone"]["balanced_accuracy"]) if "written" in point else "-"
                rest = " | ".join(_text(now[name]) for name in ("given", "wrong", "named"))
                lines.append(
                    f"| {where} | {count} | {written} | {_text(now['balanced_accuracy'])} | {alone} | {rest} |"
                )
            if each["left_out"]:
                has = ", ".join(f"{n} {label}" for label, n in each["cells"].items() if label != OTHER)
                points = ", ".join(map(str, each["left_out"]))
                notes.append(f"{source} has too few cells ({has}) for {points} a class.")
    return "\n".join([*lines, "", *dict.fromkeys(notes)]).rstrip()


def _text(figure: dict) -> str:
    if figure["value"] is None:
        return "-"
    low, high = figure["low"], figure["high"]
    return f"{figure['value']:.3f}" + (f" ({low:.3f} to {high:.3f})" if high > low else "")
