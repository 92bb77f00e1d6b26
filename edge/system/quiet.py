"""Keeps the messages of native libraries off the user's terminal."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back what is written to stdout and stderr while the block runs. If the block fails, it is
    written to stderr after all. In a process without stdout or stderr, nothing is held back.

    LiteRT and TensorFlow announce their delegates and passes there from C++, whatever their log levels are.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with _buffer() as held:
        try:
            saved = [os.dup(fd) for fd in (1, 2)]
        except OSError:  # there is no stdout or stderr, as in a daemon
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


def _buffer() -> IO[bytes]:
    """A file for what is held back: in memory where possible, because a Pi's disk may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("held"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def silence_libtiff() -> None:
    """Stops libtiff, which reads TIFF files for Pillow, from printing; Pillow raises an error for what matters."""
    import ctypes

    from PIL import Image

    with suppress(ImportError, OSError, AttributeError):  # a Pillow without libtiff
        library = ctypes.CDLL(Image.core.__file__)  # finds functions of the libraries that it is linked with, too
        for name in ("TIFFSetWarningHandler", "TIFFSetErrorHandler"):
            set_handler = getattr(library, name)
            set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            set_handler(None)
