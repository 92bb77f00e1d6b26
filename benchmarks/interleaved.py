"""Turn-taking: contenders are measured in turns, so that other work on the machine slows all of them equally."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.ranges import Range, spread

ROUNDS = 6
_IN_A_ROW = 16  # pictures per turn
T = TypeVar("T")


@dataclass(frozen=True)
class Timing(Range):
    """Milliseconds per picture. Each round has a median; `value`, `low` and `high` are computed from these medians.

    `low` to `high` is a confidence interval of the true median of the rounds' medians. With n rounds its confidence is
    1 - 2^(1 - n): 97 % for six rounds (order statistics; David and Nagaraja, Order Statistics, 2003, section 7.1).

    Attributes:
        value: the median of the rounds' medians.
        low: the lowest of the rounds' medians.
        high: the highest of the rounds' medians.
        p95: 95th percentile of all pictures in all rounds, milliseconds.
        p99: 99th percentile of all pictures in all rounds, milliseconds.
        rounds: number of rounds.
    """

    p95: float
    p99: float
    rounds: int


def whole_turns(contenders: Sequence[T], rounds: int = ROUNDS) -> Iterator[tuple[int, T]]:
    """Gives each contender one turn per round. Each round begins with another contender.

    Yields:
        The number of the round, from 0, and the contender whose turn it is.
    """
    for number in range(rounds):
        for contender in _begun_by(contenders, number):
            yield number, contender


def short_turns(contenders: Sequence[T], count: int, rounds: int = ROUNDS) -> Iterator[tuple[int, T, range]]:
    """Gives each contender all pictures, 0 to count - 1, in each round, in turns of 16 pictures.

    Another contender begins each time. With only one picture per turn, a small network would run slower after a large
    one, which has filled the processor's cache.

    Yields:
        The number of the round, from 0, the contender whose turn it is, and the numbers of the pictures in this turn.
    """
    for number in range(rounds):
        for turn, first in enumerate(range(0, count, _IN_A_ROW)):
            for contender in _begun_by(contenders, number + turn):
                yield number, contender, range(first, min(first + _IN_A_ROW, count))


def turn_count(contenders: int, count: int, rounds: int) -> int:
    """The number of turns that `short_turns` yields."""
    return rounds * contenders * -(-count // _IN_A_ROW)


def _begun_by(contenders: Sequence[T], number: int) -> list[T]:
    start = number % len(contenders)
    return [*contenders[start:], *contenders[:start]]


def timing(seconds: np.ndarray) -> Timing:
    """The timing of a measurement. seconds: time of each picture, float [rounds, pictures]."""
    medians = spread(np.median(seconds, axis=1) * 1e3)
    p95, p99 = np.percentile(seconds, [95, 99]) * 1e3
    return Timing(medians.value, medians.low, medians.high, float(p95), float(p99), len(seconds))
