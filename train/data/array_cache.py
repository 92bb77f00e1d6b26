"""Arrays that take long to make, kept as .npy files in the user's cache folder and opened as memory maps.

So memory doesn't grow with the data set, and a second run on the same pictures doesn't make them again.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from edge.errors import UserError, reason
from edge.system.progress import Progress, silent

logger = logging.getLogger(__name__)


def folder() -> Path:
    """The user's cache folder for this project: below XDG_CACHE_HOME, else below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-classify"


@dataclass(frozen=True)
class Spec:
    """An array in the cache.

    Attributes:
        name: how the names of its files begin, such as "crops".
        key: everything that its content depends on, as values that JSON can hold.
        dtype: numpy's code, such as "|u1".
        shape: of the whole array; the first dimension counts rows.
    """

    name: str
    key: Any
    dtype: str
    shape: tuple[int, ...]

    def file(self, place: Path | None = None) -> Path:
        """The file that holds the array. place: its folder; the user's cache by default."""
        digest = hashlib.sha256(json.dumps(self.key).encode()).hexdigest()
        return (place or folder()) / f"{self.name}-{digest[:24]}.npy"

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * np.dtype(self.dtype).itemsize


class Rows:
    """A .npy file that is being written, row after row or in any order."""

    def __init__(self, out: IO[bytes], spec: Spec) -> None:
        header = {"descr": spec.dtype, "fortran_order": False, "shape": spec.shape}
        np.lib.format.write_array_header_1_0(out, header)
        self._out, self._row_bytes, self._first = out, spec.row_bytes, out.tell()

    def put(self, row: int, values: np.ndarray) -> None:
        """Writes one or several rows from this row on."""
        self._out.seek(self._first + row * self._row_bytes)
        self._out.write(values.tobytes())


@contextmanager
def writing(spec: Spec, file: Path) -> Iterator[Rows]:
    """Opens an array's file to write its rows. The file gets its name once it is complete; an error leaves none.

    Raises:
        UserError: if the cache can't be written.
    """
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Written as a file and not through a memory map: on a full disk a map ends the process without a message.
        with partial.open("wb") as out:
            yield Rows(out, spec)
        partial.rename(file)
    except OSError as error:
        raise UserError(f"The cache {file.parent} can't be written: {reason(error)}; set XDG_CACHE_HOME.") from error
    finally:
        partial.unlink(missing_ok=True)


def content_hash(array: np.ndarray) -> str:
    """sha256 of a memory map's file: unlike its name, it stays the same when a data set is copied."""
    with Path(array.filename).open("rb") as content:  # type: ignore[attr-defined]
        return hashlib.file_digest(content, "sha256").hexdigest()


def kept(
    spec: Spec,
    count: int,
    make: Callable[[int, int], np.ndarray],
    batch: int,
    what: str,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """Several arrays of one kind, each made only if the cache doesn't hold it.

    Args:
        spec: of each array; its key must be a list, to which the array's number is added.
        count: how many arrays.
        make: given an array's number and a row's number, makes up to `batch` rows from that row on.
        batch: rows that are made at a time.
        what: what the log and `progress` call an array, such as "View".
        progress: see edge.system.progress.

    Returns:
        Memory maps of the arrays.

    Raises:
        UserError: if the cache can't be written.
    """
    arrays = []
    for number in range(count):
        one = Spec(spec.name, [*spec.key, number], spec.dtype, spec.shape)
        file = one.file()
        if not file.exists():
            title = f"{what} {number + 1} of {count}"
            logger.info("%s: %s pictures", title, f"{spec.shape[0]:,}")
            with writing(one, file) as rows:
                for first in range(0, spec.shape[0], batch):
                    rows.put(first, make(number, first))
                    done = number * spec.shape[0] + min(first + batch, spec.shape[0])
                    progress(f"Making {what.lower()}s", done, count * spec.shape[0])
        arrays.append(np.load(file, mmap_mode="r"))
    return arrays
