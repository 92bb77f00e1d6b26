"""How well are red cells measured, in a picture by itself and over a run, and what are nuclei worth by either ruler?"""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from edge import classify, frames
from edge.cell import Cell, single
from edge.errors import UserError
from edge.red_cells import FEWEST
from train import data, fields


def ruler(folder: Path) -> dict:
    """The test split's cells and the marked fields' films, each a run -> {"cells": {source: run}, "fields": {film:
    run}}, run: {"pictures", "red_cell" (the run's, in shares of a picture's longer side), "apart" (root mean square
    difference of single readings' logarithms from it), "nuclei": {label: {"run", "picture": {"median", "spread"}}}
    (diameters in red cells, by the run's ruler and by each picture's own; spread: of logarithms)}.

    Raises UserError where there are no cells.
    """
    runs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for example in data.only(data.read(folder), "test"):
        runs[example.source].append((str(folder / example.path), example.label))
    films: dict[str, list[tuple[str, str]]] = defaultdict(list)
    marked = fields.read(folder)
    often = {film for film, count in Counter(each.film for each in marked).items() if count >= FEWEST}
    for each in marked:
        films[each.film if each.film in often else f"{each.source}, small films"].append((str(folder / each.path), ""))
    return {
        "cells": {name: _run(pictures, middle=True) for name, pictures in runs.items()},
        "fields": {name: _run(pictures, middle=False) for name, pictures in films.items()},
    }


def _run(pictures: list[tuple[str, str]], middle: bool) -> dict:
    alone, together = classify.finder("cell"), classify.finder("cell", run=[path for path, _ in pictures])
    sides, readings = [], []
    nuclei: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for path, label in pictures:
        frame = frames.load(path)
        own, run = alone(frame), together(frame)
        if not run:
            continue
        if middle:
            own, run = single(frame, own), single(frame, run)
        one, other = own[0], run[0]
        sides.append(other.red_cell / max(frame.image.shape))
        readings.append(np.log(one.red_cell / other.red_cell))
        nuclei[label].append((_nucleus(other), _nucleus(one)))
    if not sides:
        raise UserError(f"No cells are found in {pictures[0][0]} and those beside it.")
    return {
        "pictures": len(pictures),
        "red_cell": float(np.median(sides)),
        "apart": float(np.sqrt(np.mean(np.square(readings)))),
        "nuclei": {
            label: {name: _spread([pair[i] for pair in pairs]) for i, name in enumerate(("run", "picture"))}
            for label, pairs in nuclei.items()
            if label
        },
    }


def _nucleus(cell: Cell) -> float:
    return cell.nucleus / cell.red_cell


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "spread": float(np.std(np.log(values)))}


def table(result: dict) -> str:
    """ruler()'s figures as Markdown tables."""
    lines = [
        "| test cells | red cells, share of a picture's width | a picture alone is off by | nuclei in red cells, by "
        "the run's ruler | by each picture's own |",
        "|---|---|---|---|---|",
    ]
    for name, run in result["cells"].items():
        told = [
            "; ".join(
                f"{label} {by[key]['median']:.2f} (± {by[key]['spread']:.0%})" for label, by in run["nuclei"].items()
            )
            for key in ("run", "picture")
        ]
        lines.append(f"| {name} | {run['red_cell']:.3f} | {run['apart']:.0%} | {told[0]} | {told[1]} |")
    lines += [
        "",
        "| fields of | pictures | red cells, share of the width | a picture alone is off by |",
        "|---|---|---|---|",
    ]
    for name, run in result["fields"].items():
        lines.append(f"| {name} | {run['pictures']} | {run['red_cell']:.4f} | {run['apart']:.0%} |")
    return "\n".join(lines)
