"""Runs a part of this project in a process of its own, so that a crash of native code ends only that process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

_ROOT = Path(__file__).parents[2]
_CRASHES = {
    getattr(signal, name) for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL") if hasattr(signal, name)
}


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module by this Python. Without -P, a file of the current folder could hide ours."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """The environment of such a process, in which it finds the same modules as this one."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))}


def crash(code: int) -> str:
    """The signal by which a process crashed, such as "SIGSEGV"; "" for any other end. code: its return code."""
    return next((each.name for each in _CRASHES if each == -code), "")


def run(module: str, *arguments: str) -> int:
    """Runs a command of this project in a process of its own, with this one's input and output.

    ctrl-C reaches that process by itself, since both belong to the terminal; SIGTERM is passed on to it.

    Returns:
        Its return code; below 0 if a signal ended it.
    """
    with subprocess.Popen(command(module, *arguments), env=environment()) as child:

        def pass_on(number: int, _: FrameType | None) -> None:
            with suppress(ProcessLookupError):
                child.send_signal(number)

        earlier = {
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
            signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
        }
        try:
            return child.wait()
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


def tried_out(work: Callable[[], object], seconds: int) -> str:
    """Tries out what may crash or never end, in a copy of this process.

    Args:
        work: what to try.
        seconds: how long it may take.

    Returns:
        What went wrong, in words; "" if nothing did, or if this process can't be copied safely: it isn't on Linux, or
        has threads that may hold locks.
    """
    if sys.platform != "linux" or threading.active_count() > 1 or "tensorflow" in sys.modules:
        return ""
    child = os.fork()
    if not child:
        signal.alarm(seconds)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        failed = 1
        try:
            work()
            failed = 0
        finally:
            os._exit(failed)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        return f"doesn't end within {seconds} s"
    if how := crash(code):
        return f"crashes what runs it ({how})"
    return "doesn't run" if code else ""
