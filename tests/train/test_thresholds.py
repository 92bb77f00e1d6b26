"""Thresholds between the classes, corrected on val."""

import keras
import numpy as np
import pytest

from train import thresholds


def biased(count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from known probabilities; these probabilities, half as confident and biased to the first class."""
    rng = np.random.default_rng(0)
    logits = np.stack([np.zeros(count), rng.normal(0, 3, count)], axis=1)
    honest = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    truth = (rng.random(count) < honest).astype(int)
    moved = logits / 2 - [0.0, 0.8]
    return truth, np.exp(moved) / np.exp(moved).sum(axis=1, keepdims=True)


def test_a_known_bias_is_found() -> None:
    truth, probabilities = biased()
    assert thresholds.offsets(truth, probabilities, np.ones(len(truth))) == pytest.approx([0, 0.8], abs=0.06)


def test_pictures_count_by_their_weight() -> None:
    """A weight of 3 for the second class is like having each of its pictures three times."""
    truth, probabilities = biased()
    weights = np.where(truth == 1, 3.0, 1.0)
    repeated = np.repeat(np.arange(len(truth)), weights.astype(int))
    once = thresholds.offsets(truth, probabilities, weights)
    thrice = thresholds.offsets(truth[repeated], probabilities[repeated], np.ones(len(repeated)))
    assert once[1] > 0.85 and once == pytest.approx(thrice, abs=1e-3)


def test_without_a_mistake_there_is_a_limit() -> None:
    truth = np.array([0, 1] * 20)
    assert np.abs(thresholds.offsets(truth, np.eye(2)[truth] * 0.8 + 0.1, np.ones(40))).max() <= 3


def test_the_network_s_answers_are_corrected() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    inputs = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    truth = (inputs[:, 0] > 0.3).astype(int)
    before = model.predict(inputs, verbose=0)
    logits = np.log(before) + thresholds.correct(model, truth, before, np.ones(200))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(model.predict(inputs, verbose=0) - expected).max() < 0.01
