"""Do a few labelled cells help where they can, and change nothing where they can't?"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge import model
from edge.decide import OTHER, decide
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.site import prevalence, recalibration, refit
from edge.site import profile as profiles
from edge.site.adapt import adapt, answers, figures, usable
from edge.site.check import ece, judged, statistics
from edge.site.labelled import Cells
from edge.site.profile import SiteModel, LogitOffset, Profile
from edge.site.refit import fit


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


def drawn(
    shipped: Model, each: int, lean: float = 0.0, other_lean: float = 0.0, seed: int = 0, apart: float = 3.0
) -> Cells:
    """So many cells of each label, as a network would see them that leans by these logits, but ranks them."""
    assert shipped.distance is not None
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(shipped.labels)), each)
    size = len(truth)
    second = 1 / (1 + np.exp(-(rng.normal(0, 1, size) + apart * (2 * (truth == 1) - 1) + lean)))
    rest = 1 / (1 + np.exp(-(rng.normal(0, 1, size) + 3 * (2 * (truth == 2) - 1) + other_lean)))
    kinds = np.zeros((size, len(shipped.kinds)))
    kinds[:, 0], kinds[:, 1], kinds[:, 2] = (1 - rest) * (1 - second), (1 - rest) * second, rest
    features = rng.normal(0, 1, (size, len(shipped.distance.whiten)))
    return Cells(kinds, features, np.ones(size), truth, np.arange(size), ("",) * size)


def told(cells: Cells, shipped: Model, profile: Profile | None = None) -> dict:
    return figures(answers(cells, shipped, profile), cells.truth.tolist(), shipped.labels)


@pytest.mark.parametrize("lean", [-3.0, 3.0])
@pytest.mark.parametrize("each", [10, 20, 50])
def test_a_shifted_threshold_is_found(shipped: Model, lean: float, each: int) -> None:
    found = adapt(drawn(shipped, each, lean), shipped)
    assert found.profile and found.after["balanced_accuracy"] > found.before["balanced_accuracy"] and found.gain[0] > 0
    fresh = drawn(shipped, 300, lean, seed=1)
    before, after = told(fresh, shipped), told(fresh, shipped, found.profile)
    assert after["balanced_accuracy"] >= before["balanced_accuracy"] + 0.1
    assert after["balanced_accuracy"] > 0.93


def test_what_is_called_other_is_won_back(shipped: Model) -> None:
    found = adapt(drawn(shipped, 20, other_lean=4.0), shipped)
    fresh = drawn(shipped, 300, other_lean=4.0, seed=1)
    assert found.profile
    assert told(fresh, shipped, found.profile)["labels"] >= told(fresh, shipped)["labels"] + 0.2


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_is_wrong_nothing_is_written(shipped: Model, seed: int) -> None:
    found = adapt(drawn(shipped, 20, seed=seed), shipped)
    assert found.profile is None


def test_the_last_layer_learns_what_the_model_overlooks(shipped: Model) -> None:
    """A feature that tells the names, where the model's answer is chance."""
    assert shipped.distance is not None

    def cells(seed: int, each: int) -> Cells:
        blind = drawn(shipped, each, apart=0.0, seed=seed)
        telling = np.linalg.inv(shipped.distance.whiten)[0] * 8  # type: ignore[union-attr]
        return replace(blind, features=blind.features * 0 + np.outer(2 * (blind.truth == 1) - 1, telling))

    found = adapt(cells(0, 20), shipped)
    assert found.profile and any(found.profile.names.weights)
    assert told(cells(1, 100), shipped, found.profile)["balanced_accuracy"] > 0.9


def test_a_profile_answers_as_its_fit_does(shipped: Model) -> None:
    """What the runner makes of a profile is scale * logit + shift + features @ weights, to what is rounded."""
    cells = drawn(shipped, 20, 2.0, 2.0)
    assert shipped.distance is not None
    profile = fit(cells, shipped)
    weights = np.random.default_rng(3).normal(0, 0.5, 48)
    bent = recalibration.LogitMap(0.8, -1.2, tuple(weights))
    profile = replace(
        profile, names=refit._lean(bent, shipped), decision=profile.decision | {"temperature": 1 / bent.scale}
    )
    expected = recalibration.sigmoid(bent.of(refit.names(cells), shipped.distance.spread(cells.features)))
    for decision, second in zip(answers(cells, shipped, profile), expected, strict=True):
        first, given = (decision.probabilities[label] for label in shipped.labels[:2])
        if 0.02 < second < 0.98 and first + given > 0.1:
            assert given / (first + given) == pytest.approx(second, abs=5e-3)


