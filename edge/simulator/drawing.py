"""Drawings of stained blood cells, for demos and tests, which use no real pictures of patients' cells.

Everything on the drawn slide adds optical density, and light of lamp x exp(-density) reaches the camera
(Beer-Lambert). Lengths of cells are multiples of a red cell's diameter, about 7.5 micrometres.

These are drawings. They show that the tool runs. They don't show how well it reads blood.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

KINDS = ("lymphocyte", "monocyte")
WHITE = (*KINDS, "neutrophil")

# Optical densities (natural logarithm) for red, green and blue light, estimated by eye from Giemsa-stained smears.
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
RADII = {"lymphocyte": 0.72, "monocyte": 1.19, "neutrophil": 0.86}  # of the whole cell, in red-cell diameters
_LAMP = np.array([236, 224, 210], np.float32)  # levels of red, green, blue where the slide is empty


@dataclass(frozen=True)
class Look:
    """How one microscope shows a slide.

    Attributes:
        red_cell: diameter of a red cell, pixels.
        stain: strength of the stain, above 0; 1 is usual.
        blur: standard deviation of the defocus, pixels, above 0.
        noise: standard deviation of the camera's noise, levels 0..255.
    """

    red_cell: float = 56.0
    stain: float = 1.0
    blur: float = 0.9
    noise: float = 1.5


def picture(kind: str, rng: np.random.Generator, size: int = 256, look: Look | None = None) -> np.ndarray:
    """Draws one white cell among red cells.

    Args:
        kind: one of WHITE.
        rng: the same state draws the same picture.
        size: width and height of the picture, pixels.
        look: how the microscope shows it; None for the usual Look.

    Returns:
        RGB uint8 [size, size, 3].

    Raises:
        ValueError: for another kind.
    """
    look = look or Look()
    density = np.zeros((size, size, 3), np.float32)
    middle = size / 2 + rng.uniform(-0.03, 0.03, 2) * size
    occupied = [(middle[0], middle[1], 1.15 * look.red_cell)]
    for x, y, radius in scatter((size, size), look.red_cell, occupied, rng):
        red_cell(density, x, y, radius, rng)
    white_cell(density, kind, middle[0], middle[1], look.red_cell, rng)
    return expose(density, look, rng)


@dataclass(frozen=True)
class Truth:
    """One drawn object, usually a white cell.

    Attributes:
        kind: one of WHITE; on a simulated slide also "platelet" or "dirt".
        x: position of its middle, pixels from the left.
        y: position of its middle, pixels from the top.
        radius: radius of the whole object, pixels.
        nucleus: (x, y, radius) of the nucleus' convex hull, pixels.
    """

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
    """Draws a camera field of red cells, platelets, dirt and white cells.

    Args:
        rng: the same state draws the same field.
        count: white cells; fewer are drawn where there is no room.
        touching: how many of the white cells touch or overlap an earlier one; the others stand apart.
        shape: (height, width) of the picture, pixels.
        look: how the microscope shows it; None for the usual one with red cells of 40 pixels.
        kinds: the kinds that white cells are chosen from, each one of WHITE.

    Returns:
        The picture, RGB uint8 [height, width, 3], and its white cells.
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
    occupied = [(x, y, 0.95 * r) for _, x, y, r in plan]
    for x, y, radius in scatter((height, width), unit, occupied, rng):
        red_cell(density, x, y, radius, rng)
    for _ in range(rng.poisson(width * height / unit**2 / 40)):  # platelets, and dirt
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), unit * rng.uniform(0.08, 0.18)
        if all(np.hypot(x - a, y - b) > r + 2 * radius for a, b, r in occupied):
            colour = PLATELET if rng.random() < 0.8 else np.full(3, 1.5, np.float32)
            add(density, Part(blob(radius, 0.15, rng), x, y, colour, grain=0.3), rng)
    for kind, x, y, radius in plan:
        nucleus = white_cell(density, kind, x, y, unit, rng)
        truth.append(Truth(kind, float(x), float(y), float(radius), nucleus))
    return expose(density, look, rng), truth


