"""Signals, such as ctrl-C, that end a run after it has finished its current work."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Notes that the run should end: after ctrl-C, SIGTERM (a shutdown, systemd) or the loss of the terminal.

    Attributes:
        asked: whether such a signal has come, or the run has reached its end otherwise.
        by_signal: whether a signal has come.
    """

    def __init__(self) -> None:
        self.asked = self.by_signal = False

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Catches these signals while the block runs, and restores their earlier handlers afterwards."""

        def ask(*_: object) -> None:
            self.asked = self.by_signal = True

        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            numbers.append(signal.SIGHUP)
        earlier = {number: signal.signal(number, ask) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
