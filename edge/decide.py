"""Probabilities -> an answer."""

import math
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
    """float [labels], of two labels edge.shift's shift, and the contract's temperature -> the likeliest label.

    Python's floats, whose powers are the C library's: numpy's own differ in the last bit from processor to processor.
    """
    odds = [float(p) for p in probabilities]
    if shift:
        odds[1] *= math.exp(-shift)
    if temperature != 1.0:
        odds = [p ** (1 / temperature) for p in odds]
    total = sum(odds) if shift or temperature != 1.0 else 1.0
    named = {label: round(p / total, 4) for label, p in zip(labels, odds, strict=True)}
    return Decision(labels[odds.index(max(odds))], named, shift)
