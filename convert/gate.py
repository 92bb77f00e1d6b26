"""The proof: the file through the runner itself, against the float model, on the same pictures."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
from scipy.stats import binomtest

from edge.model import Model, Prediction
from train.evaluation import calibration, evaluate

_IN_A_ROW = 16


class NotProven(click.ClickException):
    """A file that lost more than it may. Not the user's mistake, so with an exit code of its own."""

    exit_code = 3


@dataclass(frozen=True)
class Limits:
    """What quantization may cost at most, as shares: of balanced accuracy, and of the rare class's recall."""

    balanced_accuracy: float = 0.005
    recall: float = 0.01


def answers(model: Model, crops: np.ndarray) -> np.ndarray:
    """uint8 [n, size, size, 3] through the runner -> probabilities float32 [n, labels]."""
    return np.stack([model.run(crop) for crop in crops])


def race(runners: Sequence[tuple[Model, np.ndarray]]) -> list[tuple[list[Prediction], np.ndarray]]:
    """What several models see in the crops of the same pictures, with the seconds of each, float [n].

    They take turns, so that whatever else the machine does falls on all of them, each with a few pictures in a row, so
    that a small model isn't charged for a large one's having emptied the processor's cache.
    """
    count = len(runners[0][1])
    seen: list[list[Prediction]] = [[] for _ in runners]
    seconds = np.zeros((len(runners), count))
    label = f"Running {count:,} pictures through {len(runners)} models"
    with click.progressbar(range(0, count, _IN_A_ROW), label=label, file=sys.stderr) as bar:
        for first in bar:
            for m, (model, crops) in enumerate(runners):
                for i in range(first, min(first + _IN_A_ROW, count)):
                    start = time.perf_counter()
                    seen[m].append(model.predict(crops[i]))
                    seconds[m, i] = time.perf_counter() - start
    return list(zip(seen, seconds, strict=True))


def verdict(
    truth: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    sources: Sequence[str],
    labels: Sequence[str],
    limits: Limits,
) -> dict:
    """Float against quantized answers to the same pictures.

    truth: int [n]; before, after: probabilities float [n, labels]. -> {"passed", "against" (sentences: what spoke
    against it), "limits", "rare" (the class that is watched: monocytes, or what else is rarest here), "lost" (float
    minus quantized, shares), "float", "quantized" (by_source() figures), "ece", "differences" (of probabilities),
    "answers" (changes())}.
    """
    finite = bool(np.isfinite(after).all())
    after = np.nan_to_num(after)
    figures = [evaluate.by_source(truth, p, sources, labels) for p in (before, after)]
    counts = np.bincount(truth, minlength=len(labels))
    rare = "monocyte" if "monocyte" in labels else labels[len(labels) - 1 - int(np.argmin(counts[::-1]))]
    recalls = [f["all"]["classes"][rare]["recall"]["value"] or 0.0 for f in figures]
    lost = {
        "balanced_accuracy": figures[0]["all"]["balanced_accuracy"] - figures[1]["all"]["balanced_accuracy"],
        "recall": recalls[0] - recalls[1],
    }
    against = [
        f"it loses {100 * lost[key]:.1f} points of {what} where {100 * limit:.1f} are allowed"
        for key, what, limit in (
            ("balanced_accuracy", "balanced accuracy", limits.balanced_accuracy),
            ("recall", f"{rare} recall", limits.recall),
        )
        if lost[key] > limit + 1e-9  # a picture more or less isn't decided by the last bit of a float
    ]
    if not finite:
        against.insert(0, "it answers with what is no number")
    difference = np.abs(before - after).max(axis=1)
    return {
        "passed": not against,
        "against": against,
        "limits": {"balanced_accuracy": limits.balanced_accuracy, "recall": limits.recall},
        "rare": rare,
        "lost": lost,
        "float": figures[0],
        "quantized": figures[1],
        "ece": {
            name: calibration.calibration(truth, p)["ece"] for name, p in (("float", before), ("quantized", after))
        },
        "differences": {
            "mean": float(difference.mean()),
            "percentile_99": float(np.percentile(difference, 99)),
            "largest": float(difference.max()),
        },
        "answers": changes(truth, before.argmax(axis=1), after.argmax(axis=1)),
    }


def changes(truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> dict:
    """Two models' answers to the same pictures, int [n] each -> {"count", "changed", "spoiled", "mended", "p"}.

    p: McNemar's exact test (Psychometrika 1947): of the pictures that one of the two answers right and the other wrong,
    could as many go one way by chance?
    """
    spoiled = int(((before == truth) & (after != truth)).sum())
    mended = int(((before != truth) & (after == truth)).sum())
    return {
        "count": len(truth),
        "changed": int((before != after).sum()),
        "spoiled": spoiled,
        "mended": mended,
        "p": float(binomtest(spoiled, spoiled + mended).pvalue) if spoiled + mended else 1.0,
    }


def sentence(found: dict) -> str:
    """verdict()'s outcome in words."""
    lost, told = found["lost"], found["answers"]
    balanced, recall = _points(lost["balanced_accuracy"]), _points(lost["recall"])
    return (
        f"{'Passed' if found['passed'] else 'Failed'}: {balanced} of balanced accuracy, {recall} of {found['rare']} "
        f"recall; {told['changed']} of {told['count']:,} answers changed, {told['spoiled']} to the worse and "
        f"{told['mended']} to the better (McNemar's exact p {told['p']:.2g})."
    )


def _points(lost: float) -> str:
    points = round(-100 * lost, 1) + 0.0
    return f"{points:+.1f} points"


def comparison(rows: dict[str, dict], sources: Sequence[str] = ("all",)) -> str:
    """{name: by_source() figures} -> lines of text, a line a model and source."""
    labels = list(reversed(next(iter(rows.values()))[sources[0]]["classes"]))  # the rarer class first
    widths = [max(17, len(label) + 8) for label in labels]
    heads = [f"{label + ' recall':>{width}}" for label, width in zip(labels, widths, strict=True)]
    lines = [f"{'':24}{''.join(heads)}{'balanced accuracy':>18}"]
    for name, figures in rows.items():
        for source in sources:
            f = figures[source]
            recalls = [f["classes"][label]["recall"]["value"] or 0.0 for label in labels]
            cells = "".join(f"{recall:{width}.4f}" for recall, width in zip(recalls, widths, strict=True))
            lines.append(f"{name + ', ' + source:24}{cells}{f['balanced_accuracy']:18.4f}")
    return "\n".join(lines)
