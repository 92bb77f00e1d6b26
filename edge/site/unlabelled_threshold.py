"""What many unlabelled cells of one microscope say of the threshold.

On a microscope that a network has never seen its ranking holds better than its threshold: all answers lean one way.
But lymphocytes and monocytes stay two heaps of answers, and between the heaps is where the threshold belongs.
"""

from collections.abc import Iterable

import numpy as np

FEWEST = 40  # cells: of fewer the heaps are chance
_SMALLEST = 0.1  # share of the cells: less is a tail, not a heap
_APART = 2.5  # standard deviations between the heaps' middles
_FARTHEST = 2.5  # of the shift, in logits: more is no shift but another slide altogether
_ROUNDS = 200


def shift(probabilities: Iterable[float]) -> float | None:
    """The probabilities of the second of two labels, for many cells of one run that is lymphocytes and monocytes alone
    -> what to take off each logit, so that 0.5 lies between the two heaps; None where there aren't two clear heaps.

    A mixture of two normal distributions with one variance on the logits, by expectation maximisation (Dempster, Laird
    and Rubin, JRSS B 1977) from middles at -2 and 2; the shift is midway between the middles, so that it doesn't matter
    which kind is rarer. Rounded to hundredths, so that machines agree.
    """
    p = np.clip(np.fromiter(probabilities, np.float64), 1 / 512, 511 / 512)
    if len(p) < FEWEST:
        return None
    logits = np.log(p / (1 - p))
    middles, variance, rare = np.array([-2.0, 2.0]), 1.0, 0.5
    for _ in range(_ROUNDS):
        apart = (logits[:, None] - middles) ** 2 / (2 * variance)
        odds = np.exp(np.clip(apart[:, 0] - apart[:, 1], -50, 50)) * rare / (1 - rare)
        second = odds / (1 + odds)
        rare = float(np.clip(second.mean(), 1e-3, 1 - 1e-3))
        shares = np.stack([1 - second, second], axis=1)
        middles = (shares * logits[:, None]).sum(axis=0) / shares.sum(axis=0)
        variance = max(float((shares * (logits[:, None] - middles) ** 2).sum() / len(p)), 1e-2)
    found = float(middles.mean())
    clear = middles[1] - middles[0] >= _APART * np.sqrt(variance) and _SMALLEST <= rare <= 1 - _SMALLEST
    return round(found, 2) if clear and abs(found) <= _FARTHEST else None