def test_one_cell_stays_in_one_part() -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 12, 200)
    parts = recalibration.folds(cells % 2, cells, 5, rng)
    for cell in range(12):
        assert len(set(parts[cells == cell])) == 1
    assert len(set(parts)) == 5


def test_a_cell_counts_once_however_often_photographed(shipped: Model) -> None:
    cells = drawn(shipped, 6)
    often = cells.at(np.r_[np.zeros(30, int), np.arange(len(cells))])
    weights = refit.weights(often)
    assert weights[:31].sum() == pytest.approx(weights[31]) and weights.sum() == pytest.approx(len(cells))


def test_photographs_of_three_cells_are_three_cells(shipped: Model) -> None:
    cells = drawn(shipped, 20)
    with pytest.raises(UserError, match="3 lymphocyte cells"):
        usable(replace(cells, cells=np.where(cells.truth == 0, cells.cells % 3, cells.cells)), shipped)


def test_few_others_teach_nothing(shipped: Model) -> None:
    cells = drawn(shipped, 20)
    few = cells.at((cells.truth < 2) | (cells.cells % 7 == 0))
    assert 0 < few.count(2) < profiles.FEWEST and not usable(few, shipped).count(2)


def test_a_site_never_makes_it_surer(shipped: Model) -> None:
    profile = fit(drawn(shipped, 50, apart=6.0), shipped)
    home = shipped.rules(None)
    assert profile.decision["temperature"] >= home.temperature - 1e-4
    for risk in shipped.risks:
        there, here = shipped.rules(risk), shipped.ruled(profile.decision, risk)
        assert here.sure >= there.sure and here.named <= there.named and here.other >= there.other


def test_a_profile_is_the_same_again(shipped: Model, tmp_path: Path) -> None:
    found = [adapt(drawn(shipped, 20, 3.0), shipped).profile for _ in range(2)]
    for i, profile in enumerate(found):
        assert profile
        profiles.write(profile, tmp_path / f"{i}.json")
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    assert profiles.read(tmp_path / "0.json") == found[0]


@pytest.fixture
def profile(shipped: Model, tmp_path: Path) -> Path:
    found = adapt(drawn(shipped, 20, 3.0), shipped).profile
    assert found
    profiles.write(found, tmp_path / "site.json")
    return tmp_path / "site.json"


def test_here_sees_and_rules_with_the_profile(shipped: Model, profile: Path) -> None:
    decision = json.loads(profile.read_text())["decision"]
    decision["risks"]["0.01"]["sure"] = 0.9876
    changed(profile, decision=decision)
    here = SiteModel(model.SHIPPED, 1, profile)
    crop = np.random.default_rng(0).integers(0, 256, (here.size, here.size, 3), np.uint8)
    assert here.see(crop).kinds == pytest.approx(here.profile.kinds(shipped.predict(crop)))
    assert here.rules(0.01).sure == 0.9876 != shipped.rules(0.01).sure


def changed(profile: Path, **new: object) -> None:
    """A profile that is whole, but says something else."""
    document = json.loads(profile.read_text()) | new
    document.pop("sha256")
    profile.write_text(json.dumps(document | {"sha256": profiles._digest(document)}))


def test_a_profile_for_another_model_is_refused(profile: Path) -> None:
    changed(profile, model="0" * 64)
    with pytest.raises(UserError, match="another model"):
        SiteModel(model.SHIPPED, 1, profile)


def test_a_profile_from_three_cells_is_refused(profile: Path) -> None:
    changed(profile, cells={"lymphocyte": 3, "monocyte": 20})
    with pytest.raises(UserError, match="made from 3 lymphocyte cells"):
        profiles.read(profile)


def test_a_profile_of_another_version_is_refused(profile: Path) -> None:
    changed(profile, site_profile=99)
    with pytest.raises(UserError, match="version 99"):
        profiles.read(profile)


@pytest.mark.parametrize("part", ["names", "decision", "cells", "model"])
def test_a_profile_that_lacks_something_is_refused(profile: Path, part: str) -> None:
    document = json.loads(profile.read_text())
    del document[part], document["sha256"]
    profile.write_text(json.dumps(document | {"sha256": profiles._digest(document)}))
    with pytest.raises(UserError, match="incomplete"):
        profiles.read(profile)


def test_a_profile_with_weights_of_another_network_is_refused(profile: Path) -> None:
    changed(profile, names={"shift": 0.0, "weights": [0.5] * 7})
    with pytest.raises(UserError, match="doesn't fit"):
        SiteModel(model.SHIPPED, 1, profile)


