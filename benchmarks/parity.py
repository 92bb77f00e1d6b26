"""Checksums of cells, crops and answers. Run this on two machines; if the lines are equal, so is every byte.

It needs only packages that are also installed on a Raspberry Pi.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import frames
from edge.crop import crop
from edge.errors import UserError
from edge.locate import Locator
from edge.model import Model
from edge.system.progress import Progress, followed, silent


@dataclass(frozen=True)
class Digest:
    """The checksums of a set of pictures. Two machines with equal digests found and answered the same.

    Attributes:
        name: name of the set.
        pictures: number of pictures.
        cells: number of cells that were found in them.
        crops: sha256 of the place and the crop of all cells.
        answers: sha256 of the network's raw answers to all cells.
    """

    name: str
    pictures: int
    cells: int
    crops: str
    answers: str

    def __str__(self) -> str:
        return f"{self.pictures} {self.name}, {self.cells} crops: {self.crops}\n{self.cells} answers: {self.answers}"


def parity(data: Path, fields: int = 100, cells: int = 500, progress: Progress = silent) -> Iterator[Digest]:
    """The checksums of camera fields (DATA/fields) and of pictures of one cell (DATA/cells), with the shipped networks.

    Args:
        data: the folder that holds `fields` and `cells`.
        fields: number of camera fields, spread evenly over the folder.
        cells: number of pictures of one cell, spread evenly over the folder.

    Raises:
        UserError: if a folder holds no pictures, or if one can't be read.
    """
    locator, model = Locator(), Model()
    for name, wanted in (("fields", fields), ("cells", cells)):
        paths = frames.expand([str(data / name)])
        if not paths:
            raise UserError(f"{data / name} holds no pictures.")
        yield digest(name, paths[:: max(1, len(paths) // wanted)][:wanted], locator, model, progress)


def digest(name: str, paths: Sequence[str], locator: Locator, model: Model, progress: Progress = silent) -> Digest:
    """The checksums of some pictures. The red-cell ruler is measured in each picture by itself. name: of the set."""
    crops, answers = hashlib.sha256(), hashlib.sha256()
    count = 0
    for path in followed(paths, f"Reading {name}", progress):
        frame = frames.load(path)
        for cell in locator.cells(frame):
            crops.update(repr((cell.box, cell.centre, cell.nucleus)).encode())
            pixels = crop(frame, cell, model.size, model.policy)
            crops.update(pixels.tobytes())
            answers.update(model.raw(pixels).tobytes())
            count += 1
    return Digest(name, len(paths), count, crops.hexdigest(), answers.hexdigest())
