"""`train evaluate`: a finished run and its data -> one page, one JSON file and one model card."""

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from edge import __version__
from edge.errors import UserError, reason
from train import run as runs
from train.data import crop_cache, dataset
from train.evaluation import calibration, error_balance, evaluate, gradcam, intervals, model_card, page

SEED = 0  # of the bootstrap and of the choice of right answers that are looked into
SHEET = 24  # of the worst mistakes
LOOKS = 6  # pictures of each class, right and wrong, whose Grad-CAM is drawn


def report(run: Path, folder: Path | None = None, out: Path | None = None, split: str = "test") -> dict:
    """Measures RUN on one split; writes evaluation.html, .json and .md into `out` (default: RUN).

    folder: the data, where it isn't any more where the run found it. Returns what evaluation.json holds. Raises
    UserError for what isn't a run, data that isn't the run's, a split without pictures, a folder that can't be written.
    """
    told, model = runs.read(run)
    known, labels = told["labels"], [label for label in told["labels"] if label != dataset.OTHER]
    if len(labels) != 2:
        raise UserError(f"{run} tells {len(labels)} classes apart, and this report is made for two.")
    folder, out = folder or Path(told["data"]["folder"]), out or run
    examples = dataset.only(runs.examples(run, told, folder), split)
    if not examples:
        raise UserError(f"{folder} holds no pictures in its {split} split that {run} may be tested on.")
    write(out, {})  # a folder that can't be made is told before the work, not after it
    examples = [e for e in examples if e.label != dataset.OTHER]  # `benchmark doubt` is about those
    crops = crop_cache.crops(folder, examples, told["size"], told["crop"]["policy"])
    truth = dataset.targets(examples, labels)
    probabilities = runs.predict(model, crops, len(known))
    if len(known) > 2:
        probabilities = evaluate.names_only(probabilities)
    cells = intervals.clusters(examples)
    sources = np.array([e.source for e in examples])
    groups = {"all": np.full(len(examples), True)} | {name: sources == name for name in sorted(set(sources))}
    wrong = mistakes(truth, probabilities)
    document = {
        "version": __version__,
        "command": shlex.join(
            ["train", "evaluate", str(run), "--data", str(folder), "--out", str(out), "--split", split]
        ),
        "seed": SEED,
        "resamples": intervals.RESAMPLES,
        "split": split,
        **{key: told[key] for key in ("network", "parameters", "labels", "size", "crop")},
        "training": told["settings"] | {"best_epoch": told["best_epoch"], "code_version": told["version"]},
        "keras_sha256": hashlib.sha256((run / "model.keras").read_bytes()).hexdigest(),
        "data": told["data"] | {"folder": str(folder)},
        "attributions": model_card.attributions(told["data"]["counts"], told["network"]),
        "figures": {
            name: figures(truth[rows], probabilities[rows], cells[rows], labels) for name, rows in groups.items()
        },
        "mistakes": [_answer(examples[i], probabilities[i], labels) for i in wrong],
    }
    sheet = [page.Look(document["mistakes"][i], crops[row]) for i, row in enumerate(wrong[:SHEET])]
    chosen = looked_into(truth, probabilities)
    answered = [_answer(examples[i], probabilities[i], labels) for i in chosen]
    warmth = gradcam.heat(model, crops[chosen], probabilities[chosen].argmax(axis=1))
    looks = [] if warmth is None else [page.Look(*each) for each in zip(answered, crops[chosen], warmth, strict=True)]
    scores = {name: (truth[rows] == 1, probabilities[rows, 1]) for name, rows in groups.items()}
    write(
        out,
        {
            "evaluation.html": page.page(document, scores, sheet, looks),
            "evaluation.json": json.dumps(document, indent=1, allow_nan=False) + "\n",
            "evaluation.md": model_card.evaluation_card(document),
        },
    )
    return document