def test_damaged_profiles_are_refused(profile: Path) -> None:
    whole = profile.read_text()
    for text in (whole[: len(whole) // 2], whole.replace("20", "21", 1), "[]", "", "{}"):
        profile.write_text(text)
        with pytest.raises(UserError, match=r"damaged|no site profile"):
            profiles.read(profile)
    with pytest.raises(UserError, match="can't be read"):
        profiles.read(profile.parent / "absent.json")


def test_a_full_disk_leaves_the_old_profile(shipped: Model, profile: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Can't write"):
        profiles.write(profiles.read(profile), tmp_path / "no" / "folder.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site.json"]


def test_kinds_stay_shares() -> None:
    profile = Profile("", {}, LogitOffset(4.0), LogitOffset(-3.0), {}, {})
    for kinds in ([0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 0.5, 0.5], [1.0, 0.0, 0.0, 0.0]):
        found = profile.kinds(Prediction(np.array(kinds, np.float32), np.zeros(0, np.float32)))
        assert found.sum() == pytest.approx(1, abs=1e-6) and (found >= 0).all()
    found = profile.kinds(Prediction(np.array([0.7, 0.1, 0.1, 0.1], np.float32), np.zeros(0, np.float32)))
    assert found[1] / found[0] == pytest.approx(np.exp(4) / 7, rel=1e-3) and found[2:].sum() < 0.02


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_shares_are_found_without_labels(share: float) -> None:
    rng = np.random.default_rng(0)
    second = rng.random(1000) < share
    sure = 1 / (1 + np.exp(-(rng.normal(0, 1, 1000) * np.sqrt(6) + np.where(second, 3, -3))))
    assert prevalence.shares(sure.tolist()) == pytest.approx(share, abs=0.05)
    assert prevalence.shares(sure[:39].tolist()) is None


def test_answers_lean_to_what_is_common(shipped: Model) -> None:
    profile = fit(drawn(shipped, 20, 2.0), shipped)
    rules = shipped.ruled(profile.decision, None)
    seen = Prediction(np.array([0.2, 0.8] + [0.0] * (len(shipped.kinds) - 2), np.float32), np.zeros(48, np.float32))
    odds = []
    for each in (profile, prevalence.expecting(profile, 0.2, shipped.labels)):
        p = decide(each.kinds(seen), rules).probabilities
        odds.append(p["monocyte"] / p["lymphocyte"])
    assert odds[1] == pytest.approx(odds[0] / 4, rel=0.02)


def test_go_adapt_no_go(shipped: Model) -> None:
    sure = drawn(shipped, 30, apart=6.0, other_lean=-3.0)
    assert judged(sure, shipped)["verdict"] == "go"
    leaning = judged(drawn(shipped, 30, 3.0), shipped)
    assert leaning["verdict"] == "adapt" and "edge-site adapt" in leaning["do"]
    blind = judged(drawn(shipped, 30, apart=0.0), shipped)
    assert blind["verdict"] == "no-go" and "AUROC" in blind["why"]
    few = judged(drawn(shipped, 3), shipped)
    assert few["verdict"] == "no-go" and "3 lymphocytes" in few["why"]


def test_recall_counts_physical_cells_with_exact_intervals(shipped: Model) -> None:
    cells = drawn(shipped, 20, apart=6.0, other_lean=-3.0)
    twice = cells.at(np.repeat(np.arange(len(cells)), 2))
    recall = judged(twice, shipped)["recall"]["monocyte"]
    assert recall["count"] == 20 and recall["right"] == 20 and recall["low"] == pytest.approx(0.8316, abs=1e-4)


def test_calibration_error() -> None:
    shares = np.array([[0.9, 0.1]] * 10)
    assert ece(np.array([0] * 9 + [1]), shares) == pytest.approx(0, abs=1e-9)
    assert ece(np.array([0] * 4 + [1] * 6), shares) == pytest.approx(0.5)


def test_statistics_need_no_labels(shipped: Model) -> None:
    cells = replace(drawn(shipped, 20), truth=np.full(60, -1), distance=np.full(60, 99.0))
    cells = replace(cells, doubts=("out of focus",) * 20 + ("",) * 40)
    found = statistics(cells, shipped)
    assert found["far"] == 1.0 and found["review"] == 1.0
    assert found["reasons"]["unlike anything in training"] >= 40 and OTHER not in found["answers"]
    assert found["pictures"] == {"out of focus": 20}
