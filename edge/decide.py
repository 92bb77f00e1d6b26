"""Probabilities -> an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decision:
    """label: the answer; probabilities: of every label, summing to 1."""

    label: str
    probabilities: dict[str, float]


def decide(probabilities: np.ndarray, labels: Sequence[str], temperature: float = 1.0) -> Decision:
    """float [labels] and the contract's temperature -> the likeliest label."""
    if temperature != 1.0:
        probabilities = probabilities ** (1 / temperature)
        probabilities = probabilities / probabilities.sum()
    named = {label: round(float(p), 4) for label, p in zip(labels, probabilities, strict=True)}
    return Decision(labels[int(np.argmax(probabilities))], named)
