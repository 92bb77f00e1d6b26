"""Does this machine give the answers that the model files expect? For `edge-classify --verify` and `edge-doctor`."""

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
    """

    name: str
    path: Path
    right: int = 0
    count: int = 0
    error: UserError | None = None


def verify_files(path: Path | None = None, threads: int = 1) -> Iterator[Verified]:
    """Runs the samples inside both model files. path: the classifier's file; None for the shipped one."""
    files: list[tuple[str, type[model.File], Path]] = [
        ("model", model.Model, path or model.SHIPPED),
        ("locator", locate.Locator, locate.SHIPPED),
    ]
    for name, kind, file in files:
        try:
            right, count = kind(file, threads).verify()
        except UserError as error:
            yield Verified(name, file, error=error)
        else:
            yield Verified(name, file, right, count)


def verify(path: Path | None = None, threads: int = 1) -> tuple[int, int]:
    """The number of samples in both files that are answered as expected, and of all samples.

    Raises:
        UserError: where a file can't be opened.
    """
    right = count = 0
    for each in verify_files(path, threads):
        if each.error:
            raise each.error
        right, count = right + each.right, count + each.count
    return right, count
