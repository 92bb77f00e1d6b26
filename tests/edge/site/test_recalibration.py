"""Do all pictures of a cell stay in one part of a cross-validation, and does a fit start from the model's own map?"""

import numpy as np
import pytest

from edge.site.recalibration import LogitMap, Prior, fit_logit_map, folds


def test_all_pictures_of_a_cell_stay_in_one_part() -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 12, 200)
    parts = folds(cells % 2, cells, 5, rng)
    for cell in range(12):
        assert len(set(parts[cells == cell])) == 1
    assert len(set(parts)) == 5


def test_a_tight_prior_keeps_the_model_s_own_map_and_a_loose_one_finds_the_shift() -> None:
    rng = np.random.default_rng(0)
    target = (np.arange(400) % 2).astype(float)
    logits = rng.normal(0, 1, 400) + 2 * (2 * target - 1) + 3  # shifted by 3
    features = np.zeros((400, 0))
    fits = [
        fit_logit_map(logits, features, target, np.ones(400), Prior(LogitMap(1.0, 0.0), shift)) for shift in (1e-4, 9.0)
    ]
    assert fits[0].shift == pytest.approx(0, abs=1e-3)
    assert fits[1].shift / fits[1].scale == pytest.approx(-3, abs=0.3) and 0.2 <= fits[1].scale <= 1.001
