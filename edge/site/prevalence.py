"""How common each of the two names is at a site, estimated from its unlabelled cells."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.decide import Decision
from edge.errors import UserError
from edge.model import Model
from edge.site.adapt import answers
from edge.site.labelled import Cells
from edge.site.profile import LogitOffset, Profile

FEWEST = 40  # cells with a name; with fewer, the estimate would be chance
_LEAST = 0.05  # the lowest prevalence that is assumed for a name
_ROUNDS = 200  # iterations of the estimate


def second_name_prevalence(probabilities: Sequence[float]) -> float | None:
    """The share of the second name among cells with a name, to thousandths; None where there are too few cells.

    Args:
        probabilities: probability of the second name against the first for each cell, 0 to 1; made as if both names
            were equally common.

    Source: expectation maximisation, Saerens, Latinne and Decaestecker, Neural Computation 14 (2002).
    """
    p = np.clip(np.asarray(probabilities, np.float64), 1e-3, 1 - 1e-3)
    if len(p) < FEWEST:
        return None
    share = 0.5
    for _ in range(_ROUNDS):
        share = float((p * share / (p * share + (1 - p) * (1 - share))).mean())
    return round(min(max(share, _LEAST), 1 - _LEAST), 3)


def second_name_probabilities(decisions: Sequence[Decision], labels: Sequence[str]) -> list[float]:
    """The probability of the second name against the first, for cells that more likely have a name than are *other*."""
    pairs = [[decision.probabilities[label] for label in labels[:2]] for decision in decisions]
    return [second / (first + second) for first, second in pairs if first + second > 0.5]


def with_prevalence(profile: Profile, share: float, labels: Sequence[str]) -> Profile:
    """The profile for a site where the second name has that share of the cells with a name.

    Args:
        profile: a profile that was made as if both names were equally common.
        share: share of the second name, above 0 and below 1.
        labels: the model's labels; the two names come first.
    """
    more = profile.decision.temperature * math.log(share / (1 - share))
    return replace(
        profile,
        second_name=LogitOffset(round(profile.second_name.shift + more, 4), profile.second_name.weights),
        prevalence={labels[0]: round(1 - share, 3), labels[1]: share},
    )


def with_prevalence_of(profile: Profile, cells: Cells, model: Model) -> Profile:
    """The profile with the prevalence that is estimated from unlabelled cells of the site.

    Raises:
        UserError: where fewer than FEWEST cells have a name.
    """
    decisions = answers(cells, model, profile)
    share = second_name_prevalence(second_name_probabilities(decisions, model.labels))
    if share is None:
        raise UserError(
            f"--unlabelled needs pictures of at least {FEWEST} lymphocytes and monocytes; add more, or leave it out."
        )
    return with_prevalence(profile, share, model.labels)
