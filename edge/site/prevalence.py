"""How many of the one name and of the other there are at a site, from its unlabelled cells."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.decide import Decision
from edge.site.profile import LogitOffset, Profile

FEWEST = 40  # cells with a name: of fewer the shares are chance
_LEAST = 0.05  # no name is taken to be rarer
_ROUNDS = 200


def shares(seconds: Sequence[float]) -> float | None:
    """The second name's share, 0..1, by answers for which both are taken to be equally many; None of too few cells.

    Expectation maximisation (Saerens, Latinne and Decaestecker, Neural Computation 2002).
    """
    p = np.clip(np.asarray(seconds, np.float64), 1e-3, 1 - 1e-3)
    if len(p) < FEWEST:
        return None
    share = 0.5
    for _ in range(_ROUNDS):
        share = float((p * share / (p * share + (1 - p) * (1 - share))).mean())
    return round(min(max(share, _LEAST), 1 - _LEAST), 3)


def named(decisions: Sequence[Decision], labels: Sequence[str]) -> list[float]:
    """Of cells that rather have one of the two names: how sure it is the second."""
    pairs = [[decision.probabilities[label] for label in labels[:2]] for decision in decisions]
    return [second / (first + second) for first, second in pairs if first + second > 0.5]


def expecting(profile: Profile, share: float, labels: Sequence[str]) -> Profile:
    """The same for a site where that share of the two names' cells has the second."""
    more = profile.decision.temperature * math.log(share / (1 - share))
    told = {labels[0]: round(1 - share, 3), labels[1]: share}
    return replace(
        profile,
        names=LogitOffset(round(profile.names.shift + more, 4), profile.names.weights),
        told=profile.told | {"shares": told},
    )
