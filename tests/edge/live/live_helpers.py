"""What the tests of live runs share."""

import subprocess
import sys

import numpy as np

from edge.simulator import drawing

SIM = "sim:seed=3,width=480,height=360,red_cell=30,fps=15,white=5,faults=30"


# A field with four white cells, RGB uint8 [480, 640, 3]; a red cell is 36 pixels wide.
FIELD, _ = drawing.field(np.random.default_rng(8), 4, shape=(480, 640), look=drawing.Look(red_cell=36))
FIELD.flags.writeable = False  # all tests share it


def noisy(image: np.ndarray, seed: int) -> np.ndarray:
    """The image with a camera's noise."""
    return np.clip(image + np.random.default_rng(seed).normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def started(*arguments: object) -> subprocess.Popen[str]:
    """A running `edge-classify`."""
    return subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