def figures(truth: np.ndarray, probabilities: np.ndarray, cells: np.ndarray, labels: Sequence[str]) -> dict:
    """evaluate.metrics() of two classes and more; shares and "intervals" count a physical cell once.

    truth, cells: int [n], of cells that have a name; probabilities: float [n, labels]. Adds "cells", "intervals"
    (bootstrap, see train.evaluation.intervals), "average_precision" of the second class, "calibration", and "bias", in
    which a cell's answer is that of the mean of its photographs' probabilities.
    """
    result = evaluate.metrics(truth, probabilities, labels)
    answers, score = probabilities.argmax(axis=1), probabilities[:, 1]
    for i, label in enumerate(labels):
        hits, there, called = (truth == i) & (answers == i), truth == i, answers == i
        result["classes"][label]["recall"] = intervals.share(hits[there], cells[there])
        result["classes"][label]["precision"] = intervals.share(hits[called], cells[called])
    result["accuracy"] = intervals.share(truth == answers, cells)
    if "auroc" in result:
        result["average_precision"] = float(average_precision_score(truth, score))
    _, first, place = np.unique(cells, return_index=True, return_inverse=True)
    mean = np.stack([np.bincount(place, p) / np.bincount(place) for p in probabilities.T], axis=1)
    return result | {
        "cells": len(first),
        "intervals": intervals.bootstrap(lambda weights: _drawn(truth, answers, score, weights, labels), cells, SEED),
        "calibration": calibration.calibration(truth, probabilities),
        "bias": error_balance.bias(truth[first], mean.argmax(axis=1), labels),
    }


def _drawn(
    truth: np.ndarray, answers: np.ndarray, score: np.ndarray, weights: np.ndarray, labels: Sequence[str]
) -> dict[str, float]:
    """The figures of one draw of the bootstrap; NaN where a class is missing from it."""
    table = np.bincount(3 * truth + answers, weights, minlength=6).reshape(2, 3)  # a third answer may be given
    with np.errstate(invalid="ignore"):
        recall = table.diagonal() / table.sum(axis=1)
        f1 = 2 * table.diagonal() / (table.sum(axis=0)[:2] + table.sum(axis=1))
    both = not np.isnan(recall).any()
    return {
        **{f"f1 {label}": float(value) for label, value in zip(labels, f1, strict=True)},
        "balanced_accuracy": float(recall.mean()),
        "auroc": float(roc_auc_score(truth, score, sample_weight=weights)) if both else np.nan,
        "average_precision": float(average_precision_score(truth, score, sample_weight=weights)) if both else np.nan,
    }


def mistakes(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The rows that were answered wrong, int [k], the surest first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def looked_into(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Rows for Grad-CAM, int [k]: of each class the LOOKS worst mistakes, and as many right answers drawn by lot."""
    rng = np.random.default_rng(SEED)
    wrong, right = mistakes(truth, probabilities), np.flatnonzero(probabilities.argmax(axis=1) == truth)
    chosen = []
    for i in range(probabilities.shape[1]):
        chosen += [np.sort(rng.permutation(right[truth[right] == i])[:LOOKS]), wrong[truth[wrong] == i][:LOOKS]]
    return np.concatenate(chosen)


def _answer(example: dataset.Example, probabilities: np.ndarray, labels: Sequence[str]) -> dict:
    return {
        "path": example.path,
        "source": example.source,
        "truth": example.label,
        "answer": labels[int(probabilities.argmax())],
        "probability": float(probabilities.max()),
    }


def write(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes all or none: beside their places first, so that a full disk leaves what was there as it was.

    Raises UserError where it can't.
    """
    partial = {name: out / f"{name}.{os.getpid()}.partial" for name in files}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            partial[name].write_bytes(content.encode() if isinstance(content, str) else content)
        for name, path in partial.items():
            path.replace(out / name)
    except OSError as error:
        raise UserError(f"{out} can't be written: {reason(error)}; name another folder with --out.") from error
    finally:
        for path in partial.values():
            with suppress(OSError):  # where `out` is no folder, for one
                path.unlink(missing_ok=True)
