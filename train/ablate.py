"""How much each part of the compact network's recipe helps, measured on microscopes that it did not learn from."""

import math
from dataclasses import fields, replace
from pathlib import Path

from edge import contract
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from train import compare, cross, shape
from train.augment import MOVES, VIEWS
from train.data import dataset
from train.settings import COMPACT, Compact

_SINGLE = [name for name in (*MOVES, *VIEWS) if name != "flip"]
SHAPE = "seven numbers of size and shape, no network"
# Each row's name, and the settings that it changes (fields of train.settings.Settings or Compact).
ROWS: dict[str, dict] = {
    "as it is": {},
    "by each picture's own ruler": {"ruler": "picture"},
    "by no ruler, all equally large": {"ruler": "nucleus"},
    "stain not normalised": {"policy": "cell"},
    "no locator": {"policy": "whole-image"},
    "no augmentation": {"augment": "none"},
    "no colour": {"augment": "full,-colour"},
    "no camera": {"augment": "full,-camera"},
    **{f"no {name}": {"augment": f"full,-{name}"} for name in _SINGLE},
    "no red cells close": {"crowd": 0.0},
    "half as far": {"amount": COMPACT.amount / 2},
    "classes not weighed": {"balance": "none"},
    "labels not smoothed": {"smoothing": 0.0},
    "thresholds left as learned": {"thresholds": False},
    "the rest as one class": {"other": "one"},
    "the rest not learned": {"other": "none"},
    "taught by the first row": {"teachers": ("{out}/as-it-is/compact-SOURCE",)},
    "batch statistics": {"norm": "batch"},
    "not from ImageNet": {"weights": "none"},
    "64 pixels": {"size": 64},
    "96 pixels": {"size": 96},
    "9 blocks": {"blocks": 9},
    "15 blocks": {"blocks": 15},
    SHAPE: {},
}
# (source to learn from, source to test on) -> (balanced accuracy, AUROC or NaN if it is not defined).
Figures = dict[tuple[str, str], tuple[float, float]]


def ablate(
    folder: Path, out: Path, rows: list[str], given: dict, weights: str, progress: Progress = silent
) -> dict[str, Figures]:
    """Trains the compact network on each source of the data alone, once for each row, and tests it on all sources.

    Finished runs are not trained again, so an ablation that was stopped can be continued.

    Args:
        folder: the data folder.
        out: the runs are written to folders below it.
        rows: names in ROWS. The row "taught by the first row" must come after the first one, "as it is".
        given: settings that hold for all rows, such as a seed or fewer epochs.
        weights: a file of MobileNetV2's weights; see train.settings.Compact.
        progress: see edge.system.progress.

    Returns:
        Figures by row.

    Raises:
        UserError: as train.cross.cross does.
    """
    result = {}
    for row in rows:
        if row == SHAPE:
            sources = sorted({e.source for e in dataset.read(folder)})
            result[row] = _figures({source: shape.tested(folder, source) for source in sources})
            continue
        change = given | ROWS[row]
        more = {own.name: change.pop(own.name) for own in fields(Compact) if own.name in change}
        more["teachers"] = tuple(str(name).format(out=out) for name in more.get("teachers", ()))
        options = replace(Compact(weights=weights), **more)
        place = out / row.replace(" ", "-")
        runs = cross.cross(
            folder, place, {"compact": replace(COMPACT, **change)}, {"compact": options}, False, progress
        )
        reports = [compare.read(run) for run in runs]
        result[row] = _figures({each.settings["source"]: each.tested for each in reports})
    return result


def table(by_row: dict[str, Figures]) -> Table:
    """The figures of `ablate` as a table: balanced accuracy and AUROC for each pair of sources.

    The last column is the mean balanced accuracy on sources that the network didn't learn from. In brackets is its
    difference from the first row.
    """
    pairs = list(dict.fromkeys(pair for figures in by_row.values() for pair in figures))
    across = [pair for pair in pairs if pair[0] != pair[1]]
    means = {row: sum(figures[pair][0] for pair in across) / max(len(across), 1) for row, figures in by_row.items()}
    first = next(iter(means.values()), 0.0)
    rows = [
        [
            row,
            *(f"{figures[pair][0]:.3f} / {figures[pair][1]:.3f}" for pair in pairs),
            f"{mean:.3f} ({mean - first:+.3f})",
        ]
        for (row, figures), mean in zip(by_row.items(), means.values(), strict=True)
    ]
    return Table(["", *(f"{a} to {b}" for a, b in pairs), "mean across"], rows)


def _figures(tested: dict[str, dict[str, contract.Figures]]) -> Figures:
    """The figures of a row. tested: figures by the source to learn from, then by the source to test on."""
    return {
        (learned, source): (figures.balanced_accuracy, math.nan if figures.auroc is None else figures.auroc)
        for learned, each in tested.items()
        for source, figures in each.items()
    }
