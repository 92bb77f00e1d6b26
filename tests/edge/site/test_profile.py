"""Is a profile read back unchanged, refused if something is wrong with it, and followed by the model?"""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_fits
from site_cells import drawn

from edge import contract, model
from edge.errors import UserError
from edge.model import Model, Prediction
from edge.red_cells import KnownRuler
from edge.site import profile as profiles
from edge.site.adapt import adapt
from edge.site.figures import SiteFigures
from edge.site.profile import Event, LogitOffset, Profile, Ruler, Site, SiteModel

RULER = Ruler(70.8, 66.2, 75.7, 1440, 900, 12)


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


@pytest.fixture
def profile(shipped: Model, tmp_path: Path) -> Path:
    found = adapt(drawn(shipped, 20, 3.0), shipped).profile
    assert found
    profiles.write(Site(found), tmp_path / "site.json")
    return tmp_path / "site.json"


def changed(profile: Path, **new: object) -> None:
    """Changes entries of a profile, and its hash to match."""
    document = json.loads(profile.read_text()) | new
    document.pop("sha256")
    profile.write_text(json.dumps(document | {"sha256": profiles._digest(document)}))


def test_a_profile_is_read_back_unchanged(shipped: Model, tmp_path: Path) -> None:
    found = [adapt(drawn(shipped, 20, 3.0), shipped).profile for _ in range(2)]
    for i, each in enumerate(found):
        assert each
        profiles.write(Site(each), tmp_path / f"{i}.json")
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    assert profiles.read(tmp_path / "0.json") == Site(found[0])
    assert_fits(json.loads((tmp_path / "0.json").read_text()), "site-profile")


def test_a_profile_with_only_a_ruler_fits_every_model(shipped: Model, tmp_path: Path) -> None:
    file = tmp_path / "site.json"
    profiles.write(Site(ruler=RULER), file)
    assert profiles.read(file) == Site(ruler=RULER)
    assert list(json.loads(file.read_text())) == ["site_profile", "ruler", "sha256"]
    assert_fits(json.loads(file.read_text()), "site-profile")
    crop = np.random.default_rng(0).integers(0, 256, shipped.shape, np.uint8)
    for path in (model.SHIPPED, model.SHIPPED.with_name("compact-float32.tflite")):
        alone, found = Model(path), SiteModel(path, 1, file)
        assert found.ruler == RULER.known() and found.home == alone.home
        assert (found.predict(crop).kinds == alone.predict(crop).kinds).all()
        assert found.rules(0.01) == alone.rules(0.01)


def test_a_profile_gains_a_ruler(profile: Path, tmp_path: Path) -> None:
    """The file is then of a version that programs which know no rulers refuse; without one, it is as it was."""
    learned = profiles.read(profile).profile
    profiles.write(Site(learned, RULER), tmp_path / "both.json")
    assert_fits(json.loads((tmp_path / "both.json").read_text()), "site-profile")
    found = SiteModel(model.SHIPPED, 1, tmp_path / "both.json")
    assert found.site == Site(learned, RULER) and found.home is None
    assert [json.loads(each.read_text())["site_profile"] for each in (profile, tmp_path / "both.json")] == [1, 2]
    with pytest.raises(UserError, match="another model"):
        SiteModel(model.SHIPPED.with_name("compact-float32.tflite"), 1, tmp_path / "both.json")


@pytest.mark.parametrize(
    "ruler",
    [
        None, 70.8, {}, {"red_cell": 70.8},
        *({**vars(RULER), **wrong} for wrong in (
            {"red_cell": float("nan")}, {"red_cell": -70.8}, {"low": 71.0}, {"high": 70.0}, {"width": 0},
            {"height": 1.5}, {"pictures": -1}, {"red_cell": "70"},
        )),
    ],
)  # fmt: skip
def test_a_ruler_with_an_invalid_entry_is_refused(tmp_path: Path, ruler: object) -> None:
    file = tmp_path / "site.json"
    profiles.write(Site(ruler=RULER), file)
    changed(file, ruler=ruler)
    with pytest.raises(UserError, match="incomplete"):
        profiles.read(file)


def test_the_history_is_kept(profile: Path, tmp_path: Path) -> None:
    """Programs from before there was a history read such a file, and leave the history out."""
    event = Event("2026-11-26", "check", "0" * 64, {"lymphocyte": 20, "monocyte": 3}, SiteFigures(0.9, None, 0.8, 0, 1))
    for site in (Site(profiles.read(profile).profile, None, (event, event)), Site(None, RULER, (event,))):
        profiles.write(site, tmp_path / "kept.json")
        assert profiles.read(tmp_path / "kept.json") == site
        assert_fits(json.loads((tmp_path / "kept.json").read_text()), "site-profile")
    wrongs: tuple[object, ...] = ({}, [1], [{"day": "today"}], None)
    for wrong in wrongs:
        profiles.write(Site(None, RULER, (event,)), tmp_path / "kept.json")
        changed(tmp_path / "kept.json", history=wrong)
        with pytest.raises(UserError, match="incomplete"):
            profiles.read(tmp_path / "kept.json")


def test_a_damaged_ruler_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "site.json"
    profiles.write(Site(ruler=RULER), file)
    file.write_text(file.read_text().replace("70.8", "78.0"))
    with pytest.raises(UserError, match="damaged"):
        profiles.read(file)


