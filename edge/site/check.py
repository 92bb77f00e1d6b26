"""Is a model fit for a site? What cells of it say, unlabelled and labelled, and what to do."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.decide import REVIEW, RISK, Decision
from edge.model import Model
from edge.site.adapt import answers, figures, mean
from edge.site.intervals import interval
from edge.site.labelled import Cells
from edge.site.profile import FEWEST

GO, ADAPT, NO_GO = "go", "adapt", "no-go"
ENOUGH = 20  # physical cells of each name that are worth a judgement
_RECALL, _WRONG, _GIVEN = 0.9, 0.05, 0.5  # go: at least of each name, at most of those given, at least of all
_RANKED = 0.85  # AUROC of the names: below, no threshold helps
_FAR = 0.5  # of the cells: so many unlike anything in training
BINS = 15  # ranges of confidence


def statistics(cells: Cells, model: Model) -> dict[str, Any]:
    """What needs no labels: "cells"; "distance": quantiles, 1 for a usual training cell; "far": share beyond "limit",
    the model's own; "sure": median share of the likeliest label; "review": share for a person, with "reasons" and how
    many have each; "answers": how many are called what; "pictures": what speaks against how many of them, such as
    "out of focus".
    """
    decisions = answers(cells, model)
    rules = model.rules(RISK)
    low, middle, high = np.quantile(cells.distance, [0.1, 0.5, 0.9])
    reasons = Counter(re.split(r",? \d", d.reason)[0] for d in decisions if d.label == REVIEW)
    return {
        "cells": len(cells),
        "distance": {"10 %": round(float(low), 2), "50 %": round(float(middle), 2), "90 %": round(float(high), 2)},
        "limit": rules.max_distance if np.isfinite(rules.max_distance) else None,
        "far": mean((cells.distance > rules.max_distance).tolist()),
        "sure": round(float(np.median([max(d.probabilities.values()) for d in decisions])), 4),
        "review": mean([d.label == REVIEW for d in decisions]),
        "reasons": dict(reasons.most_common()),
        "pictures": dict(Counter(doubt for doubt in cells.doubts if doubt).most_common()),
        "answers": dict(sorted(Counter(d.label for d in decisions).items())),
    }


def judged(cells: Cells, model: Model) -> dict[str, Any]:
    """Labelled cells -> edge.site.adapt's figures(); "recall": of each label by what it is likeliest called, over physical
    cells, with the exact 95 % interval; "auroc": of the two names; "ece"; "verdict", "why" and "do".
    """
    decisions = answers(cells, model)
    truth = cells.truth.tolist()
    found = figures(decisions, truth, model.labels)
    recall = {label: _recall(i, decisions, cells, model.labels) for i, label in enumerate(model.labels)}
    shares = np.array([[d.probabilities[label] for label in model.labels] for d in decisions])
    found |= {
        "recall": {label: each for label, each in recall.items() if each["count"]},
        "auroc": _auroc(shares[cells.truth == 0], shares[cells.truth == 1]),
        "ece": round(calibration_error(cells.truth, shares), 4),
    }
    verdict, why, what = _verdict(found, cells, model)
    return found | {"verdict": verdict, "why": why, "do": what}


def confidence_bins(confidence: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, float [n] -> the borders of equal ranges, float [bins + 1], and the range of each, int [n].

    Ranges are open below and closed above, as in the source of `calibration_error`.
    """
    edges = np.linspace(0, 1, bins + 1)
    return edges, np.digitize(confidence, edges[1:-1], right=True)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: the mean of |share of right answers - mean confidence| over ranges of confidence,
    weighted by their counts.

    Args:
        truth: int [n].
        probabilities: float [n, labels].
        bins: equal ranges of confidence.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    confidence, right = probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == truth
    _, place = confidence_bins(confidence, bins)
    gaps = [abs(float(right[place == i].sum() - confidence[place == i].sum())) for i in np.unique(place)]
    return sum(gaps) / len(truth)


def _recall(label: int, decisions: Sequence[Decision], cells: Cells, labels: Sequence[str]) -> dict[str, Any]:
    """A physical cell is found if more than half of its pictures are."""
    hits: dict[int, list[bool]] = {}
    for decision, truth, cell in zip(decisions, cells.truth, cells.cells, strict=True):
        if truth == label:
            likeliest = max(labels, key=decision.probabilities.__getitem__)
            hits.setdefault(int(cell), []).append(likeliest == labels[label])
    right = sum(2 * sum(each) > len(each) for each in hits.values())
    low, high = interval(right, len(hits))
    value = round(right / len(hits), 4) if hits else None
    return {"value": value, "right": right, "count": len(hits), "low": round(low, 4), "high": round(high, 4)}


def _auroc(first: np.ndarray, second: np.ndarray) -> float | None:
    """How often a cell of the second name has more of it than one of the first has (Mann and Whitney, 1947)."""
    if not len(first) or not len(second):
        return None
    a, b = (each[:, 1] / np.maximum(each[:, :2].sum(axis=1), 1e-9) for each in (first, second))
    apart = b[:, None] - a[None, :]
    return round(float((apart > 0).mean() + (apart == 0).mean() / 2), 4)


def _verdict(found: dict[str, Any], cells: Cells, model: Model) -> tuple[str, str, str]:
    """-> GO, ADAPT or NO_GO, why, and what to do."""
    names = model.labels[:2]
    few = [f"{cells.count(i)} {name}s" for i, name in enumerate(names) if cells.count(i) < FEWEST]
    if few:
        return NO_GO, f"{' and '.join(few)} say nothing", f"label at least {FEWEST} of each, better {ENOUGH}"
    worst = min(names, key=lambda name: found["recall"][name]["value"])
    recall = found["recall"][worst]
    text = (
        f"{recall['right']} of {recall['count']} {worst}s are found (95 %: {recall['low']:.2f} to {recall['high']:.2f})"
    )
    wrong = found["wrong"] or 0.0
    given = f"{found['given']:.0%} of the named cells get an answer and {wrong:.0%} of these are wrong"
    if recall["value"] >= _RECALL and wrong <= _WRONG and found["given"] >= _GIVEN:
        enough = all(cells.count(i) >= ENOUGH for i in (0, 1))
        return (
            GO,
            f"{text}, {given}",
            "use it as it is" + ("" if enough else f"; {ENOUGH} cells of each would say more"),
        )
    if found["auroc"] < _RANKED:
        far = float(np.mean(cells.distance > model.rules(RISK).max_distance))
        why = f"lymphocytes and monocytes aren't told apart here (AUROC {found['auroc']:.2f}), {text}"
        what = "see to focus, light and stain" if far > _FAR else "see that the labels are right"
        return NO_GO, why, f"{what}; if that isn't it, train on cells of this microscope"
    return ADAPT, f"{text}, {given}, but the two are ranked well (AUROC {found['auroc']:.2f})", "run `edge-site adapt`"
