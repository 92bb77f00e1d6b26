"""Standard input, output and error of a command, which may be closed or lead to a full disk."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import IO, Any


@contextmanager
def standard_streams() -> Iterator[None]:
    """Makes the streams safe to use while the block runs.

    A stream that is closed leads nowhere; otherwise the next file that is opened would take its number, and what
    libraries print would land in it. What can't be written to standard error is lost, but the work goes on.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 until the process ends
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that can't show a character gets its number
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with redirect_stderr(_Lenient(sys.stderr)):  # type: ignore[type-var]
            yield
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            _lead_nowhere(sys.stdout)  # or Python tries again at the end, and changes the exit code


def _lead_nowhere(stream: IO[str]) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Lenient:
    """Standard error that never raises an OSError."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _lead_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _lead_nowhere(self._stream)


def printable(text: str) -> str:
    """A text for a terminal, as one line: characters that would break the line, move the cursor or ring the bell are
    escaped, and so are bytes of a file name that aren't text.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
