"""Syncs results to the disk, because what the operating system holds in memory is lost when the power fails."""

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

_LINE = 65536  # bytes; no line of results is longer
_EVERY = 1.0  # seconds of results that a power failure may take; syncing each line would wear out a Pi's memory card


def first_line(path: str) -> str:
    """The first line of a results file with its line break; "" where there is no such file. Raises OSError."""
    if not Path(path).is_file():  # it doesn't exist yet, or is a pipe or a device
        return ""
    with Path(path).open("rb") as file:
        return file.readline(_LINE).decode("utf-8", "backslashreplace")


def mend(path: str) -> None:
    """Removes an unfinished last line from a file, such as a power failure leaves. Raises OSError."""
    with Path(path).open("r+b") as file:
        end, place = file.seek(0, os.SEEK_END), -1
        while end and place < 0:  # a power failure may leave many NULs
            start = max(0, end - _LINE)
            file.seek(start)
            place = file.read(end - start).rfind(b"\n")
            end = start
        file.truncate(end + place + 1)


class Syncing:
    """Syncs a file's new lines to the disk once a second, in a thread of its own.

    A memory card may take a second to sync, and frames must not wait for it. Pipes and terminals aren't synced.
    """

    def __init__(self, file: IO[str], path: str) -> None:
        """Starts the thread. file: open for writing; path: where it is."""
        self._file, self._folder = file, Path(path).resolve().parent
        self._new, self._stop = threading.Event(), threading.Event()
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            self._thread = threading.Thread(target=self._run, daemon=True, name="disk")
            self._thread.start()

    def wrote(self) -> None:
        """Call it after lines were written and flushed. Raises OSError if earlier lines could not be synced."""
        if self._error:
            raise self._error
        self._new.set()

    def close(self) -> None:
        """Syncs the last lines; call it before the file is closed. Raises OSError if that isn't possible."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            self._sync_name()
            while not self._stop.wait(_EVERY):
                self._sync()
            self._sync()
        except OSError as error:
            self._error = error

    def _sync(self) -> None:
        if self._new.is_set():
            self._new.clear()
            os.fsync(self._file.fileno())

    def _sync_name(self) -> None:
        """Syncs the folder, which holds the file's name."""
        with suppress(OSError):  # FAT and network file systems can't sync a folder, or do so by themselves
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
