"""Is the prevalence of each name estimated without labels, and do answers take it into account?"""

import numpy as np
import pytest
from site_cells import drawn

from edge.decide import decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.site import prevalence
from edge.site.refit import fit


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_prevalence_is_estimated_without_labels(share: float) -> None:
    rng = np.random.default_rng(0)
    second = rng.random(1000) < share
    probabilities = 1 / (1 + np.exp(-(rng.normal(0, 1, 1000) * np.sqrt(6) + np.where(second, 3, -3))))
    assert prevalence.second_name_prevalence(probabilities.tolist()) == pytest.approx(share, abs=0.05)
    assert prevalence.second_name_prevalence(probabilities[:39].tolist()) is None


def test_doubtful_cells_get_the_more_common_name(shipped: Model) -> None:
    profile = fit(drawn(shipped, 20, 2.0), shipped)
    rules = shipped.rules(None, profile.decision)
    assert shipped.distance
    kinds = np.array([0.2, 0.8] + [0.0] * (len(shipped.kinds) - 2), np.float32)
    prediction = Prediction(kinds, np.zeros(len(shipped.distance.whiten), np.float32))
    odds = []
    for each in (profile, prevalence.with_prevalence(profile, 0.2, shipped.labels)):
        p = decide(each.adjusted(prediction), rules).probabilities
        odds.append(p["monocyte"] / p["lymphocyte"])
    assert odds[1] == pytest.approx(odds[0] / 4, rel=0.02)


def test_the_profile_takes_the_prevalence_of_unlabelled_cells(shipped: Model) -> None:
    profile = fit(drawn(shipped, 20, 2.0), shipped)
    cells = drawn(shipped, 100, 2.0, seed=1)
    rare = cells.at((cells.truth == 0) | (np.arange(len(cells)) % 5 == 0))  # 100 lymphocytes, 20 monocytes, 20 others
    found = prevalence.with_prevalence_of(profile, rare, shipped).prevalence
    assert found and found["monocyte"] == pytest.approx(1 / 6, abs=0.05)
    assert found["lymphocyte"] + found["monocyte"] == pytest.approx(1)
    with pytest.raises(UserError, match="at least 40"):
        prevalence.with_prevalence_of(profile, rare.at(np.arange(30)), shipped)
