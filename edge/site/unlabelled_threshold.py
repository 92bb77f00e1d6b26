"""Finds the threshold between lymphocytes and monocytes from many unlabelled cells of one microscope.

On a microscope that a network has never seen, it still ranks cells well, but its threshold is wrong: all its logits are
shifted by about the same amount. The logits of lymphocytes and monocytes still form two clusters, and the threshold
belongs midway between them.
"""

from collections.abc import Iterable

import numpy as np

FEWEST = 40  # cells; with fewer, clusters would be chance
_SMALLEST = 0.1  # share of the cells; a smaller cluster may be just the tail of the other one
_APART = 2.5  # least distance between the clusters' means, in standard deviations of a cluster
_FARTHEST = 2.5  # logits; a larger shift means that the slide itself is of another kind
_ROUNDS = 200  # iterations of the fit


def shift(probabilities: Iterable[float]) -> float | None:
    """What to subtract from the logit of the second name, so that a probability of 0.5 lies between the clusters.

    A mixture of two normal distributions with a common variance is fitted to the logits by expectation maximisation,
    from means at -2 and 2. The shift is midway between the fitted means, so that it doesn't depend on which name is
    rarer.

    Args:
        probabilities: for each cell, the probability of the second of the two names, 0 to 1. The cells must be from one
            run, and lymphocytes and monocytes only.

    Returns:
        The shift in logits, rounded to hundredths, so that all machines agree; None where there aren't two clear
            clusters.

    Source: Dempster, Laird and Rubin, JRSS B 39 (1977).
    """
    p = np.clip(np.fromiter(probabilities, np.float64), 1 / 512, 511 / 512)
    if len(p) < FEWEST:
        return None
    logits = np.log(p / (1 - p))
    means, variance, weight = np.array([-2.0, 2.0]), 1.0, 0.5  # weight: of the second cluster
    for _ in range(_ROUNDS):
        distances = (logits[:, None] - means) ** 2 / (2 * variance)
        odds = np.exp(np.clip(distances[:, 0] - distances[:, 1], -50, 50)) * weight / (1 - weight)
        second = odds / (1 + odds)
        weight = float(np.clip(second.mean(), 1e-3, 1 - 1e-3))
        shares = np.stack([1 - second, second], axis=1)
        means = (shares * logits[:, None]).sum(axis=0) / shares.sum(axis=0)
        variance = max(float((shares * (logits[:, None] - means) ** 2).sum() / len(p)), 1e-2)
    middle = float(means.mean())
    clear = means[1] - means[0] >= _APART * np.sqrt(variance) and _SMALLEST <= weight <= 1 - _SMALLEST
    return round(middle, 2) if clear and abs(middle) <= _FARTHEST else None