def test_a_wide_interval_is_an_uncertain_ruler() -> None:
    assert RULER.known() == KnownRuler(70.8, 0.0, (1440, 900))
    assert Ruler(70.0, 56.0, 87.5, 1440, 900, 12).known().uncertainty == pytest.approx(0.114, abs=0.001)
    assert Ruler(70.0, 70.0, 70.0, 1440, 900, 0).known().uncertainty == 0


def test_the_keys_of_the_file(profile: Path) -> None:
    document = json.loads(profile.read_text())
    assert list(document) == [
        "site_profile", "model", "cells", "names", "rest", "decision", "pictures", "left_out", "sha256",
    ]  # fmt: skip
    assert set(document["left_out"]["after"]) == {"balanced_accuracy", "labels", "given", "wrong", "named"}
    assert set(document["left_out"]) == {"before", "after", "gain", "standard_error"}


def test_a_site_model_takes_probabilities_and_thresholds_from_the_profile(shipped: Model, profile: Path) -> None:
    decision = json.loads(profile.read_text())["decision"]
    decision["risks"]["0.01"]["sure"] = 0.9876
    changed(profile, decision=decision)
    adapted = SiteModel(model.SHIPPED, 1, profile)
    learned = adapted.site.profile
    assert learned and adapted.ruler is None
    crop = np.random.default_rng(0).integers(0, 256, adapted.shape, np.uint8)
    assert adapted.predict(crop).kinds == pytest.approx(learned.adjusted(shipped.predict(crop)))
    assert adapted.rules(0.01).min_confidence == 0.9876 != shipped.rules(0.01).min_confidence


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
def test_an_incomplete_profile_is_refused(profile: Path, part: str) -> None:
    document = json.loads(profile.read_text())
    del document[part], document["sha256"]
    profile.write_text(json.dumps(document | {"sha256": profiles._digest(document)}))
    with pytest.raises(UserError, match="incomplete"):
        profiles.read(profile)


@pytest.mark.parametrize(
    "entry",
    [
        {"names": {"shift": float("nan"), "weights": []}},
        {"rest": {"shift": 0.0, "weights": ["a"]}},
        {"decision": {"temperature": 1.0}},
        {"cells": ["lymphocyte"]},
        {"names": {"shift": 1e9, "weights": []}},
        {"decision": {"temperature": -1.0, "risks": {}}},
        {"decision": {"temperature": float("nan"), "risks": {}}},
        {"decision": {"temperature": 1.0, "risks": {"0.01": {"sure": float("nan")}}}},
        {"decision": {"temperature": 1.0, "risks": {"much": {"sure": 0.9}}}},
        {"shares": {"monocyte": 2.0}},
    ],
)
def test_a_profile_with_an_invalid_entry_is_refused(profile: Path, entry: dict[str, object]) -> None:
    changed(profile, **entry)
    with pytest.raises(UserError, match="incomplete"):
        profiles.read(profile)


def test_a_profile_with_weights_of_another_network_is_refused(profile: Path) -> None:
    changed(profile, names={"shift": 0.0, "weights": [0.5] * 7})
    with pytest.raises(UserError, match="doesn't fit"):
        SiteModel(model.SHIPPED, 1, profile)


@pytest.mark.parametrize("limit", ["far", "named", "other", "sure"])
def test_a_profile_that_lacks_a_limit_is_refused(profile: Path, limit: str) -> None:
    decision = json.loads(profile.read_text())["decision"]
    del decision["risks"]["0.01"][limit]
    changed(profile, decision=decision)
    with pytest.raises(UserError, match="doesn't fit"):
        SiteModel(model.SHIPPED, 1, profile)


def test_a_deep_profile_is_refused(profile: Path) -> None:
    profile.write_text("[" * 100_000)
    with pytest.raises(UserError, match="not a site profile"):
        profiles.read(profile)


def test_damaged_profiles_are_refused(profile: Path) -> None:
    whole = profile.read_text()
    for text in (whole[: len(whole) // 2], whole.replace("20", "21", 1), "[]", "", "{}"):
        profile.write_text(text)
        with pytest.raises(UserError, match=r"damaged|not a site profile"):
            profiles.read(profile)
    with pytest.raises(UserError, match="can't be read"):
        profiles.read(profile.parent / "absent.json")


def test_a_full_disk_leaves_the_old_profile(profile: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Can't write"):
        profiles.write(profiles.read(profile), tmp_path / "no" / "folder.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site.json"]


def test_adjusted_probabilities_sum_to_one() -> None:
    profile = Profile("", {}, LogitOffset(4.0), LogitOffset(-3.0), contract.Decision(1.0))
    for kinds in ([0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 0.5, 0.5], [1.0, 0.0, 0.0, 0.0]):
        found = profile.adjusted(Prediction(np.array(kinds, np.float32), np.zeros(0, np.float32)))
        assert found.sum() == pytest.approx(1, abs=1e-6) and (found >= 0).all()
    far = Profile("", {}, LogitOffset(5000.0), LogitOffset(-5000.0), contract.Decision(1.0))
    found = far.adjusted(Prediction(np.array([0.7, 0.1, 0.1, 0.1], np.float32), np.zeros(0, np.float32)))
    assert found == pytest.approx([0, 1, 0, 0], abs=1e-6)
    found = profile.adjusted(Prediction(np.array([0.7, 0.1, 0.1, 0.1], np.float32), np.zeros(0, np.float32)))
    assert found[1] / found[0] == pytest.approx(np.exp(4) / 7, rel=1e-3) and found[2:].sum() < 0.02
