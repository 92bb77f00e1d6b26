"""The report's figures, each worked out by hand for a small case."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score

from edge.share import share
from train.data.dataset import LABELS
from train.evaluation import calibration, cell_figures, error_balance, intervals


def test_figures_worked_out_by_hand() -> None:
    """Seven photographs of five cells. Cell 4 has three: one wrong, two right; by their mean the cell is right."""
    truth = np.array([0, 0, 0, 1, 1, 1, 1])
    monocyte = np.array([0.1, 0.2, 0.9, 0.8, 0.4, 0.7, 0.9])
    cells = np.array([0, 1, 2, 3, 4, 4, 4])
    probabilities = np.stack([1 - monocyte, monocyte], axis=1)
    found = cell_figures.figures(truth, probabilities, cells, LABELS)
    answers = probabilities.argmax(axis=1)
    assert found.confusion == ((2, 1), (1, 3)) and found.cells == 5
    assert found.classes["monocyte"].f1 == f1_score(truth, answers) == 0.75
    assert found.classes["monocyte"].precision.value == precision_score(truth, answers) == 0.75
    assert found.average_precision == pytest.approx(0.25 * 1 / 2 + 0.25 * 2 / 3 + 0.25 * 3 / 4 + 0.25 * 4 / 5)
    assert (found.bias.errors["lymphocyte"].right, found.bias.errors["lymphocyte"].count) == (1, 3)
    assert (found.bias.errors["monocyte"].right, found.bias.errors["monocyte"].count) == (0, 2)
    for name in ("f1 lymphocyte", "f1 monocyte", "balanced_accuracy", "auroc", "average_precision"):
        each = found.estimate(name)
        assert each.value is not None and each.low is not None and each.high is not None
        assert 0 <= each.low < each.high <= 1 and str(each) == f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"


def test_wilsons_interval_counts_a_cell_once() -> None:
    hits = np.array([True] * 9 + [False])
    once = intervals.share(hits, np.arange(10))
    expected = share(9, 10)
    assert {k: once.document()[k] for k in expected.document()} == pytest.approx(expected.document())
    assert once.cells == 10
    thrice = intervals.share(np.repeat(hits, 3), np.repeat(np.arange(10), 3))
    assert (thrice.right, thrice.count, thrice.cells) == (27, 30, 10)
    assert (thrice.low, thrice.high) == (pytest.approx(once.low), pytest.approx(once.high))
    assert intervals.share(hits[:0], np.arange(0)).low is None


def test_the_bootstrap_draws_cells() -> None:
    values = np.random.default_rng(0).random(40)

    def mean(of: np.ndarray) -> Callable[[np.ndarray], dict[str, float]]:
        return lambda weights: {"mean": float(np.average(of, weights=weights)), "never": float("nan")}

    once = intervals.bootstrap(mean(values), np.arange(40), seed=0)
    thrice = intervals.bootstrap(mean(np.repeat(values, 3)), np.repeat(np.arange(40), 3), seed=0)
    assert vars(once["mean"]) == pytest.approx(vars(thrice["mean"]))
    assert once["never"] == intervals.Interval(None, None)
    expected = 1.96 * values.std() / np.sqrt(40)  # the normal interval, which 40 even numbers come close to
    assert once["mean"].high - values.mean() == pytest.approx(expected, rel=0.15)
    assert values.mean() - once["mean"].low == pytest.approx(expected, rel=0.15)


def errors(of_lymphocytes: tuple[int, int], of_monocytes: tuple[int, int]) -> error_balance.ErrorBalance:
    """The error balance of two classes, each given as (number of wrong answers, number of cells)."""
    truth = np.repeat([0, 1], [of_lymphocytes[1], of_monocytes[1]])
    wrong = [np.arange(count) < k for k, count in (of_lymphocytes, of_monocytes)]
    return error_balance.balance(truth, np.where(np.concatenate(wrong), 1 - truth, truth), LABELS)


def test_the_sentence_on_errors() -> None:
    found = errors((12, 390), (1, 100))
    assert found.favours == "monocyte"
    assert found.sentence == (
        "The errors favour monocytes: 3.1 % of lymphocytes (12 of 390) are called monocyte, and 1.0 % of monocytes "
        f"(1 of 100) are called lymphocyte. This may be chance (Fisher's exact test: p = {found.p:.2g})."
    )
    found = errors((2, 100), (30, 100))
    assert found.favours == "lymphocyte" and found.p is not None and found.p < 1e-4
    assert found.sentence.startswith("The errors favour lymphocytes: 30.0 % of monocytes (30 of 100) are called")
    assert found.sentence.endswith("This is unlikely to be chance (Fisher's exact test: p < 0.0001).")


def test_the_tea_tasting_lady() -> None:
    """3 of 4 against 1 of 4: p = 34/70 (Fisher, The Design of Experiments, 1935)."""
    assert errors((3, 4), (1, 4)).p == pytest.approx(34 / 70)


def test_a_larger_class_is_no_bias() -> None:
    found = errors((30, 300), (10, 100))  # three times as many errors of the one: it is three times as large
    assert found.favours is None and found.p == pytest.approx(1)
    assert found.sentence.startswith("The errors favour neither class: 10.0 % of lymphocytes (30 of 300)")
    assert errors((20, 400), (10, 100)).favours == "lymphocyte"  # fewer errors, at twice the rate


def test_no_errors_or_a_missing_class() -> None:
    found = errors((0, 390), (0, 100))
    assert found.favours is None and found.p is None
    assert "no errors" in found.sentence and "390 lymphocytes and 100 monocytes" in found.sentence
    assert "no monocytes" in errors((3, 10), (0, 0)).sentence


def test_calibration_worked_out_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.65, 0.55])
    found = calibration.calibration(np.array([0, 1, 0, 0]), np.stack([confidence, 1 - confidence], axis=1))
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.95) + abs(1 - 0.65) + abs(1 - 0.55)) / 4)
    assert [each.count for each in found.bins] == [1, 1, 2]
    last = found.bins[-1]
    assert (last.low, last.high) == (pytest.approx(14 / 15), 1) and last.accuracy.right == 1
    sure = calibration.calibration(np.array([1, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert sure.ece == 0 and sure.bins[0].high == 1
