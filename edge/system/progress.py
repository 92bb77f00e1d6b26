"""How long-running work reports its progress, and which of its steps has just ended.

Only commands draw progress bars, and only `benchmark latency` measures steps. From Python, pass functions of your own,
or nothing.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("Reading pictures"), how many steps are done, and how many there are in all."""


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


Observer = Callable[[str, str], None]
"""Called when a step of one picture's way has ended, with the step ("decode") and the picture's source."""


def unobserved(step: str, source: str) -> None:
    """An Observer that does nothing."""
