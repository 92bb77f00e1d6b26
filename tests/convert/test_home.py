"""What is usual at home is measured on groups of val cells of one source."""

import numpy as np
import pytest

from convert import home
from edge.contract import Home, document, load
from edge.mahalanobis import Distance
from edge.model import Prediction
from edge.unlike import FEATURES, Look


def arrays() -> dict[str, np.ndarray]:
    means = np.random.default_rng(1).normal(0, 3, (3, 8))
    return {"whiten": np.eye(8), "means": means}


def cells(known: dict[str, np.ndarray], truth: np.ndarray, slope: float, seed: int = 0) -> list[Prediction]:
    """Cells of these kinds, whose network is `slope` times as sure as a linear discriminant analysis."""
    rng = np.random.default_rng(seed)
    points = known["means"][truth] + rng.normal(0, 2, (len(truth), 8))
    logits = -slope / 2 * ((points[:, None] - known["means"]) ** 2).sum(axis=2)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return [Prediction(*each) for each in zip(shares.astype(np.float32), points.astype(np.float32), strict=True)]


def test_groups_of_home_cells_have_hardly_any_common_offset() -> None:
    known = arrays()
    truth = np.random.default_rng(0).integers(0, 3, 300)
    look = Look(sharpness=0.4, light=200.0, tint=0.8, nucleus=1.9, ruler=0.0)
    runs = home.groups(cells(known, truth, 0.1), [look] * 30, Distance(known))
    usual = home.spread(runs)
    assert abs(usual[FEATURES].middle) < 0.3 and usual["light"].middle == 200 and usual["light"].spread == 0
    stored = Home(usual, 0.1)
    assert load(Home, document(stored)) == stored


@pytest.mark.parametrize("slope", [0.05, 0.2])
def test_the_slope_is_found(slope: float) -> None:
    known = arrays()
    truth = np.random.default_rng(0).integers(0, 3, 600)
    assert home.slope(cells(known, truth, slope), truth, (0, 1), known) == pytest.approx(
        slope, rel=0.35
    )  # large logits are clipped
