"""What each part of the compact network's recipe brings, on microscopes that it did not learn from."""

from dataclasses import fields, replace
from pathlib import Path

from train import compare, cross, data, shape
from train.augment import MOVES, VIEWS
from train.settings import COMPACT, Compact

_SINGLE = [name for name in (*MOVES, *VIEWS) if name != "flip"]
SHAPE = "seven numbers of size and shape, no network"
# A row's name -> what it changes in train.settings' Settings or Compact.
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
# (learned from, tested on) -> balanced accuracy, AUROC.
Figures = dict[tuple[str, str], tuple[float, float]]


def ablate(folder: Path, out: Path, rows: list[str], given: dict, weights: str) -> dict[str, Figures]:
    """Trains the compact network with each of ROWS' changes on each source of the data alone, in folders below `out`,
    and tests it on all -> figures by row. A run that is there is taken as it is, so that a stopped ablation goes on.

    rows: where one is taught by the first, that comes before it; given: of train.settings' fields, what holds for all
    rows, a seed or fewer epochs. Raises UserError as cross does.
    """
    result = {}
    for row in rows:
        if row == SHAPE:
            sources = sorted({e.source for e in data.read(folder)})
            result[row] = _figures({source: shape.tested(folder, source) for source in sources})
            continue
        change = given | ROWS[row]
        more = {own.name: change.pop(own.name) for own in fields(Compact) if own.name in change}
        more["teachers"] = tuple(str(name).format(out=out) for name in more.get("teachers", ()))
        options = replace(Compact(weights=weights), **more)
        place = out / row.replace(" ", "-")
        runs = cross.cross(folder, place, {"compact": replace(COMPACT, **change)}, {"compact": options}, False)
        reports = [compare.read(run) for run in runs]
        result[row] = _figures({each["settings"]["source"]: compare.tested(each) for each in reports})
    return result


def table(found: dict[str, Figures]) -> str:
    """ablate()'s figures as a Markdown table: balanced accuracy / AUROC of each pair of sources, learned from -> tested
    on, with the difference of the mean balanced accuracy across from the first row's.
    """
    pairs = list(dict.fromkeys(pair for figures in found.values() for pair in figures))
    across = [pair for pair in pairs if pair[0] != pair[1]]
    lines = [
        "| | " + " | ".join(f"{a} to {b}" for a, b in pairs) + " | mean across |",
        "|---" * (len(pairs) + 2) + "|",
    ]
    first = None
    for row, figures in found.items():
        mean = sum(figures[pair][0] for pair in across) / max(len(across), 1)
        first = mean if first is None else first
        cells = [f"{figures[pair][0]:.3f} / {figures[pair][1]:.3f}" for pair in pairs]
        lines.append(f"| {row} | " + " | ".join(cells) + f" | {mean:.3f} ({mean - first:+.3f}) |")
    return "\n".join(lines)


def _figures(tested: dict[str, dict[str, dict]]) -> Figures:
    """{learned from: {tested on: train.evaluation.evaluate.metrics()}} -> Figures."""
    return {
        (learned, source): (figures["balanced_accuracy"], figures["auroc"])
        for learned, each in tested.items()
        for source, figures in each.items()
    }
