"""Does a fit follow the cells, count each physical cell once, and never make answers surer?"""

from dataclasses import replace

import numpy as np
import pytest
from site_cells import drawn

from edge.model import Model
from edge.site import recalibration, refit
from edge.site.adapt import answers
from edge.site.refit import fit


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


def test_a_profile_gives_the_logits_that_were_fitted(shipped: Model) -> None:
    """A model with a profile gives logits of scale * logit + shift + features @ weights, apart from rounding."""
    cells = drawn(shipped, 20, 2.0, 2.0)
    assert shipped.distance is not None
    profile = fit(cells, shipped)
    weights = np.random.default_rng(3).normal(0, 0.5, (cells.features.shape[1],))
    fitted = recalibration.LogitMap(0.8, -1.2, tuple(map(float, weights)))
    profile = replace(
        profile,
        second_name=refit.logit_offset(fitted, shipped),
        decision=replace(profile.decision, temperature=1 / fitted.scale),
    )
    logits = fitted.of(refit.second_name_logits(cells), shipped.distance.standardised(cells.features))
    compared = 0
    for decision, second in zip(answers(cells, shipped, profile), recalibration.sigmoid(logits), strict=True):
        first, given = (decision.probabilities[label] for label in shipped.labels[:2])
        if 0.02 < second < 0.98 and first + given > 0.1:
            assert given / (first + given) == pytest.approx(second, abs=5e-3)
            compared += 1
    assert compared


def test_a_cell_counts_once_however_often_photographed(shipped: Model) -> None:
    cells = drawn(shipped, 6)
    often = cells.at(np.r_[np.zeros(30, int), np.arange(len(cells))])
    weights = refit.picture_weights(often)
    assert weights[:31].sum() == pytest.approx(weights[31]) and weights.sum() == pytest.approx(len(cells))


def test_a_profile_never_makes_answers_surer(shipped: Model) -> None:
    profile = fit(drawn(shipped, 50, apart=6.0), shipped)
    assert profile.decision.temperature >= shipped.rules(None).temperature - 1e-4
    assert shipped.risks
    for risk in shipped.risks:
        own, adapted = shipped.rules(risk), shipped.rules(risk, profile.decision)
        assert adapted.min_confidence >= own.min_confidence
        assert adapted.max_other <= own.max_other and adapted.min_other >= own.min_other
