"""Does this device give the answers that the model files expect? For `edge-classify --verify` and `edge-doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import locate, model
from edge.errors import UserError


@dataclass(frozen=True)
class Verified:
    """What came of the samples inside one model file.

    Attributes:
        name: "model" for the classifier, or "locator".
        path: of the file.
        right: samples that are answered as expected.
        count: all samples; 0 where the file can't be opened.
        error: why it can't be opened; else None.
    """

    name: str
    path: Path
    right: int = 0
    count: int = 0
    error: UserError | None = None


def verify_files(path: Path | None = None, threads: int = 1) -> Iterator[Verified]:
    """Runs the samples inside the classifier's file and inside the locator's. path: of the classifier, else shipped."""
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
    """The samples of both files: those that are answered as expected, and all.

    Raises:
        UserError: where a file can't be opened.
    """
    right = count = 0
    for each in verify_files(path, threads):
        if each.error:
            raise each.error
        right, count = right + each.right, count + each.count
    return right, count
