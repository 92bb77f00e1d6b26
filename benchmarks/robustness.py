"""How right are the models, float and quantized, when the picture is not as good as those that they learned from?"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks import metrics
from benchmarks.corruptions import KINDS, STRENGTHS, damage
from benchmarks.pictures import spread
from edge import classify, frames
from edge.crop import crop
from edge.decide import Decision
from edge.errors import UserError
from edge.frames import Frame
from edge.model import Model
from train import data
from train.evaluation import intervals, model_card

NOTHING = "as they are"


def robustness(folder: Path, files: Sequence[Path], count: int | None = None, split: str = "test") -> dict:
    """Pictures of one cell damaged before they are located, cropped and answered, as `edge-classify --single` does.

    count: so many of each class of each source, of None all. -> {"split", "pictures", "strengths": {kind: {"amounts",
    "unit"}}, "models": {name: {"sha256", "kinds": {NOTHING: {"0": metrics.judged()}, kind: {"1": ..., "5": ...}}}}}.
    Raises UserError for a folder or file that can't be used.
    """
    if not files:
        raise UserError("Nothing to measure: name model files.")
    chosen = some(data.only(data.read(folder), split), count)
    models = {file.stem: Model(file) for file in files}
    images = [frames.load(folder / example.path).image for example in chosen]
    told: dict[tuple[str, str, int], list[Decision]] = defaultdict(list)
    with click.progressbar(_all(), label="Damaging pictures", file=sys.stderr) as bar:
        for kind, strength in bar:
            damaged = [
                Frame(damage(image, kind, strength, number) if strength else image, example.path, 0, 0.0)
                for number, (image, example) in enumerate(zip(images, chosen, strict=True))
            ]
            find = {policy: _finders(policy, damaged, chosen) for policy in {m.policy for m in models.values()}}
            for frame, example in zip(damaged, chosen, strict=True):
                cells = {policy: each[example.source](frame)[0] for policy, each in find.items()}
                for name, model in models.items():
                    seen = model.predict(crop(frame, cells[model.policy], model.size, model.policy))
                    told[name, kind, strength] += metrics.decided(model, [seen])
    clusters = intervals.clusters(chosen)
    return {
        "split": split,
        "pictures": len(chosen),
        "strengths": {kind: {"amounts": amounts, "unit": unit} for kind, (_, amounts, unit) in KINDS.items()},
        "models": {
            name: {
                "sha256": model.sha256,
                "kinds": _judged(data.targets(chosen, model.labels), told, name, clusters, model.labels),
            }
            for name, model in models.items()
        },
    }


def _finders(policy: str, shown: Sequence[Frame], examples: Sequence[data.Example]) -> dict[str, classify.Finder]:
    """What finds the cell of each source's pictures, these being one run."""
    runs: dict[str, list[Frame]] = defaultdict(list)
    for frame, example in zip(shown, examples, strict=True):
        runs[example.source].append(frame)
    return {source: classify.finder(policy, one=True, run=run) for source, run in runs.items()}


def some(examples: Sequence[data.Example], count: int | None) -> list[data.Example]:
    """So many of each class of each source, from all over the list."""
    groups: dict[tuple[str, str], list[data.Example]] = defaultdict(list)
    for each in examples:
        groups[each.source, each.label].append(each)
    return [each for group in groups.values() for each in spread(group, count)]


def _all() -> list[tuple[str, int]]:
    return [(NOTHING, 0), *((kind, strength) for kind in KINDS for strength in STRENGTHS)]


def _judged(
    truth: np.ndarray,
    told: dict[tuple[str, str, int], list[Decision]],
    name: str,
    cells: np.ndarray,
    labels: Sequence[str],
) -> dict:
    result: dict[str, dict] = {}
    for kind, strength in _all():
        figures = metrics.judged(truth, told[name, kind, strength], cells, labels)
        result.setdefault(kind, {})[str(strength)] = figures
    return result


def table(result: dict) -> str:
    lines = [f"{result['pictures']} pictures of the {result['split']} split; balanced accuracy, 95 % intervals"]
    for name, found in result["models"].items():
        plain = found["kinds"][NOTHING]["0"]
        lines.append(f"\n{name}: {_cell(plain)} as they are")
        lines.append(f"{'strength':14}" + "".join(f"{strength:>24}" for strength in STRENGTHS))
        for kind in KINDS:
            cells = "".join(f"{_cell(found['kinds'][kind][str(strength)]):>24}" for strength in STRENGTHS)
            lines.append(f"{kind:14}{cells}")
    return "\n".join(lines)


def _cell(figures: dict) -> str:
    balanced = figures["balanced_accuracy"]
    coverage = figures["coverage"]["value"]
    return model_card.value(balanced["value"], balanced) + (f" {100 * coverage:.0f} %" if coverage < 1 else "")
