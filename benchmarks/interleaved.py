"""Contenders are measured in turns, so that whatever else the machine does slows all of them alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.ranges import Range, spread

ROUNDS = 6
_IN_A_ROW = 16
T = TypeVar("T")


@dataclass(frozen=True)
class Timing(Range):
    """Milliseconds a picture. `value`, `low` and `high` are of the rounds' medians.

    With n rounds, `low` to `high` holds the median that rounds give with a probability of 1 - 2^(1 - n): 97 % with six
    (order statistics; David and Nagaraja, Order Statistics, 2003, section 7.1).

    Attributes:
        p95: 95th percentile of all pictures in all rounds.
        p99: 99th percentile.
        rounds: how many there were.
    """

    p95: float
    p99: float
    rounds: int


def whole_turns(contenders: Sequence[T], rounds: int = ROUNDS) -> Iterator[tuple[int, T]]:
    """Each contender once a round, each round begun by another one.

    Yields:
        The round's number, from 0, and whose turn it is.
    """
    for number in range(rounds):
        for contender in _begun_by(contenders, number):
            yield number, contender


def short_turns(contenders: Sequence[T], count: int, rounds: int = ROUNDS) -> Iterator[tuple[int, T, range]]:
    """All pictures 0 to count - 1 for each contender in each round, 16 pictures a turn; another one begins each time.

    Pictures in a row keep a small contender from paying for the processor's cache, which a large one has emptied.

    Yields:
        The round's number, from 0, whose turn it is, and the numbers of the pictures to do now.
    """
    for number in range(rounds):
        for turn, first in enumerate(range(0, count, _IN_A_ROW)):
            for contender in _begun_by(contenders, number + turn):
                yield number, contender, range(first, min(first + _IN_A_ROW, count))


def turn_count(contenders: int, count: int, rounds: int) -> int:
    """How many turns `short_turns` gives."""
    return rounds * contenders * -(-count // _IN_A_ROW)


def _begun_by(contenders: Sequence[T], number: int) -> list[T]:
    start = number % len(contenders)
    return [*contenders[start:], *contenders[:start]]


def timing(seconds: np.ndarray) -> Timing:
    """The timing of pictures whose seconds are given, float [rounds, pictures]."""
    medians = spread(np.median(seconds, axis=1) * 1e3)
    p95, p99 = np.percentile(seconds, [95, 99]) * 1e3
    return Timing(medians.value, medians.low, medians.high, float(p95), float(p99), len(seconds))
