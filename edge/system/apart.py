"""Runs a module of this project in a process of its own, so that a crash of native code ends only that process."""

import os
import signal
import subprocess
import sys
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
