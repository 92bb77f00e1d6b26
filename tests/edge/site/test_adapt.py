"""Do a few labelled cells help where they can, and change nothing where they can't?"""

from dataclasses import replace

import numpy as np
import pytest
from site_cells import drawn, summary

from edge.errors import UserError
from edge.model import Model
from edge.site import profile as profiles
from edge.site import refit
from edge.site.adapt import _falls, _worse, adapt, alone, answers, usable
from edge.site.figures import LeftOut, SiteFigures
from edge.site.labelled import Cells
from edge.site.profile import Profile


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


@pytest.mark.parametrize("lean", [-3.0, 3.0])
@pytest.mark.parametrize("each", [10, 20, 50])
def test_a_shifted_threshold_is_found(shipped: Model, lean: float, each: int) -> None:
    adapted = adapt(drawn(shipped, each, lean), shipped)
    left_out = adapted.left_out
    assert left_out.before.balanced_accuracy and left_out.after.balanced_accuracy
    assert adapted.profile and left_out.after.balanced_accuracy > left_out.before.balanced_accuracy
    assert left_out.gain > 0
    fresh = drawn(shipped, 300, lean, seed=1)
    before, after = (summary(fresh, shipped, each).balanced_accuracy for each in (None, adapted.profile))
    assert before and after and after >= before + 0.1
    assert after > 0.93


def test_cells_that_are_wrongly_called_other_are_recovered(shipped: Model) -> None:
    profile = adapt(drawn(shipped, 20, other_lean=4.0), shipped).profile
    fresh = drawn(shipped, 300, other_lean=4.0, seed=1)
    assert profile
    before, after = (summary(fresh, shipped, each).mean_recall for each in (None, profile))
    assert before and after and after >= before + 0.2


def test_a_profile_is_seldom_made_if_the_model_is_right_already(shipped: Model) -> None:
    """Left-out cells must gain more than one standard error, which happens by chance now and then."""
    made = [adapt(drawn(shipped, 20, seed=seed), shipped).profile is not None for seed in range(12)]
    assert sum(made) <= 4


def test_the_features_are_used_if_they_tell_what_the_model_overlooks(shipped: Model) -> None:
    """A feature tells the two names apart, while the model's answers are chance."""
    assert shipped.distance is not None

    def cells(seed: int, each: int) -> Cells:
        blind = drawn(shipped, each, apart=0.0, seed=seed)
        telling = np.linalg.inv(shipped.distance.whiten)[0] * 8  # type: ignore[union-attr]
        return replace(blind, features=blind.features * 0 + np.outer(2 * (blind.truth == 1) - 1, telling))

    profile = adapt(cells(0, 20), shipped).profile
    assert profile and any(profile.second_name.weights)
    assert (summary(cells(1, 100), shipped, profile).balanced_accuracy or 0.0) > 0.9


def test_many_pictures_of_three_cells_count_as_three_cells(shipped: Model) -> None:
    cells = drawn(shipped, 20)
    few = replace(cells, physical=np.where(cells.truth == 0, cells.physical % 3, cells.physical))
    with pytest.raises(UserError, match="3 lymphocyte cells"):
        usable(few, shipped)


def test_too_few_other_cells_are_left_out(shipped: Model) -> None:
    cells = drawn(shipped, 20)
    few = cells.at((cells.truth < 2) | (cells.physical % 7 == 0))
    assert 0 < few.count(2) < profiles.FEWEST and not usable(few, shipped).count(2)


def left_out(before: tuple[float, float], after: tuple[float, float], gain: float = 0.5) -> LeftOut:
    """Figures with (coverage, risk) without and with a profile."""
    one, other = (SiteFigures(0.9, 0.9, coverage, risk, 0.0) for coverage, risk in (before, after))
    return LeftOut(one, other, gain, 0.1)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ((0.5, 0.0), (0.0, 0.0), "0% of the lymphocytes and monocytes would get an answer, and 50% without"),
        ((0.5, 0.02), (0.3, 0.0), "30% of the lymphocytes"),
        ((0.3, 0.5), (0.05, 0.0), "5% of the lymphocytes"),
        ((0.9, 0.3), (0.5, 0.02), ""),  # 14 right answers in a hundred cells for 26 wrong ones
        ((0.5, 0.02), (0.45, 0.0), ""),
        ((0.2, 0.0), (0.5, 0.0), ""),
        ((0.02, 0.0), (0.05, 0.0), ""),
    ],
)
def test_a_profile_may_not_cost_many_right_answers(
    before: tuple[float, float], after: tuple[float, float], why: str
) -> None:
    found = _worse(left_out(before, after), False)
    assert why in found and bool(found) == bool(why)
    assert "no better" in _worse(left_out((0.5, 0.0), (0.5, 0.0), gain=0.05), False)
    assert "fall from 0.900 to 0.900" in _worse(left_out((0.5, 0.0), (0.5, 0.0)), True)


@pytest.mark.parametrize(
    ("lost", "won", "falls"), [(0, 0, False), (2, 0, False), (3, 0, True), (3, 2, False), (9, 2, True)]
)
def test_balanced_accuracy_may_fall_by_chance(shipped: Model, lost: int, won: int, falls: bool) -> None:
    """But by no more: 45 more cells of each name are answered as before."""
    cells = drawn(shipped, 45)
    changes = np.zeros(len(cells))
    changes[:lost], changes[45 : 45 + won] = -1, 1
    assert _falls(changes, cells) == falls


def test_a_profile_that_leaves_all_cells_for_review_is_refused(shipped: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hard cell may do that to the whole profile, though not to those by which it is tested."""
    cells = drawn(shipped, 20, 3.0)
    assert adapt(cells, shipped).profile
    usual = refit.fit

    def strict(some: Cells, model: Model) -> Profile:
        found = usual(some, model)
        if len(some) < len(cells):
            return found
        risks = {risk: replace(limits, max_other=0.0) for risk, limits in (found.decision.risks or {}).items()}
        return replace(found, decision=replace(found.decision, risks=risks))

    monkeypatch.setattr(refit, "fit", strict)
    found = adapt(cells, shipped)
    assert found.profile is None and "0% of the lymphocytes and monocytes would get an answer" in found.why


def test_the_model_alone_is_measured_as_it_is_used(shipped: Model) -> None:
    """A run that is unlike home is answered with more doubt, and its kinds are moved; a profile must beat that."""
    assert shipped.distance is not None
    cells = drawn(shipped, 20)
    apart = replace(cells, features=cells.features + np.linalg.inv(shipped.distance.whiten).sum(axis=0))
    same = [decision.label for decision in alone(cells, shipped)]
    assert same == [decision.label for decision in answers(cells, shipped)]
    doubtful = [decision.label for decision in alone(apart, shipped)]
    assert doubtful.count("review") > same.count("review")
