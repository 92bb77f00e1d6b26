"""The simulated microscope: stained cells drawn by our own code, for demos and tests where no real picture may go.

Light is drawn as it passes the slide: everything on it adds optical density, and what reaches the camera is
lamp x exp(-density) (Beer-Lambert). Sizes are in shares of a red cell's diameter, about 7.5 micrometres.
These are drawings. They show that the tool runs; they say nothing of how well it reads blood.

`python -m edge.simulator.drawing DIR` writes a few.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import cv2
import numpy as np
from PIL import Image

KINDS = ("lymphocyte", "monocyte")
WHITE = (*KINDS, "neutrophil")

# Optical densities (natural logarithm) of red, green, blue light, read off Giemsa smears by eye.
_RED_CELL = np.array([0.22, 0.42, 0.33], np.float32)
_NUCLEUS = {
    "lymphocyte": np.array([1.25, 1.95, 0.75], np.float32),
    "monocyte": np.array([0.85, 1.50, 0.50], np.float32),
    "neutrophil": np.array([1.30, 1.90, 0.75], np.float32),
}
_CYTOPLASM = {
    "lymphocyte": np.array([0.45, 0.42, 0.16], np.float32),
    "monocyte": np.array([0.40, 0.52, 0.24], np.float32),
    "neutrophil": np.array([0.10, 0.28, 0.12], np.float32),
}
PLATELET = np.array([0.45, 0.70, 0.25], np.float32)
RADII = {"lymphocyte": 0.72, "monocyte": 1.19, "neutrophil": 0.86}  # of the whole cell, in red cells' diameters
LAMP = np.array([236, 224, 210], np.float32)


@dataclass(frozen=True)
class Look:
    """How one microscope shows a slide: a red cell's diameter in pixels, stain strength, defocus in pixels."""

    red_cell: float = 56.0
    stain: float = 1.0
    blur: float = 0.9
    noise: float = 1.5


def picture(kind: str, rng: np.random.Generator, size: int = 256, look: Look | None = None) -> np.ndarray:
    """One white cell among red ones -> RGB uint8 [size, size, 3]."""
    look = look or Look()
    density = np.zeros((size, size, 3), np.float32)
    middle = size / 2 + rng.uniform(-0.03, 0.03, 2) * size
    taken = [(middle[0], middle[1], 1.15 * look.red_cell)]
    for x, y, radius in scatter((size, size), look.red_cell, taken, rng):
        red_cell(density, x, y, radius, rng)
    white_cell(density, kind, middle[0], middle[1], look.red_cell, rng)
    return expose(density, look, rng)


@dataclass(frozen=True)
class Truth:
    """What was drawn: a white cell's kind, its middle (x, y) and radius, and those of its nucleus' hull, in pixels."""

    kind: str
    x: float
    y: float
    radius: float
    nucleus: tuple[float, float, float]


def field(
    rng: np.random.Generator,
    count: int,
    touching: int = 0,
    shape: tuple[int, int] = (480, 640),
    look: Look | None = None,
    kinds: tuple[str, ...] = WHITE,
) -> tuple[np.ndarray, list[Truth]]:
    """A camera field of red cells, platelets, dirt and `count` white cells -> RGB uint8 [height, width, 3], the truth.

    Of the white cells, `touching` touch or overlap one that was drawn before; the others stand apart. May draw fewer
    than asked where there is no room.
    """
    look = look or Look(red_cell=40)
    height, width = shape
    density = np.zeros((height, width, 3), np.float32)
    unit = look.red_cell
    truth: list[Truth] = []
    plan: list[tuple[str, float, float, float]] = []
    for i in range(count):
        kind = kinds[rng.integers(len(kinds))]
        radius = unit * RADII[kind]
        if 2.2 * radius >= min(height, width):
            continue
        for _ in range(200):
            x, y = rng.uniform(1.1 * radius, width - 1.1 * radius), rng.uniform(1.1 * radius, height - 1.1 * radius)
            if plan and i >= count - touching:
                _, a, b, r = plan[rng.integers(len(plan))]
                angle, apart = rng.uniform(0, 2 * np.pi), (r + radius) * rng.uniform(0.85, 1.0)
                x, y = a + apart * np.cos(angle), b + apart * np.sin(angle)
                reach = 0.84
            else:
                reach = 1.4
            inside = radius < x < width - radius and radius < y < height - radius
            if inside and all(np.hypot(x - a, y - b) > reach * (radius + r) for _, a, b, r in plan):
                plan.append((kind, x, y, radius))
                break
    taken = [(x, y, 0.95 * r) for _, x, y, r in plan]
    for x, y, radius in scatter((height, width), unit, taken, rng):
        red_cell(density, x, y, radius, rng)
    for _ in range(rng.poisson(width * height / unit**2 / 40)):  # platelets, and dirt
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), unit * rng.uniform(0.08, 0.18)
        if all(np.hypot(x - a, y - b) > r + 2 * radius for a, b, r in taken):
            colour = PLATELET if rng.random() < 0.8 else np.full(3, 1.5, np.float32)
            add(density, blob(radius, 0.15, rng), 0.0, x, y, colour, rng, grain=0.3)
    for kind, x, y, radius in plan:
        nucleus = white_cell(density, kind, x, y, unit, rng)
        truth.append(Truth(kind, float(x), float(y), float(radius), nucleus))
    return expose(density, look, rng), truth


