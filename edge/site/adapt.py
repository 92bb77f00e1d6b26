"""Adapts a model to a site: fits a profile, and keeps it where it is better on cells that it wasn't fitted to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from edge import unlike
from edge.decide import RISK, Decision, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.share import Share
from edge.site import recalibration, refit
from edge.site.figures import LeftOut, SiteFigures, figures, recalls
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, Profile
from edge.system.progress import Progress, silent

_REPEATS = 2  # runs of the cross-validation, each with the cells divided in another way
# A profile may cost right answers, as shares of the cells with a name: as many as the wrong ones that it saves, and
# _COST more. With one that leaves fewer than _FEWEST_ANSWERED, the model could as well be left out.
_COST, _FEWEST_ANSWERED = 0.1, 0.1
# Standard errors: if balanced accuracy falls by less, that is chance: where two cells are lost and none is won, but not
# where three are lost.
_CHANCE = 1.5


@dataclass(frozen=True)
class Adapted:
    """The result of an adaptation.

    Attributes:
        profile: None where it isn't better than the model alone.
        left_out: how left-out cells were answered without and with a profile.
        why: why there is no profile, as a part of a sentence; "" if there is one.
        recall: by label, the share of the left-out cells that were found with a profile; see edge.site.figures.recalls.
    """

    profile: Profile | None
    left_out: LeftOut
    why: str = ""
    recall: dict[str, Share] = field(default_factory=dict)


def usable(cells: Cells, model: Model) -> Cells:
    """The cells that a profile can be fitted to. Cells of *other* are left out if there are fewer than FEWEST.

    Raises:
        UserError: where a name has too few cells, or the model doesn't have exactly two names.
    """
    names = len(model.labels) - model.rules(None).knows_other
    if names != 2:
        raise UserError(f"Only a model with two labels besides *other* can be adapted to a site; this one has {names}.")
    for label in (0, 1):
        if (count := cells.count(label)) < FEWEST:
            raise UserError(
                f"{count} {model.labels[label]} cell{'' if count == 1 else 's'} can't teach the model anything; "
                f"label at least {FEWEST} different ones of each class, better 20."
            )
    return cells.at(cells.truth < 2) if cells.count(2) < FEWEST else cells


def adapt(cells: Cells, model: Model, seed: int = 0, progress: Progress = silent) -> Adapted:
    """Fits a profile to a site's labelled cells and finds out whether it is better than the model alone.

    Each cell is answered by a profile that was fitted without it and without other pictures of it. The profile is
    better where the mean log loss falls by more than one standard error, balanced accuracy doesn't fall by more than
    chance explains, and it doesn't cost many right answers. The model alone is measured as `edge-classify` uses it: as
    a run that may be unlike home.

    Raises:
        UserError: as `usable` does.
    """
    cells = usable(cells, model)
    own = alone(cells, model)
    gains, changes, before, after, order = np.zeros(len(cells)), np.zeros(len(cells)), [], [], []
    rng = np.random.default_rng(seed)
    for number in range(_REPEATS):
        part = recalibration.folds(cells.truth, cells.physical, refit.FOLDS, rng)
        for each in range(refit.FOLDS):
            progress("Testing a profile", number * refit.FOLDS + each, _REPEATS * refit.FOLDS)
            rows = np.flatnonzero(part == each)
            adapted = answers(cells.at(rows), model, refit.fit(cells.at(part != each), model))
            for i, decision in zip(rows, adapted, strict=True):
                label = model.labels[cells.truth[i]]
                gains[i] += (_log_loss(own[i], label) - _log_loss(decision, label)) / _REPEATS
                changes[i] += (
                    _is_named(decision, label, model.labels) - _is_named(own[i], label, model.labels)
                ) / _REPEATS
                before.append(own[i])
                after.append(decision)
                order.append(int(i))
    progress("Testing a profile", _REPEATS * refit.FOLDS, _REPEATS * refit.FOLDS)
    gain, standard_error = refit.weighted_gain(gains, cells)
    truth, once = cells.truth[order], len(cells)
    left_out = LeftOut(figures(before, truth, model.labels), figures(after, truth, model.labels), gain, standard_error)
    if why := _worse(left_out, _falls(changes, cells)):
        return Adapted(None, left_out, why)
    profile = refit.fit(cells, model)
    # One hard cell may make its limits so strict that hardly a cell is answered, though those of the tests were not.
    if why := _costly(left_out.before, figures(answers(cells, model, profile), cells.truth, model.labels)):
        return Adapted(None, left_out, why)
    rounded = replace(left_out, gain=round(gain, 4), standard_error=round(standard_error, 4))
    recall = recalls(after[:once], truth[:once], cells.physical[order[:once]], model.labels)
    return Adapted(replace(profile, left_out=rounded), left_out, recall=recall)


def _falls(changes: np.ndarray, cells: Cells) -> bool:
    """Whether balanced accuracy falls by more than chance explains.

    changes: of each picture, 1 where only the profile gives the right name, -1 where only the model alone does, or 0.
    """
    named = cells.truth < 2
    change, error = refit.weighted_gain(changes[named], cells.at(named))
    return change < -_CHANCE * error


def _worse(found: LeftOut, falls: bool) -> str:
    """Why a profile isn't better than the model alone, as a part of a sentence; "" if it is better.

    falls: whether balanced accuracy falls by more than chance explains.
    """
    before, after = found.before, found.after
    if found.gain <= found.standard_error:
        return "the answers for left-out cells get no better with one"
    if falls:
        return (
            f"with one, balanced accuracy on left-out cells would fall from {before.balanced_accuracy:.3f} to "
            f"{after.balanced_accuracy:.3f}"
        )
    return _costly(before, after)


def _costly(before: SiteFigures, after: SiteFigures) -> str:
    """Why a profile costs too many right answers, as a part of a sentence; "" if it doesn't."""
    answered = [each.coverage or 0.0 for each in (before, after)]
    wrong = [share * (each.risk or 0.0) for share, each in zip(answered, (before, after), strict=True)]
    lost = (answered[0] - wrong[0]) - (answered[1] - wrong[1])
    if lost > max(0.0, wrong[0] - wrong[1]) + _COST or answered[1] < min(answered[0], _FEWEST_ANSWERED):
        return (
            f"with one, {answered[1]:.0%} of the lymphocytes and monocytes would get an answer, "
            f"and {answered[0]:.0%} without"
        )
    return ""


