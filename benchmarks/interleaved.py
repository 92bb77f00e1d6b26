"""Contenders take turns, so that whatever else the machine does falls on all of them."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

ROUNDS = 6
_IN_A_ROW = 16
T = TypeVar("T")


def turns(contenders: Sequence[T], count: int, rounds: int = ROUNDS) -> Iterator[tuple[int, T, range]]:
    """Round by round all pictures 0..count-1 for each contender -> (round, contender, the pictures to do now).

    Each has a few pictures in a row, so that a small one isn't charged for a large one's having emptied the processor's
    cache; who begins changes from turn to turn.
    """
    for number in range(rounds):
        for turn, first in enumerate(range(0, count, _IN_A_ROW)):
            start = (number + turn) % len(contenders)
            for contender in (*contenders[start:], *contenders[:start]):
                yield number, contender, range(first, min(first + _IN_A_ROW, count))


def figure(seconds: np.ndarray) -> dict:
    """float [rounds, pictures] -> milliseconds: {"value" (the median), "low", "high", "p95", "p99", "rounds"}.

    low, high: the lowest and the highest median of a round. With n rounds that interval holds the median of what rounds
    give with a probability of 1 - 2^(1 - n) (its order statistics; David, Nagaraja, Order Statistics, 2003, 7.1): 97 %
    with six.
    """
    medians = np.median(seconds, axis=1) * 1e3
    p95, p99 = np.percentile(seconds, [95, 99]) * 1e3
    return {
        "value": float(np.median(medians)),
        "low": float(medians.min()),
        "high": float(medians.max()),
        "p95": float(p95),
        "p99": float(p99),
        "rounds": len(seconds),
    }
