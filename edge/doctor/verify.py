"""`edge-classify --verify`: does this device give the answers that the model files expect?"""

from pathlib import Path

from edge.locate import Locator
from edge.model import SHIPPED, Model


def verify(model: Path | None = None, threads: int = 1) -> tuple[int, int]:
    """Runs the samples inside the model and the locator -> (answers as expected, samples).

    Raises UserError where a file can't be opened.
    """
    right = count = 0
    for file in (Model(model or SHIPPED, threads), Locator(threads=threads)):
        as_expected, samples = file.verify()
        right, count = right + as_expected, count + samples
    return right, count
