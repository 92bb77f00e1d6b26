"""A copy of this process that works on a part of the task, and is asked for its results one after the other."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.system import memory

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_NEEDED = 200_000_000  # bytes that a worker needs


class Ended(Exception):
    """A worker ended before its work did. The message completes a sentence that begins with the worker."""


class Worker:
    """A process that runs `work` with one end of a pipe.

    It is a fork: what is imported and opened is there at once, and its memory is shared until it is changed. It waits
    when the pipe is full, so that few results are held. ctrl-C and SIGTERM are for the process that started it.
    """

    def __init__(self, work: "Callable[[Connection], None]", fork: bool = True) -> None:
        """work: what it does. fork: False for a new interpreter, where this process has threads, which a fork loses;
        `work` must then be something that can be pickled.
        """
        import multiprocessing  # a few milliseconds, and most runs don't need it

        self._pipe, theirs = multiprocessing.Pipe()
        context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self._process = context.Process(target=_run, args=(work, theirs, self._pipe if fork else None))
        self._process.start()
        theirs.close()

    def receive(self) -> Any:
        """The next thing that it sends. Raises Ended."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            raise self._ended() from None

    def send(self, what: Any) -> None:
        """Raises Ended."""
        try:
            self._pipe.send(what)
        except OSError:
            raise self._ended() from None

    def stop(self) -> None:
        """Ends it at once: it holds nothing that must be saved."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def fileno(self) -> int:
        """What select() and multiprocessing.connection.wait() look at, to know whether `receive` would wait."""
        return self._pipe.fileno()

    def _ended(self) -> Ended:
        self._process.join()
        code = self._process.exitcode or 0
        if code < 0:
            short = " (is the memory full?)" if -code == signal.SIGKILL else ""
            return Ended(f"was ended by {signal.Signals(-code).name}{short}")
        return Ended(f"ended with exit code {code}")


def can_fork() -> bool:
    """Whether workers can be started: on Linux, as long as this process has no second thread, which a fork loses."""
    tasks = Path("/proc/self/task")
    return tasks.is_dir() and len(list(tasks.iterdir())) == 1


def most() -> int:
    """How many workers this machine has cores and memory for, as far as this process may use them; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(max(1, min(cores, memory.limit() // _NEEDED)))


def _run(work: "Callable[[Connection], None]", pipe: "Connection", theirs: "Connection | None") -> None:
    if theirs:
        theirs.close()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        work(pipe)
    except Exception:  # a pipe that broke, or an error that the process that started it will meet and report itself
        os._exit(1)
