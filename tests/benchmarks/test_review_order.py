"""The benchmark of the review's order."""

import numpy as np

from benchmarks.held_out import HeldOut
from benchmarks.review_order import _early, _order, table
from edge.model import SHIPPED, Model


def test_the_share_of_the_wrong_in_the_first_fifth() -> None:
    found = _early([True, True, False, False, False, True, False, False, False, True])
    assert (found.right, found.count) == (2, 4)
    assert _early([False] * 5).value is None


def test_a_gallery_of_predictions() -> None:
    """Cells that the model named at random: each wrong one is counted, and the doubtful ones come first."""
    model = Model(SHIPPED)
    rng = np.random.default_rng(0)
    predictions = [model.predict(rng.integers(0, 255, model.shape, np.uint8)) for _ in range(20)]
    nothing = np.array(["cell"] * 20)
    cells = HeldOut(predictions, rng.integers(0, 3, 20), nothing, nothing, np.arange(20), 20, {})
    found = _order(cells, model, np.arange(20), learned=False)
    assert found.cells == found.doubtful.count == 20
    assert found.given.count <= 20 - found.doubtful.right and found.likeliest.count <= 20
    assert "(its own)" not in table({"runs/rb/compact-int8.tflite": {"pbc": found}})
