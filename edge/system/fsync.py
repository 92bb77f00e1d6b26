"""Results on the disk itself: what the system only holds in memory is lost when the power goes."""

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

_LINE = 65536  # bytes: no line of results is longer
_EVERY = 1.0  # seconds of results that a power cut may take; each line by itself would wear out a Pi's card


def first_line(path: str) -> str:
    """The first line of an earlier run's results, with its end; empty where there are none. Raises OSError."""
    if not Path(path).is_file():  # not there yet, a pipe, a device
        return ""
    with Path(path).open("rb") as file:
        return file.readline(_LINE).decode("utf-8", "backslashreplace")


def mend(path: str) -> None:
    """Takes a last line that was never finished, as a power cut leaves it, off a file. Raises OSError."""
    with Path(path).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LINE))
        tail = file.read()
        if not tail.endswith(b"\n"):
            file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)


class Syncing:
    """Brings a file's new lines to the disk once a second, from a thread of its own.

    A card may take a second over it, and frames don't wait meanwhile. What is no regular file (a pipe, a terminal) is
    left alone.
    """

    def __init__(self, file: IO[str], path: str) -> None:
        self._file, self._folder = file, Path(path).resolve().parent
        self._new, self._stop = threading.Event(), threading.Event()
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            self._thread = threading.Thread(target=self._run, daemon=True, name="disk")
            self._thread.start()

    def wrote(self) -> None:
        """There are new lines, handed to the system. Raises OSError where earlier ones could not be brought."""
        if self._error:
            raise self._error
        self._new.set()

    def close(self) -> None:
        """Brings the last lines; the file is still open. Raises OSError where they could not be brought."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            self._name()
            while not self._stop.wait(_EVERY):
                self._bring()
            self._bring()
        except OSError as error:
            self._error = error

    def _bring(self) -> None:
        if self._new.is_set():
            self._new.clear()
            os.fsync(self._file.fileno())

    def _name(self) -> None:
        """Brings the file's name, which stands in its folder."""
        with suppress(OSError):  # file systems from elsewhere can't, or do it by themselves
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
