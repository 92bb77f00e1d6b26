"""Are cells, crops and answers the same to the byte on another machine? Run this on both and compare the lines.

Needs what a Pi has and no more: `python -m benchmarks.parity DATA`.
"""

import hashlib
from pathlib import Path

import click

from edge import frames
from edge.crop import crop
from edge.errors import UserError
from edge.locate import Locator
from edge.model import Model


def digest(paths: list[str], locator: Locator, model: Model) -> tuple[str, str, int]:
    """sha256 over every cell's place and crop in these pictures, another over the answers, and how many cells."""
    crops, answers = hashlib.sha256(), hashlib.sha256()
    count = 0
    for path in paths:
        frame = frames.load(path)
        for cell in locator.cells(frame):
            crops.update(repr((cell.box, cell.centre, cell.nucleus)).encode())
            seen = crop(frame, cell, model.size, model.policy)
            crops.update(seen.tobytes())
            answers.update(model.raw(seen).tobytes())
            count += 1
    return crops.hexdigest(), answers.hexdigest(), count


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--fields", default=100, show_default=True, help="Camera fields, of DATA/fields.")
@click.option("--cells", default=500, show_default=True, help="Pictures of one cell, of DATA/cells.")
def main(data: Path, fields: int, cells: int) -> None:
    """Two lines a kind of picture: sha256 of what locator and crop made of them, and of the shipped model's answers."""
    locator, model = Locator(), Model()
    for name, wanted in (("fields", fields), ("cells", cells)):
        paths = frames.expand([str(data / name)])
        if not paths:
            raise UserError(f"{data / name} holds no pictures.")
        chosen = paths[:: max(1, len(paths) // wanted)][:wanted]
        crops, answers, count = digest(chosen, locator, model)
        click.echo(f"{len(chosen)} {name}, {count} crops: {crops}\n{count} answers: {answers}")


if __name__ == "__main__":
    main()
