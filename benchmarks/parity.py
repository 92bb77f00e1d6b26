"""Are cells, crops and answers the same to the byte on another machine? Run it on both and compare the lines.

It needs only what a Raspberry Pi has.
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


@dataclass(frozen=True)
class Digest:
    """What was made of a set of pictures. Two machines with equal digests made the same of each.

    Attributes:
        name: of the set.
        pictures: how many.
        cells: that were found in them.
        crops: sha256 over the place and the crop of each cell.
        answers: sha256 over what the network makes of each.
    """

    name: str
    pictures: int
    cells: int
    crops: str
    answers: str

    def __str__(self) -> str:
        return f"{self.pictures} {self.name}, {self.cells} crops: {self.crops}\n{self.cells} answers: {self.answers}"


def parity(data: Path, fields: int = 100, cells: int = 500) -> Iterator[Digest]:
    """The digests of camera fields (DATA/fields) and of pictures of one cell (DATA/cells), by the shipped networks.

    Args:
        data: the folder that holds both.
        fields: how many camera fields to take, from all over the folder.
        cells: how many pictures of one cell.

    Raises:
        UserError: where a folder holds no pictures, or where one can't be read.
    """
    locator, model = Locator(), Model()
    for name, wanted in (("fields", fields), ("cells", cells)):
        paths = frames.expand([str(data / name)])
        if not paths:
            raise UserError(f"{data / name} holds no pictures.")
        yield digest(name, paths[:: max(1, len(paths) // wanted)][:wanted], locator, model)


def digest(name: str, paths: Sequence[str], locator: Locator, model: Model) -> Digest:
    """The digest of some pictures, each measured by itself. name: of the set."""
    crops, answers = hashlib.sha256(), hashlib.sha256()
    count = 0
    for path in paths:
        frame = frames.load(path)
        for cell in locator.cells(frame):
            crops.update(repr((cell.box, cell.centre, cell.nucleus)).encode())
            pixels = crop(frame, cell, model.size, model.policy)
            crops.update(pixels.tobytes())
            answers.update(model.raw(pixels).tobytes())
            count += 1
    return Digest(name, len(paths), count, crops.hexdigest(), answers.hexdigest())
