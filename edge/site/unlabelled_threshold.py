"""Finds the threshold between lymphocytes and monocytes from many unlabelled cells of one microscope.

On a microscope that a network has never seen, its ranking of cells holds better than its threshold: all its logits are
shifted the same way. But the logits of lymphocytes and monocytes still form two clusters. The threshold belongs midway
between the two.
"""

from collections.abc import Iterable

import numpy as np

FEWEST = 40  # cells: with fewer, the clusters are chance
_SMALLEST = 0.1  # share of the cells: a smaller cluster is a tail of the other one
_APART = 2.5  # least distance between the clusters' means, in their standard deviation
_FARTHEST = 2.5  # largest shift, in logits: a larger one means another kind of slide, not a shift
_ROUNDS = 200


def shift(probabilities: Iterable[float]) -> float | None:
    """What to subtract from the logit of the second name, so that a probability of 0.5 lies between the clusters.

    A mixture of two normal distributions with a common variance is fitted to the logits by expectation maximisation,
    from means at -2 and 2. The shift is midway between the fitted means, so that it doesn't depend on which name is
    rarer.

    Args:
        probabilities: of the second of two names, one a cell, each 0 to 1. The cells must be lymphocytes and monocytes
            alone, from one run.

    Returns:
        The shift in logits, to hundredths, so that machines agree; None where there are no two clear clusters.

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
