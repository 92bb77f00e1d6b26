"""Is a site's profile better than the model alone, on cells that it doesn't know?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from edge.decide import REVIEW, RISK, Decision, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.site import recalibration, refit
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, Profile

_TIMES = 2  # that cells are dealt into parts anew


@dataclass(frozen=True)
class Adapted:
    """profile: None where it isn't better; before, after: figures() of left-out cells; gain: by how much less their
    answers cost (log loss, each label weighing the same), and its standard error.
    """

    profile: Profile | None
    before: dict[str, Any]
    after: dict[str, Any]
    gain: tuple[float, float]


def usable(cells: Cells, model: Model) -> Cells:
    """Those that can teach: others only where there are enough of them.

    Raises UserError for too few cells, or a model that doesn't tell two names apart.
    """
    home = model.rules(None)
    if len(model.labels) - home.knows_other != 2:
        raise UserError(f"A site is adapted to between two names; this model knows {len(model.labels)}.")
    for label in (0, 1):
        if (count := cells.count(label)) < FEWEST:
            raise UserError(
                f"{count} {model.labels[label]} cell{'' if count == 1 else 's'} can't teach anything; "
                f"label at least {FEWEST} different ones of each kind, better 20."
            )
    return cells.at(cells.truth < 2) if cells.count(2) < FEWEST else cells


def adapt(cells: Cells, model: Model, seed: int = 0) -> Adapted:
    """Labelled cells of a site -> what they teach.

    Each cell is answered by a profile that was made without it, and without any other picture of it. Better means that
    this costs less, by more than a standard error, and that the names are told apart no worse. Raises UserError as
    usable() does.
    """
    cells = usable(cells, model)
    old = answers(cells, model)
    gains, before, after, truth = np.zeros(len(cells)), [], [], []
    rng = np.random.default_rng(seed)
    for _ in range(_TIMES):
        part = recalibration.folds(cells.truth, cells.cells, refit.FOLDS, rng)
        for each in range(refit.FOLDS):
            rows = np.flatnonzero(part == each)
            new = answers(cells.at(rows), model, refit.fit(cells.at(part != each), model))
            for i, decision in zip(rows, new, strict=True):
                label = model.labels[cells.truth[i]]
                gains[i] += (_cost(old[i], label) - _cost(decision, label)) / _TIMES
                before.append(old[i])
                after.append(decision)
                truth.append(int(cells.truth[i]))
    gain = refit.gained(gains, cells)
    was, now = figures(before, truth, model.labels), figures(after, truth, model.labels)
    if gain[0] <= gain[1] or now["balanced_accuracy"] < was["balanced_accuracy"]:
        return Adapted(None, was, now, gain)
    profile = refit.fit(cells, model)
    told = {"before": was, "after": now, "gain": round(gain[0], 4), "standard_error": round(gain[1], 4)}
    return Adapted(replace(profile, told=profile.told | {"left_out": told}), was, now, gain)


def answers(cells: Cells, model: Model, profile: Profile | None = None, risk: float | None = RISK) -> list[Decision]:
    """What is answered of these cells by the model alone or, with a profile, at its site."""
    rules = model.rules(risk, profile.decision if profile else None)
    result = []
    for i in range(len(cells)):
        kinds = cells.kinds[i]
        if profile:
            kinds = profile.kinds(Prediction(kinds, cells.features[i]))
        result.append(decide(kinds, rules, 0.0, float(cells.distance[i]), partial(str, cells.doubts[i])))
    return result


def figures(decisions: Sequence[Decision], truth: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """ "balanced_accuracy": the mean recall of the two names, by which of them is likelier, whatever else is told or
    doubted; "labels": that of all labels, by the likeliest; "given": the share of the names' cells that isn't left for
    a person; "wrong": of these; "named": the share of other cells that is given a name. None of nothing.
    """
    apart: list[list[bool]] = [[], []]
    likeliest: list[list[bool]] = [[] for _ in labels]
    given, named = [], []
    for decision, label in zip(decisions, truth, strict=True):
        p = [decision.probabilities[name] for name in labels]
        likeliest[label].append(p.index(max(p)) == label)
        if label < 2:
            apart[label].append((p[1] > p[0]) == (label == 1))
            given += [decision.label == labels[label]] if decision.label != REVIEW else []
        else:
            named.append(decision.label in labels[:2])
    return {
        "balanced_accuracy": mean([mean(each) for each in apart if each]),
        "labels": mean([mean(each) for each in likeliest if each]),
        "given": mean([d.label != REVIEW for d, t in zip(decisions, truth, strict=True) if t < 2]),
        "wrong": mean([not right for right in given]),
        "named": mean(named),
    }


def mean(values: Sequence) -> float | None:
    """None of nothing."""
    return round(float(np.mean(values)), 4) if len(values) else None


def _cost(decision: Decision, label: str) -> float:
    return -math.log(max(decision.probabilities[label], 1e-3))
