"""How right is each model, float and quantized, through the runner on the same pictures, and how fast?"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import metrics
from benchmarks.interleaved import ROUNDS, figure
from convert import gate
from edge import model
from edge.decide import OTHER, Decision, Rules, decide
from edge.errors import UserError
from edge.system.quiet import quiet
from train import data
from train.evaluation import intervals

_REFERENCES = ("keras", "float32")  # what the other kinds of a network are compared with: the first that is there


@dataclass(frozen=True)
class _Answered:
    """One model's answers. kind: "keras", or what was emitted; seconds: float [n], of a file alone."""

    name: str
    network: str
    kind: str
    labels: tuple[str, ...]
    sha256: str
    size: int
    decisions: list[Decision]
    seconds: np.ndarray | None


def accuracy(folder: Path, paths: Sequence[Path], split: str) -> dict:
    """Model files, and runs of `train` with their Keras model and whatever `convert` put beside it, over one split.

    -> {"split", "split_sha256", "models": {name: {"network", "kind", "sha256", "bytes", "milliseconds" (turns.figure()
    of the model alone, one thread, files only), "figures": {"all" or source: metrics.judged()}, "changes": {"reference",
    and gate.changes()} (against the float model of its network, where that is there, too)}}}. Raises UserError for a
    folder or file that can't be used, and for a run where TensorFlow is missing.
    """
    runs = [path for path in paths if path.is_dir()]
    files = [file for path in paths for file in (sorted(path.glob("*.tflite")) if path.is_dir() else [path])]
    examples = data.read(folder)
    chosen = data.only(examples, split)
    answered = [_keras(run, folder, chosen) for run in runs] + _files(folder, files, chosen)
    cells, sources = intervals.clusters(chosen), np.array([e.source for e in chosen])
    groups = {"all": np.full(len(chosen), True)} | {name: sources == name for name in sorted(set(sources.tolist()))}
    models = {}
    for each in answered:
        truth = data.targets(chosen, each.labels)
        models[each.name] = {
            "network": each.network,
            "kind": each.kind,
            "sha256": each.sha256,
            "bytes": each.size,
            **({"milliseconds": _milliseconds(each.seconds)} if each.seconds is not None else {}),
            "figures": {
                name: metrics.judged(
                    truth[rows], [each.decisions[i] for i in np.flatnonzero(rows)], cells[rows], each.labels
                )
                for name, rows in groups.items()
            },
            **_changes(truth, each, answered),
        }
    return {"split": split, "split_sha256": data.split_hash(examples), "models": models}


def _files(folder: Path, files: Sequence[Path], chosen: Sequence[data.Example]) -> list[_Answered]:
    if not files:
        raise UserError("Nothing to measure: name model files, or runs with files that `convert` made.")
    opened = [model.Model(file) for file in files]
    raced = gate.race([(each, data.crops(folder, chosen, each.size, each.policy)) for each in opened])
    return [
        _Answered(
            file.stem,
            each.document["network"],
            each.document["quantization"]["kind"],
            each.labels,
            each.sha256,
            file.stat().st_size,
            metrics.decided(each, seen),
            seconds,
        )
        for file, each, (seen, seconds) in zip(files, opened, raced, strict=True)
    ]


def _keras(path: Path, folder: Path, chosen: Sequence[data.Example]) -> _Answered:
    try:
        with quiet():  # TensorFlow talks while it is imported
            from train import run
    except ModuleNotFoundError as error:
        missing = (error.name or "a package").partition(".")[0]
        raise UserError(
            f"{path} is a Keras model, and {missing} is missing: run `pip install edge-classify[train]`, or name its "
            ".tflite files."
        ) from error
    told, network = run.read(path)
    labels = tuple(told["labels"])
    crops = data.crops(folder, chosen, told["size"], told["crop"]["policy"])
    rules = Rules(labels, tuple(run.kinds(told)))
    decisions = [decide(each, rules) for each in run.predict(network, crops)]
    file = path / "model.keras"
    return _Answered(
        f"{told['network']}-keras",
        told["network"],
        "keras",
        labels,
        hashlib.sha256(file.read_bytes()).hexdigest(),
        file.stat().st_size,
        decisions,
        None,
    )


def _milliseconds(seconds: np.ndarray) -> dict:
    """float [n] -> the figure over parts of the run that follow each other, as all models' answers are alike slow."""
    each = len(seconds) // ROUNDS
    return figure(seconds[: ROUNDS * each].reshape(ROUNDS, each) if each else seconds[None])


def _changes(truth: np.ndarray, after: _Answered, answered: Sequence[_Answered]) -> dict:
    same = [each for each in answered if each.network == after.network and each.labels == after.labels]
    references = [each for kind in _REFERENCES for each in same if each.kind == kind]
    if not references or references[0] is after:
        return {}
    before = references[0]
    names = [label for label in after.labels if label != OTHER]
    given = [metrics.likelier(each.decisions, names) for each in (before, after)]
    return {"changes": {"reference": before.name, **gate.changes(truth, *given)}}


def table(result: dict) -> str:
    lines = []
    for name, found in result["models"].items():
        time = (
            f", {found['milliseconds']['value']:.3f} ms a picture, the model alone" if "milliseconds" in found else ""
        )
        lines.append(f"{name}: {found['bytes'] / 1e3:.0f} kB{time}")
        recalls = [f"{label} recall" for label in reversed(found["figures"]["all"]["classes"])]
        lines.append(
            f"{'':10}"
            + "".join(f"{head:>32}" for head in [*recalls, "balanced accuracy"])
            + "     ECE answered wrong of these"
        )
        for source, figures in found["figures"].items():
            *shares, ece, coverage, risk = metrics.row(figures)
            lines.append(
                f"{source:10}" + "".join(f"{share:>32}" for share in shares) + f"{ece:>8}{coverage:>9}{risk:>15}"
            )
        if "changes" in found:
            lines.append(changed(found["changes"]))
        lines.append("")
    return "\n".join(lines[:-1])


def changed(told: dict) -> str:
    return (
        f"{told['changed']} of {told['count']:,} answers are not {told['reference']}'s: {told['spoiled']} to the "
        f"worse, {told['mended']} to the better (McNemar's exact p {told['p']:.2g})"
    )
