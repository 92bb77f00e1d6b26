"""How long work reports how far it is. Only commands draw bars; from Python, pass a function of your own or nothing."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done ("Reading pictures"), how many steps are done, and of how many."""


def silent(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""
