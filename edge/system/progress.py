"""How long-running work reports its progress.

Only commands draw progress bars. From Python, pass a function of your own, or nothing.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("Reading pictures"), how many steps are done, and how many there are in all."""


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""
