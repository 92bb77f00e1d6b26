"""Does the verdict on a site follow from its cells, and are the figures right?"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from site_cells import drawn

from edge.contract import document
from edge.decide import OTHER
from edge.model import SHIPPED, Model
from edge.site import report
from edge.site.adapt import adapt
from edge.site.check import calibration_error, confidence_bins, judge, statistics
from edge.site.profile import Ruler, Site, SiteModel, write


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Model()


def test_go_adapt_no_go(shipped: Model, tmp_path: Path) -> None:
    sure = drawn(shipped, 30, apart=6.0, other_lean=-3.0)
    assert judge(sure, shipped).verdict == "go"
    leaning = judge(drawn(shipped, 30, 3.0), shipped)
    assert leaning.verdict == "adapt" and "edge-site adapt" in leaning.advice
    profile = adapt(drawn(shipped, 20, 3.0), shipped).profile
    assert profile
    write(Site(profile), tmp_path / "site.json")
    adapted = SiteModel(SHIPPED, 1, tmp_path / "site.json")
    again = judge(drawn(shipped, 30, -3.0), adapted)
    assert again.verdict == "adapt" and again.advice.endswith("again, with these cells added")
    write(Site(ruler=Ruler(70.8, 66.2, 75.7, 1440, 900, 12)), tmp_path / "ruler.json")
    measured = judge(drawn(shipped, 30, 3.0), SiteModel(SHIPPED, 1, tmp_path / "ruler.json"))
    assert (measured.verdict, measured.advice) == (leaning.verdict, leaning.advice)  # a ruler alone taught it nothing
    blind = judge(drawn(shipped, 30, apart=0.0), shipped)
    assert blind.verdict == "no-go" and "AUROC" in blind.why
    few = judge(drawn(shipped, 3), shipped)
    assert few.verdict == "no-go" and "3 lymphocytes" in few.why


def test_where_no_profile_helps_the_advice_does_not_lead_to_adapt(shipped: Model) -> None:
    """Once `check` sent a person to `adapt`, and `adapt` back to the model as it is."""
    cells = drawn(shipped, 15, apart=0.9)
    found = judge(cells, shipped)
    assert adapt(cells, shipped).profile is None and found.verdict == "no-go"
    assert "no profile helps" in found.why and "edge-site adapt" not in found.advice
    assert "label more cells, 50 of each name (now 15)" in found.advice and "train on cells" in found.advice
    assert "edge-classify" not in found.advice


def test_recall_counts_physical_cells_with_exact_intervals(shipped: Model) -> None:
    cells = drawn(shipped, 20, apart=6.0, other_lean=-3.0)
    twice = cells.at(np.repeat(np.arange(len(cells)), 2))
    found = judge(twice, shipped)
    recall = found.recall["monocyte"]
    assert recall.count == 20 and recall.right == 20 and recall.low == pytest.approx(0.8316, abs=1e-4)
    assert "  monocyte recall: 1.000 [0.832, 1.000] 20/20" in report.judgement(found)


def test_calibration_error() -> None:
    probabilities = np.array([[0.9, 0.1]] * 10)
    assert calibration_error(np.array([0] * 9 + [1]), probabilities) == pytest.approx(0, abs=1e-9)
    assert calibration_error(np.array([0] * 4 + [1] * 6), probabilities) == pytest.approx(0.5)


def test_a_confidence_on_a_border_belongs_to_the_range_below_it() -> None:
    """Guo et al., equation 3: range m of M is ((m - 1) / M, m / M], so 0.60 = 9 / 15 is in range 9, with 0.58.

    Calculated by hand, with ten cells each at 0.58 (5 right), 0.60 (10 right) and 0.63 (4 right): the first two are in
    one range, 20 cells of mean confidence 0.59, 0.75 of them right; 0.63 is alone. The error is
    (20 * |0.75 - 0.59| + 10 * |0.40 - 0.63|) / 30 = (3.2 + 2.3) / 30 = 0.18333. If ranges were closed below instead, it
    would be (10 * |0.50 - 0.58| + 20 * |0.70 - 0.615|) / 30 = (0.8 + 1.7) / 30 = 0.08333.
    """
    confidence = np.repeat([0.58, 0.60, 0.63], 10)
    truth = np.repeat([0, 1, 0, 0, 1], [5, 5, 10, 4, 6])
    assert confidence_bins(confidence, 15)[1].tolist() == [8] * 20 + [9] * 10
    assert calibration_error(truth, np.stack([confidence, 1 - confidence], axis=1)) == pytest.approx(5.5 / 30)


def test_a_border_belongs_to_the_range_below_it_for_any_number_of_ranges() -> None:
    for bins in range(2, 101):
        edges, place = confidence_bins(np.arange(1, bins + 1) / bins, bins)
        assert place.tolist() == list(range(bins)) and len(edges) == bins + 1


def test_statistics_need_no_labels(shipped: Model) -> None:
    cells = replace(drawn(shipped, 20), truth=np.full(60, -1), distance=np.full(60, 99.0))
    cells = replace(cells, doubts=("out of focus",) * 20 + ("",) * 40)
    found = statistics(cells, shipped)
    assert found.beyond == 1.0 and found.review == 1.0
    assert found.reasons["unlike anything in training"] >= 40 and OTHER not in found.answers
    assert found.pictures == {"out of focus": 20}
    assert report.statistics(found, "unlabelled").startswith("60 unlabelled cells: 60 review.")


def test_the_keys_of_the_json(shipped: Model) -> None:
    cells = drawn(shipped, 20)
    found = json.loads(json.dumps(document({"labelled": statistics(cells, shipped), "judged": judge(cells, shipped)})))
    assert list(found["labelled"]) == [
        "cells", "distance", "limit", "far", "sure", "review", "reasons", "pictures", "answers",
    ]  # fmt: skip
    assert list(found["labelled"]["distance"]) == ["10 %", "50 %", "90 %"]
    assert list(found["judged"]) == [
        "balanced_accuracy", "labels", "given", "wrong", "named", "recall", "auroc", "ece", "verdict", "why", "do",
    ]  # fmt: skip
    assert list(found["judged"]["recall"]["monocyte"]) == ["value", "right", "count", "low", "high"]
