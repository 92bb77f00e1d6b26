"""Does this machine give the answers that the model files expect? For `edge-classify --verify` and `edge-doctor`.

A file that isn't shipped is opened in a process of its own: one that was forged may crash the runtime.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import locate, model
from edge.errors import UserError
from edge.system import apart

_PATIENCE = 120.0  # seconds that the samples of one file may take; VGG16 takes some on the slowest Pi


@dataclass(frozen=True)
class Verified:
    """How the samples inside one model file were answered.

    Attributes:
        name: "model" for the classifier, or "locator".
        path: the model file.
        right: number of samples that are answered as expected.
        count: number of all samples; 0 where the file can't be opened.
        error: why it can't be opened; else None.
        sealed: whether the whole file is under one hash; see edge.model.
    """

    name: str
    path: Path
    right: int = 0
    count: int = 0
    error: UserError | None = None
    sealed: bool = True

    @property
    def unprotected(self) -> str:
        """A sentence for a file that no hash protects; "" for all others."""
        if self.sealed:
            return ""
        return (
            f"{self.path} was made before model files were under one hash, so damage to its limits may go unnoticed: "
            "convert the model again, or run `convert seal` on it."
        )


def verify_files(path: Path | None = None, threads: int = 1) -> Iterator[Verified]:
    """Runs the samples inside both model files. path: the classifier's file; None for the shipped one."""
    yield _apart("model", path, threads) if path else _verified("model", model.Model, model.SHIPPED, threads)
    yield _verified("locator", locate.Locator, locate.SHIPPED, threads)


def verify(path: Path | None = None, threads: int = 1) -> list[Verified]:
    """How the samples inside both model files are answered.

    Raises:
        UserError: where a file can't be opened.
    """
    files = list(verify_files(path, threads))
    for each in files:
        if each.error:
            raise each.error
    return files


def _verified(name: str, kind: type[model.File], path: Path, threads: int) -> Verified:
    try:
        opened = kind(path, threads)
        return Verified(name, path, *opened.verify(), sealed=opened.sealed)
    except UserError as error:
        return Verified(name, path, error=error)


def _apart(name: str, path: Path, threads: int) -> Verified:
    """Does the same as `_verified` for a classifier, in a process of its own."""
    try:
        done = subprocess.run(
            apart.command("edge.doctor.verify", str(path), str(threads)),
            env=apart.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Verified(name, path, error=UserError(f"{path} gives no answer within {_PATIENCE:.0f} s; don't use it."))
    try:
        right, count, sealed, error = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        how = apart.crash(done.returncode) or f"exit code {done.returncode}"
        return Verified(
            name, path, error=UserError(f"{path} crashes what runs it ({how}), so it is forged or damaged.")
        )
    return Verified(name, path, right, count, UserError(error) if error else None, sealed)


if __name__ == "__main__":  # the process of its own
    found = _verified("model", model.Model, Path(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps([found.right, found.count, found.sealed, found.error and found.error.message]))
