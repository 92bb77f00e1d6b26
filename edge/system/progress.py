"""How long-running work reports its progress, and which of its steps has just ended.

Commands pass functions that draw progress bars, and `benchmark latency` passes one that measures steps. From Python,
pass functions of your own, or nothing.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of the work ("Reading pictures"), the number of steps done, and the number of all steps."""


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


def renamed(progress: Progress, name: str) -> Progress:
    """A Progress that reports work under a name that says more than its own."""
    return lambda _, done, total: progress(name, done, total)


Observer = Callable[[str, str], None]
"""Called when a processing step of one picture has ended, with the step ("decode") and the picture's source."""


def unobserved(step: str, source: str) -> None:
    """An Observer that does nothing."""
