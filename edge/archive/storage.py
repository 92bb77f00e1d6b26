"""Pictures on disk or in object storage (s3://, gs://): what is there, whether it has changed, and copies to read."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.errors import UserError, reason
from edge.reading.formats import SUFFIXES

_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


def is_url(path: str) -> bool:
    """Whether a path is an address such as s3://bucket/slide-7/field-1.jpg."""
    return bool(_URL.match(path))


def stamp(path: str) -> str:
    """What changes when a file on disk does, without reading it: its size and two times; "" if there is none."""
    try:
        known = Path(path).stat()
    except (OSError, ValueError):  # ValueError: a NUL in a name of a table
        return ""
    return f"{known.st_size}-{known.st_mtime_ns}-{known.st_ctime_ns}"


def listed(url: str) -> dict[str, str]:
    """The pictures of an address: those below a folder, those that match a pattern, or one.

    Hidden ones and files of other kinds are left out of folders, as edge.reading.finding does on disk.

    Returns:
        The address of each picture with its stamp, in the order in which a folder on disk is read.

    Raises:
        UserError: where the storage can't be reached, or lets nobody in.
    """
    with _reaching(url):
        system, path = _system(url)
        if any(each in path for each in "*?["):
            found = system.glob(path, detail=True)
        else:
            found = system.find(path, detail=True)
            found = {name: info for name, info in found.items() if name == path or _is_picture(name, path)}
    files = {name: info for name, info in found.items() if info["type"] == "file"}
    return {system.unstrip_protocol(name): _stamp(files[name]) for name in sorted(files, key=_order)}


def stamps(urls: list[str]) -> dict[str, str]:
    """The stamps of single addresses, such as those in a table; "" for one where nothing is."""
    found = {}
    for url in urls:
        with _reaching(url):
            system, path = _system(url)
            try:
                found[url] = _stamp(system.info(path))
            except FileNotFoundError:
                found[url] = ""
    return found


class Copies:
    """Local copies of pictures, until the `with` block ends. A file on disk is its own copy.

    Attributes:
        errors: by path, why no copy could be made, to complete a sentence that begins with the path.
    """

    def __init__(self, folder: str = "") -> None:
        """folder: what relative paths are relative to; "" for the folder where this process is."""
        self.errors: dict[str, str] = {}
        self._copies: dict[str, str] = {}
        self._base, self._folder = folder, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def of(self, path: str) -> str:
        """The path of the copy; where it couldn't be made, that of a file that doesn't exist."""
        if not is_url(path):
            return os.path.join(self._base, path)
        if path not in self._copies:
            self._folder = self._folder or tempfile.mkdtemp(prefix="edge-archive-")
            # The ending stays, since some formats are known by it; the rest of the name may be anything.
            copy = self._copies[path] = str(Path(self._folder) / f"{len(self._copies)}{Path(path).suffix[:10]}")
            try:
                system, name = _system(path)
                system.get_file(name, copy)
            except FileNotFoundError:
                self.errors[path] = "does not exist."
            except Exception as error:  # each storage has errors of its own
                self.errors[path] = f"cannot be read: {reason(error)}."
            if path in self.errors:
                Path(copy).unlink(missing_ok=True)
        return self._copies[path]


def digest(path: str) -> str:
    """The sha256 of a file on disk; "" where it can't be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def _system(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Addresses aren't listed from memory: a run may last days."""
    kind = url.partition("://")[0]
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        package = _PACKAGES.get(kind, "")
        raise UserError(
            f"{kind}:// needs {package or 'a package'}; run `pip install {package or 'edge-classify[archive]'}`."
        ) from error
    except ValueError as error:
        raise UserError(f"{url}: {kind}:// is no storage that can be read; s3:// and gs:// are.") from error
    return system, path


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{url} does not exist.") from None
    except Exception as error:  # each storage has errors of its own
        raise UserError(f"{url} can't be listed: {reason(error)}.") from error


def _stamp(info: Mapping[str, Any]) -> str:
    """What the storage says of an object's content: its hash or generation where it has one."""
    marks = (info.get(key) for key in ("ETag", "etag", "generation", "md5Hash", "LastModified", "mtime"))
    return f"{info.get('size')}-{next((str(each) for each in marks if each), '')}".replace('"', "")


def _is_picture(name: str, top: str) -> bool:
    parts = name.removeprefix(top).strip("/").split("/")
    return not any(part.startswith(".") for part in parts) and os.path.splitext(name)[1].lower() in SUFFIXES


def _order(name: str) -> list[tuple[bool, str]]:
    """Sorts as a walk through folders does: the files of a folder by name, then its folders."""
    parts = name.split("/")
    return [(place < len(parts) - 1, part) for place, part in enumerate(parts)]
