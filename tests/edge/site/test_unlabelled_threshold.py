"""Does the threshold move midway between two clusters, and stay where it is if there aren't two?"""

import numpy as np
import pytest

from edge.site.unlabelled_threshold import FEWEST, shift


def answers(rng: np.random.Generator, lymphocytes: int, monocytes: int, lean: float, spread: float = 1.0) -> np.ndarray:
    """Probabilities of a network that leans towards monocytes by `lean` logits."""
    logits = np.r_[rng.normal(-2.2, spread, lymphocytes), rng.normal(2.2, spread, monocytes)] + lean
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("lean", [-1.5, 0.0, 0.8, 1.5])
@pytest.mark.parametrize("counts", [(300, 60), (60, 300), (100, 100)])
def test_the_shift_is_found_whichever_name_is_rarer(lean: float, counts: tuple[int, int]) -> None:
    found = shift(answers(np.random.default_rng(1), *counts, lean))
    assert found == pytest.approx(lean, abs=0.4)


def test_few_cells_move_nothing() -> None:
    assert shift(answers(np.random.default_rng(0), FEWEST // 2, FEWEST // 2 - 1, 1.0)) is None
    assert shift([]) is None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", [(200, 0), (0, 200)])
def test_one_kind_alone_moves_nothing(counts: tuple[int, int], seed: int) -> None:
    assert shift(answers(np.random.default_rng(seed), *counts, 0.5)) is None


def test_one_cluster_in_the_middle_moves_nothing() -> None:
    assert shift(1 / (1 + np.exp(-np.random.default_rng(0).normal(0, 1, 500)))) is None


def test_probabilities_of_0_and_1_cause_no_error() -> None:
    assert shift([0.0] * 50 + [1.0] * 50) == 0.0
