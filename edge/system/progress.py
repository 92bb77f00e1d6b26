"""How long-running work reports its progress, and which of its steps has just ended.

Commands pass functions that draw progress bars, and `benchmark latency` passes one that measures steps. From Python,
pass functions of your own, or nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Called with the name of the work ("Reading pictures"), the number of steps done, and the number of all steps."""


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


def renamed(progress: Progress, name: str) -> Progress:
    """A Progress that reports work under a name that says more than its own."""
    return lambda _, done, total: progress(name, done, total)


def followed(items: Sequence[T], name: str, progress: Progress) -> Iterator[T]:
    """Gives the items one after the other, and reports before the first and after each."""
    for number, item in enumerate(items):
        progress(name, number, len(items))
        yield item
    if items:
        progress(name, len(items), len(items))


Observer = Callable[[str, str], None]
"""Called when a processing step of one picture has ended, with the step ("decode") and the picture's source."""


def unobserved(step: str, source: str) -> None:
    """An Observer that does nothing."""
