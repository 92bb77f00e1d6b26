"""The pictures of `make demo`: single cells and whole fields, drawn."""

from pathlib import Path

import numpy as np
from PIL import Image

from edge.errors import writing
from edge.simulator.drawing import KINDS, field, picture


def draw(folder: Path, count: int = 3, seed: int = 0) -> int:
    """Writes drawn-KIND-1.png, ... and drawn-field-1.png, ... into a folder, which is made if it doesn't exist.

    Args:
        folder: the folder that the pictures go into.
        count: how many pictures of each kind of cell, and how many fields.
        seed: the same seed draws the same pictures.

    Returns:
        How many pictures were written.

    Raises:
        UserError: where they can't be written.
    """
    rng = np.random.default_rng(seed)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            for i in range(count):
                Image.fromarray(picture(kind, rng)).save(folder / f"drawn-{kind}-{i + 1}.png")
        for i in range(count):
            image, _ = field(rng, 5, 2, kinds=KINDS)
            Image.fromarray(image).save(folder / f"drawn-field-{i + 1}.png")
    return count * (len(KINDS) + 1)