def alone(cells: Cells, model: Model) -> list[Decision]:
    """The decision for each picture by the model as `edge-classify` uses it: it notices runs that are unlike home.

    cells: n pictures of one microscope, which are taken as one run; model: with or without a profile.
    """
    predictions = [
        Prediction(*each) for each in zip(cells.kinds, cells.features, map(float, cells.distance), strict=True)
    ]
    run = unlike.compare(unlike.measure(predictions, (), model.distance), model.home, model.kinds)
    rules = unlike.held_to_more(model.rules(RISK), run)
    return [
        decide(unlike.moved(each.kinds, run), rules, 0.0, each.distance, partial(str, doubt))
        for each, doubt in zip(predictions, cells.doubts, strict=True)
    ]


def answers(cells: Cells, model: Model, profile: Profile | None = None, risk: float | None = RISK) -> list[Decision]:
    """The decision for each picture.

    Args:
        cells: n pictures.
        model: gives labels and thresholds; its predictions are in `cells` already.
        profile: used for the answers, unless it is None.
        risk: see Model.rules.
    """
    rules = model.rules(risk, profile.decision if profile else None)
    result = []
    for i in range(len(cells)):
        kinds = cells.kinds[i]
        if profile:
            kinds = profile.adjusted(Prediction(kinds, cells.features[i]))
        result.append(decide(kinds, rules, 0.0, float(cells.distance[i]), partial(str, cells.doubts[i])))
    return result


def _is_named(decision: Decision, label: str, labels: Sequence[str]) -> bool:
    """Whether the likelier of the two names is the cell's own."""
    return label == max(labels[:2], key=decision.probabilities.__getitem__)


def _log_loss(decision: Decision, label: str) -> float:
    return -math.log(max(decision.probabilities[label], 1e-3))
