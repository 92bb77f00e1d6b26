"""Signals that end a run in order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Set by ctrl-C, by SIGTERM (a shutdown, systemd) and by a lost terminal: the run ends in order."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        def ask(*_: object) -> None:
            self.asked = True

        names = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            names.append(signal.SIGHUP)
        before = {name: signal.signal(name, ask) for name in names}
        try:
            yield self
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