def white_cell(
    density: np.ndarray, kind: str, x: float, y: float, red_cell: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Adds one white cell to the density float32 [height, width, 3], its middle at (x, y) in pixels.

    Returns middle (x, y) and radius of its nucleus' hull.
    """
    turn = rng.uniform(0, 2 * np.pi)
    if kind == "neutrophil":
        return _neutrophil(density, x, y, red_cell, turn, rng)
    if kind == "lymphocyte":  # a round dark nucleus, a narrow rim of clear blue cytoplasm
        nucleus = red_cell * rng.uniform(0.56, 0.70)
        body = nucleus * rng.uniform(1.06, 1.25)
        outline = blob(nucleus, 0.03, rng)
        aside = (body - nucleus) * 0.7
    elif kind == "monocyte":  # a large kidney-shaped nucleus with loose chromatin, much grey-blue cytoplasm
        nucleus = red_cell * rng.uniform(0.78, 0.92)
        body = nucleus * rng.uniform(1.30, 1.50)
        outline = blob(nucleus, 0.04, rng, dent=rng.uniform(0.35, 0.6))
        aside = (body - nucleus) * 0.35
    else:
        raise ValueError(f"no drawing of a {kind}")
    loose = kind == "monocyte"
    cx, cy = x - aside * np.cos(turn), y - aside * np.sin(turn)
    add(density, blob(body, 0.07 if loose else 0.03, rng), turn, x, y, _CYTOPLASM[kind], rng, grain=0.25)
    add(density, outline, turn, cx, cy, _NUCLEUS[kind], rng, grain=0.35 if loose else 0.2)
    return float(cx), float(cy), float(nucleus)


def _neutrophil(
    density: np.ndarray, x: float, y: float, red_cell: float, turn: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Three or four dark lobes in an arc, thin bridges between them, much pale pink cytoplasm."""
    body = red_cell * rng.uniform(0.80, 0.92)
    add(density, blob(body, 0.03, rng), turn, x, y, _CYTOPLASM["neutrophil"], rng, grain=0.4)
    lobes = int(rng.integers(3, 5))
    angles = turn + np.linspace(-0.5, 0.5, lobes) * rng.uniform(3.2, 4.2)
    centres = [(x + 0.48 * body * np.cos(a), y + 0.48 * body * np.sin(a)) for a in angles]
    layer = np.zeros_like(density)
    for a, b in centres:
        add(layer, blob(body * rng.uniform(0.26, 0.33), 0.06, rng), 0.0, a, b, _NUCLEUS["neutrophil"], rng, grain=0.2)
    for (a, b), (c, d) in pairwise(centres):
        bridge = blob(body * 0.1, 0.0, rng)
        for share in (0.35, 0.5, 0.65):
            middle = (a + share * (c - a), b + share * (d - b))
            add(layer, bridge, 0.0, *middle, _NUCLEUS["neutrophil"], rng, grain=0.2)
    density += np.minimum(layer, _NUCLEUS["neutrophil"] * 1.2)  # where lobes overlap they don't get darker
    middle = np.mean(centres, axis=0)
    reach = max(np.hypot(*(np.array(c) - middle)) for c in centres) + 0.3 * body
    return float(middle[0]), float(middle[1]), float(0.85 * reach)


def expose(density: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    """What the camera sees of a density float32 [height, width, 3] -> RGB uint8 of the same shape."""
    light = cv2.GaussianBlur(LAMP * np.exp(-look.stain * density), (0, 0), look.blur)
    noise = np.float32(look.noise) * rng.standard_normal(light.shape, np.float32)
    return np.clip(light + noise, 0, 255).astype(np.uint8)


def blob(radius: float, wobble: float, rng: np.random.Generator, dent: float = 0.0) -> np.ndarray:
    """An outline round the origin, float [n, 2]: a circle with low waves; dent, at angle 0, in shares of the radius."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    r = np.ones_like(angle)
    for wave in (2, 3, 4, 5):
        r += wobble * rng.normal() * np.cos(wave * angle + rng.uniform(0, 2 * np.pi)) * 2 / wave
    r -= dent * np.exp(-((np.minimum(angle, 2 * np.pi - angle) / 0.55) ** 2))
    return radius * r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def add(
    density: np.ndarray,
    outline: np.ndarray,
    turn: float,
    x: float,
    y: float,
    colour: np.ndarray,
    rng: np.random.Generator,
    grain: float,
    hollow: float = 0.0,
) -> None:
    """Adds a filled outline of one stain; only the patch that it covers is touched."""
    cos, sin = np.cos(turn), np.sin(turn)
    points = outline @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 5, density.shape[1::-1])
    width, height = high - low
    if width <= 0 or height <= 0:
        return
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [np.round((points - low) * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.2)
    if hollow:  # red cells are thin in the middle
        radius = np.sqrt(cv2.contourArea(points.astype(np.float32)) / np.pi)
        ys, xs = np.mgrid[low[1] : high[1], low[0] : high[0]]
        mask *= 1 - hollow * np.exp(-((np.hypot(xs - x, ys - y) / (0.5 * radius)) ** 2)).astype(np.float32)
    if grain:
        mask = mask * (1 + grain * _texture((height, width), rng))
    density[low[1] : high[1], low[0] : high[0]] += mask[:, :, None] * colour


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of two grain sizes, float32, standard deviation about 1: chromatin is neither flat nor sandy."""
    result = np.zeros(shape, np.float32)
    for sigma in (1.5, 4.0):
        noise = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma)
        result += noise * (sigma * np.sqrt(2 * np.pi))
    return np.clip(result / np.sqrt(2), -2, 2)


def scatter(
    shape: tuple[int, int], red_cell: float, taken: list[tuple[float, float, float]], rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Places for red cells, (x, y, radius) each, a little apart from one another and off what is taken."""
    height, width = shape
    tries = int(6 * height * width / red_cell**2)
    placed = np.zeros((len(taken) + tries, 3))
    placed[: len(taken)] = np.reshape(taken, (-1, 3))
    count = len(taken)
    for _ in range(tries):
        x, y = rng.uniform(-0.1, 1.1, 2) * (width, height)
        radius = red_cell / 2 * rng.uniform(0.9, 1.08)
        apart = np.hypot(placed[:count, 0] - x, placed[:count, 1] - y)
        if (apart > 0.98 * (radius + placed[:count, 2])).all():
            placed[count] = x, y, radius
            count += 1
    return [(float(x), float(y), float(radius)) for x, y, radius in placed[len(taken) : count]]


def red_cell(density: np.ndarray, x: float, y: float, radius: float, rng: np.random.Generator) -> None:
    colour = _RED_CELL * rng.uniform(0.85, 1.1)
    add(density, blob(radius, 0.025, rng), 0.0, x, y, colour, rng, grain=0.03, hollow=rng.uniform(0.3, 0.75))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--count", default=3, show_default=True, help="Pictures of each kind of cell, and as many fields.")
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, count: int, seed: int) -> None:
    """Draw a few pictures of stained cells into FOLDER."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        for i in range(count):
            Image.fromarray(picture(kind, rng)).save(folder / f"drawn-{kind}-{i + 1}.png")
    for i in range(count):
        image, _ = field(rng, 5, 2, kinds=KINDS)
        Image.fromarray(image).save(folder / f"drawn-field-{i + 1}.png")
    click.echo(f"{count * (len(KINDS) + 1)} drawn pictures (drawings, not blood) are in {folder}")


if __name__ == "__main__":
    main()
