"""Keeping native libraries' chatter off the user's terminal."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back what C++ code writes to stdout and stderr; shows it after all if the block fails.

    LiteRT and TensorFlow announce their delegates and passes there, whatever their log levels say.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with _memory() as held:
        try:
            saved = [os.dup(fd) for fd in (1, 2)]
        except OSError:  # started without them, as daemons are
            yield
            return
        for fd in (1, 2):
            os.dup2(held.fileno(), fd)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for fd, old in zip((1, 2), saved, strict=True):
                os.dup2(old, fd)
                os.close(old)
            if failed:
                held.seek(0)
                os.write(2, held.read())


def _memory() -> IO[bytes]:
    """Room for it, in memory where that can be: a Pi may have nothing to write to."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("held"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
