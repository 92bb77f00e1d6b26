"""Figures of answers, each worked out by hand for a small case."""

import numpy as np
import pytest

from edge.contract import document
from edge.share import share
from train.evaluation import evaluate

LABELS = ("lymphocyte", "monocyte")


def test_figures_of_a_case_worked_out_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1])
    monocyte = np.array([0.1, 0.2, 0.6, 0.4, 0.9, 0.3])
    figures = evaluate.metrics(truth, np.stack([1 - monocyte, monocyte], axis=1), LABELS)
    assert figures.confusion == ((3, 1), (1, 1))
    assert figures.classes["lymphocyte"].recall.value == 0.75
    assert figures.classes["monocyte"].recall.value == 0.5
    assert figures.classes["monocyte"].precision.value == 0.5
    assert figures.balanced_accuracy == 0.625
    assert figures.auroc == pytest.approx(6 / 8)  # of 8 pairs, 0.9 beats 4 and 0.3 beats 2


def test_wilsons_interval() -> None:
    """9 of 10: [0.596, 0.982] (Brown, Cai, DasGupta, Statistical Science 2001, formula 4)."""
    nine = share(9, 10)
    assert (nine.low, nine.high) == (pytest.approx(0.5958, abs=1e-4), pytest.approx(0.9821, abs=1e-4))
    assert share(0, 0).value is None


def test_a_missing_class_does_not_crash() -> None:
    figures = evaluate.by_source(np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]]), ["a", "a"], LABELS)
    assert figures["a"].classes["monocyte"].recall.value is None and figures["a"].auroc is None
    assert "auroc" not in document(figures["a"])
    assert "-" in evaluate.table(figures).text()


def test_a_third_class_leaves_the_pair_s_figures_comparable() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2, 2])
    pair = [[0.8, 0.1, 0.1], [0.3, 0.1, 0.6], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]
    figures = evaluate.metrics(truth, np.array([*pair, [0.2, 0.1, 0.7], [0.5, 0.3, 0.2]]), (*LABELS, "other"))
    assert figures.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2), "which of the two is likelier"
    assert figures.auroc == pytest.approx(5 / 6)  # shares 0.11, 0.25, 0.78 against 0.89, 0.67
    assert list(figures.classes) == list(LABELS) and figures.count == 5
    other = figures.other
    assert other and other.auroc == pytest.approx(7.5 / 10)  # 0.7 beats four and ties with one, 0.2 beats three
    assert (other.recall.right, other.recall.count) == (1, 2)
    assert (other.lost.right, other.lost.count) == (2, 5)
