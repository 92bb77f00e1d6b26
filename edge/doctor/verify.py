"""Does this machine give the answers that the model files expect? For `edge-classify --verify` and `edge-doctor`.

A file that isn't shipped is tried out in a process of its own first: one that was forged may crash the runtime.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import locate, model
from edge.errors import UserError


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
    yield _verified("model", model.Model, path or model.SHIPPED, threads)
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
        if path not in (model.SHIPPED, locate.SHIPPED):
            model.try_out(path)
        opened = kind(path, threads)
        return Verified(name, path, *opened.verify(), sealed=opened.sealed)
    except UserError as error:
        return Verified(name, path, error=error)
