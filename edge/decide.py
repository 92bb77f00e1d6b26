"""Probabilities -> an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decision:
    """label: the answer; probabilities: of every label, summing to 1; shift: what edge.shift took off the logit;
    frames: how many frames the probabilities are the mean of, 0 for a picture.
    """

    label: str
    probabilities: dict[str, float]
    shift: float = 0.0
    frames: int = 0


def decide(probabilities: np.ndarray, labels: Sequence[str], temperature: float = 1.0, shift: float = 0.0) -> Decision:
    """float [labels], the contract's temperature, and of two labels edge.shift's shift -> the likeliest label."""
    if temperature != 1.0:
        probabilities = probabilities ** (1 / temperature)
        probabilities = probabilities / probabilities.sum()
    if shift:
        probabilities = probabilities * np.array([1.0, np.exp(-shift)])
        probabilities = probabilities / probabilities.sum()
    named = {label: round(float(p), 4) for label, p in zip(labels, probabilities, strict=True)}
    return Decision(labels[int(np.argmax(probabilities))], named, shift)