def white_cell(
    density: np.ndarray, kind: str, x: float, y: float, red_cell: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Adds one white cell to a slide.

    Args:
        density: optical density of the slide, float32 [height, width, 3]; it is changed.
        kind: one of WHITE.
        x: position of the cell's middle, pixels from the left; it may lie outside the slide.
        y: position of the cell's middle, pixels from the top; it may lie outside the slide.
        red_cell: diameter of a red cell, pixels.
        rng: decides size and shape.

    Returns:
        (x, y, radius) of the nucleus' convex hull, pixels.

    Raises:
        ValueError: for another kind.
    """
    turn = rng.uniform(0, 2 * np.pi)
    if kind == "neutrophil":
        return _neutrophil(density, x, y, red_cell, turn, rng)
    if kind == "lymphocyte":  # a round dark nucleus, a narrow rim of clear blue cytoplasm
        nucleus = red_cell * rng.uniform(0.56, 0.70)
        body = nucleus * rng.uniform(1.06, 1.25)
        outline = blob(nucleus, 0.03, rng)
        off_centre = (body - nucleus) * 0.7
    elif kind == "monocyte":  # a large kidney-shaped nucleus with loose chromatin, much grey-blue cytoplasm
        nucleus = red_cell * rng.uniform(0.78, 0.92)
        body = nucleus * rng.uniform(1.30, 1.50)
        outline = blob(nucleus, 0.04, rng, dent=rng.uniform(0.35, 0.6))
        off_centre = (body - nucleus) * 0.35
    else:
        raise ValueError(f"no drawing of a {kind}")
    loose = kind == "monocyte"  # chromatin
    cx, cy = x - off_centre * np.cos(turn), y - off_centre * np.sin(turn)
    add(density, Part(blob(body, 0.07 if loose else 0.03, rng), x, y, _CYTOPLASM[kind], grain=0.25, turn=turn), rng)
    add(density, Part(outline, cx, cy, _NUCLEUS[kind], grain=0.35 if loose else 0.2, turn=turn), rng)
    return float(cx), float(cy), float(nucleus)


def _neutrophil(
    density: np.ndarray, x: float, y: float, red_cell: float, turn: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """A neutrophil: three or four dark lobes in an arc, thin bridges between them, much pale pink cytoplasm."""
    nucleus = _NUCLEUS["neutrophil"]
    body = red_cell * rng.uniform(0.80, 0.92)
    add(density, Part(blob(body, 0.03, rng), x, y, _CYTOPLASM["neutrophil"], grain=0.4, turn=turn), rng)
    lobes = int(rng.integers(3, 5))
    angles = turn + np.linspace(-0.5, 0.5, lobes) * rng.uniform(3.2, 4.2)
    centres = [(x + 0.48 * body * np.cos(a), y + 0.48 * body * np.sin(a)) for a in angles]
    layer = np.zeros_like(density)
    for a, b in centres:
        add(layer, Part(blob(body * rng.uniform(0.26, 0.33), 0.06, rng), a, b, nucleus, grain=0.2), rng)
    for (a, b), (c, d) in pairwise(centres):
        bridge = blob(body * 0.1, 0.0, rng)
        for share in (0.35, 0.5, 0.65):
            middle = (a + share * (c - a), b + share * (d - b))
            add(layer, Part(bridge, *middle, nucleus, grain=0.2), rng)
    density += np.minimum(layer, nucleus * 1.2)  # overlapping lobes don't get darker
    middle = np.mean(centres, axis=0)
    reach = max(np.hypot(*(np.array(c) - middle)) for c in centres) + 0.3 * body
    return float(middle[0]), float(middle[1]), float(0.85 * reach)


def expose(density: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The camera's picture of a slide: its optical density, float32 [height, width, 3] -> RGB uint8 of that shape."""
    light = cv2.GaussianBlur(_LAMP * np.exp(-look.stain * density), (0, 0), look.blur)
    noise = np.float32(look.noise) * rng.standard_normal(light.shape, np.float32)
    return np.clip(light + noise, 0, 255).astype(np.uint8)


def blob(radius: float, wobble: float, rng: np.random.Generator, dent: float = 0.0) -> np.ndarray:
    """A wavy circle round the origin.

    Args:
        radius: pixels.
        wobble: height of the waves as a share of the radius.
        rng: decides the waves.
        dent: depth of a dent at angle 0, as a share of the radius.

    Returns:
        Its outline, float [90, 2], pixels.
    """
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    r = np.ones_like(angle)
    for wave in (2, 3, 4, 5):
        r += wobble * rng.normal() * np.cos(wave * angle + rng.uniform(0, 2 * np.pi)) * 2 / wave
    r -= dent * np.exp(-((np.minimum(angle, 2 * np.pi - angle) / 0.55) ** 2))
    return radius * r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@dataclass(frozen=True)
class Part:
    """One stained part of a slide, such as a nucleus.

    Attributes:
        outline: points (x, y) around the part's middle, float [n, 2], pixels; see `blob`.
        x: position of the middle, pixels from the left.
        y: position of the middle, pixels from the top.
        colour: optical density of red, green and blue light, float32 [3].
        grain: how uneven the stain is: standard deviation as a share of the density, at least 0.
        turn: rotation of the outline, radians.
        hollow: share of the density that the middle lacks, 0 to 1; red cells are thin in the middle.
    """

    outline: np.ndarray
    x: float
    y: float
    colour: np.ndarray
    grain: float
    turn: float = 0.0
    hollow: float = 0.0


def add(density: np.ndarray, part: Part, rng: np.random.Generator) -> None:
    """Adds a part to the optical density of a slide, float32 [height, width, 3], as far as it lies on the slide."""
    cos, sin = np.cos(part.turn), np.sin(part.turn)
    points = part.outline @ np.array([[cos, sin], [-sin, cos]]) + (part.x, part.y)
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 5, density.shape[1::-1])
    width, height = high - low
    if width <= 0 or height <= 0:
        return
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [np.round((points - low) * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.2)
    if part.hollow:
        radius = np.sqrt(cv2.contourArea(points.astype(np.float32)) / np.pi)
        ys, xs = np.mgrid[low[1] : high[1], low[0] : high[0]]
        mask *= 1 - part.hollow * np.exp(-((np.hypot(xs - part.x, ys - part.y) / (0.5 * radius)) ** 2)).astype(
            np.float32
        )
    if part.grain:
        mask = mask * (1 + part.grain * _texture((height, width), rng))
    density[low[1] : high[1], low[0] : high[0]] += mask[:, :, None] * part.colour


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of two grain sizes, as chromatin has: float32 [height, width], standard deviation about 1."""
    result = np.zeros(shape, np.float32)
    for sigma in (1.5, 4.0):
        noise = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma)
        result += noise * (sigma * np.sqrt(2 * np.pi))
    return np.clip(result / np.sqrt(2), -2, 2)


def scatter(
    shape: tuple[int, int], red_cell: float, occupied: list[tuple[float, float, float]], rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Chooses places for red cells that hardly overlap one another or what is there already.

    Args:
        shape: (height, width) of the slide, pixels.
        red_cell: mean diameter of a red cell, pixels.
        occupied: (x, y, radius) of what is there already, pixels.
        rng: decides places and sizes.

    Returns:
        (x, y, radius) of each red cell, pixels.
    """
    height, width = shape
    tries = int(6 * height * width / red_cell**2)
    placed = np.zeros((len(occupied) + tries, 3))
    placed[: len(occupied)] = np.reshape(occupied, (-1, 3))
    count = len(occupied)
    for _ in range(tries):
        x, y = rng.uniform(-0.1, 1.1, 2) * (width, height)
        radius = red_cell / 2 * rng.uniform(0.9, 1.08)
        apart = np.hypot(placed[:count, 0] - x, placed[:count, 1] - y)
        if (apart > 0.98 * (radius + placed[:count, 2])).all():
            placed[count] = x, y, radius
            count += 1
    return [(float(x), float(y), float(radius)) for x, y, radius in placed[len(occupied) : count]]


def red_cell(density: np.ndarray, x: float, y: float, radius: float, rng: np.random.Generator) -> None:
    """Adds one red cell to the optical density of a slide, float32 [height, width, 3]. Lengths are in pixels."""
    colour = _RED_CELL * rng.uniform(0.85, 1.1)
    add(density, Part(blob(radius, 0.025, rng), x, y, colour, grain=0.03, hollow=rng.uniform(0.3, 0.75)), rng)
