"""Finished runs side by side: several seeds as one row, and what the rows' settings differ in."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from edge.errors import UserError, reason

_DEVICES = ("strategy", "precision", "weights")  # how it was trained, not what
Figure = dict[str, float]


def compare(runs: Iterable[Path]) -> list[dict]:
    """Folders written by `train` -> a row for each network and settings, runs that differ in their seed together:
    {"network", "settings": what differs between rows, "seeds", "test": {source: {figure: {"mean", "low", "high"}}}}.

    low and high are the lowest and the highest of the seeds. Raises UserError for a folder without a finished run.
    """
    groups: dict[str, list[dict]] = {}
    for run in runs:
        report = read(run)
        same = {k: v for k, v in report["settings"].items() if k != "seed" and k not in _DEVICES}
        groups.setdefault(json.dumps([report["network"], report["crop"], same], sort_keys=True), []).append(report)
    settings = [each[0]["settings"] for each in groups.values()]
    names = sorted({name for one in settings for name in one} - {"seed", *_DEVICES})
    differing = [name for name in names if len({json.dumps(one.get(name)) for one in settings}) > 1]
    return [
        {
            "network": reports[0]["network"],
            "settings": {name: reports[0]["settings"].get(name) for name in differing},
            "seeds": sorted(report["settings"]["seed"] for report in reports),
            "test": {
                source: _figures([tested(report)[source] for report in reports])
                for source in tested(reports[0])
                if all(source in tested(report) for report in reports)
            },
        }
        for reports in groups.values()
    ]


def read(run: Path) -> dict:
    """What the run.json of a finished run of a classifier holds. Raises UserError where there is none."""
    try:
        report = json.loads((run / "run.json").read_text(encoding="utf-8"))
        if report["network"] == "locator" or not report["metrics"]["test"]:
            raise UserError(f"{run} holds no classifier.")
        return report
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else "its run.json is damaged"
        raise UserError(f"{run} is not a finished training run ({why}).") from error


def tested(report: dict) -> dict[str, dict]:
    """The figures of each source that a run was tested on: test splits, and the cells of marked camera fields."""
    metrics = report["metrics"]
    return {k: v for split in ("test", "fields") for k, v in metrics.get(split, {}).items() if k != "all"}


def _figures(metrics: list[dict]) -> dict[str, Figure]:
    values = {
        "balanced accuracy": [m["balanced_accuracy"] for m in metrics],
        "monocyte recall": [m["classes"]["monocyte"]["recall"]["value"] for m in metrics],
        "lymphocyte recall": [m["classes"]["lymphocyte"]["recall"]["value"] for m in metrics],
        "AUROC": [m.get("auroc") for m in metrics],
    }
    return {
        name: {"mean": statistics.fmean(each), "low": min(each), "high": max(each)}
        for name, each in values.items()
        if None not in each
    }


def table(rows: list[dict]) -> str:
    """compare()'s rows as a Markdown table; of several seeds the mean, the lowest and the highest."""
    figures = ("balanced accuracy", "monocyte recall", "lymphocyte recall", "AUROC")
    lines = ["| trained | tested on | " + " | ".join(figures) + " |", "|---" * (len(figures) + 2) + "|"]
    for row in rows:
        what = ", ".join(f"{name} {value}" for name, value in row["settings"].items() if value is not None)
        seeds = f" ({len(row['seeds'])} seeds)" if len(row["seeds"]) > 1 else ""
        for source, found in row["test"].items():
            cells = [_text(found[name], len(row["seeds"])) if name in found else "-" for name in figures]
            lines.append(f"| {row['network']} {what}{seeds} | {source} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _text(figure: Figure, seeds: int) -> str:
    spread = f" ({figure['low']:.3f} to {figure['high']:.3f})" if seeds > 1 else ""
    return f"{figure['mean']:.3f}{spread}"
