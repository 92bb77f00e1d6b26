"""Simulated predictions for the cells of a site, for several tests of edge/site."""

import numpy as np

from edge.model import Model
from edge.site.adapt import answers
from edge.site.figures import SiteFigures, figures
from edge.site.labelled import Cells
from edge.site.profile import Profile


def drawn(
    shipped: Model, each: int, lean: float = 0.0, other_lean: float = 0.0, seed: int = 0, apart: float = 3.0
) -> Cells:
    """Cells as predicted by a network that ranks them well, but whose logits are shifted.

    Args:
        shipped: a model with two names and *other*.
        each: number of cells of each label.
        lean: shift of the second name's logit.
        other_lean: shift of the logit of *other*.
        seed: seed of the random numbers.
        apart: half the distance between the means of the two names' logits.
    """
    assert shipped.distance is not None
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(shipped.labels)), each)
    size = len(truth)
    second = 1 / (1 + np.exp(-(rng.normal(0, 1, size) + apart * (2 * (truth == 1) - 1) + lean)))
    other = 1 / (1 + np.exp(-(rng.normal(0, 1, size) + 3 * (2 * (truth == 2) - 1) + other_lean)))
    kinds = np.zeros((size, len(shipped.kinds)))
    kinds[:, 0], kinds[:, 1], kinds[:, 2] = (1 - other) * (1 - second), (1 - other) * second, other
    # As those of training cells of one kind, so that the run is like home, but without a relation to the label.
    scattered = shipped.distance.means[0] + rng.normal(0, 1, (size, len(shipped.distance.whiten)))
    features = scattered @ np.linalg.inv(shipped.distance.whiten)
    return Cells(kinds, features, np.ones(size), truth, np.arange(size), ("",) * size)


def summary(cells: Cells, model: Model, profile: Profile | None = None) -> SiteFigures:
    """The figures of the answers by a model alone or with a profile."""
    return figures(answers(cells, model, profile), cells.truth, model.labels)
