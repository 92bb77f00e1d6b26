"""Draws docs/normalised.jpg: one drawn cell under four lamps and stains, and what the network sees of it.

Run as `python docs/normalised.py`.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from edge.cell import SIDE, single
from edge.crop import crop
from edge.frames import Frame
from edge.locate import Locator
from edge.red_cells import RedCellRuler
from edge.simulator import drawing

# Of each microscope: how much its stain absorbs of red, green and blue, its lamp's colour, its lamp's slope, its focus.
MICROSCOPES = [
    ((1, 1, 1), (0, 0, 0), 0.0, 0.6),
    ((0.55, 0.5, 0.6), (0.05, 0, 0.1), 0.3, 1.6),
    ((1.2, 0.85, 1.4), (0.25, 0.05, 0.3), 0.2, 0.9),
    ((0.8, 1.1, 0.5), (0, 0.35, 0.2), 0.5, 2.2),
]


def seen(kind: str, seed: int, stain: tuple, lamp: tuple, slope: float, blur: float) -> np.ndarray:
    look = drawing.Look(red_cell=52, blur=blur, noise=1)
    picture = drawing.picture(kind, np.random.default_rng(seed), 256, look)
    density = -np.log((picture.astype(float) + 1) / 256) * np.array(stain) + np.array(lamp)
    density += slope * np.linspace(0, 1, 256)[:, None, None] * np.array([1, 0.6, 0.8])
    frame = Frame((256 * np.exp(-density) - 1).clip(0, 255).astype(np.uint8), kind, 0, 0.0)
    cell = single(frame, locator.cells(frame, RedCellRuler(fixed=48)))[0]
    (x, y), half = cell.centre, SIDE * cell.red_cell / 2
    box = tuple(np.clip((x - half, y - half, x + half, y + half), 0, 256))
    before = Image.fromarray(frame.image).resize((160, 160), Image.Resampling.BILINEAR, box)
    after = Image.fromarray(crop(frame, cell, 80, "normalised")).resize((160, 160), Image.Resampling.NEAREST)
    return np.concatenate([np.asarray(before), np.asarray(after)])


locator = Locator()
columns = [seen(kind, seed, *each) for kind, seed in (("lymphocyte", 3), ("monocyte", 5)) for each in MICROSCOPES]
Image.fromarray(np.concatenate(columns, axis=1)).save(Path(__file__).with_suffix(".jpg"), quality=88)
