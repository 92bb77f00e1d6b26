"""An endless simulated slide: a strip of tiles, each as large as the camera's field and drawn when it comes into view.

One seed decides everything: a tile is the same whenever it is drawn.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from edge.errors import UserError
from edge.simulator import drawing
from edge.simulator.drawing import Look, Part, Truth

_KINDS = ("neutrophil", "lymphocyte", "monocyte")
_SHARES = (0.5, 0.3, 0.2)  # of each kind among the white cells
_STAMPS = 48  # different red cells; each is drawn once and then copied to many places
MARGIN = 16  # pixels of slide above and below the field, so that the stage can shake


# The least and the largest value of each option in an address. A red cell is also a fifth of width and height at most.
_RANGES = {
    "seed": (0, 2**32 - 1),
    "width": (40, 4096),
    "height": (40, 4096),
    "fps": (0.01, 1000),
    "red_cell": (8, 1024),
    "white": (0, 1000),
    "dwell": (0.001, 1e6),
    "move": (0.001, 1e6),
    "step": (0.001, 1),
    "faults": (0, 6000),
    "shading": (0, 1),
    "cast": (0, 1),
    "noise": (0, 255),
    "defocus": (0, 100),
    "end": (0, 1e9),
    "every": (0, 1),
}


@dataclass(frozen=True)
class Scenario:
    """What the simulated microscope shows, and what goes wrong. `parse` checks the ranges; see _RANGES.

    Attributes:
        seed: the same seed gives the same slide, movements and faults.
        width: width of the camera's frames, pixels.
        height: height of the camera's frames, pixels.
        fps: frames a second.
        red_cell: diameter of a red cell, pixels.
        white: mean number of white cells in a field.
        dwell: seconds that the stage rests in one place.
        move: seconds that it takes to move to the next place.
        step: distance between two places, in widths of the field.
        faults: mean number of faults in a minute, such as torn frames; see edge.simulator.microscope.
        shading: share of the light that the corners lack.
        cast: share of the blue light that is lost in the first hour; of green light, half that share is lost.
        noise: standard deviation of the camera's noise, levels 0..255.
        defocus: how many of a hundred places are out of focus.
        end: seconds after which the camera sends nothing more; 0 for no end.
        every: 1 for a recording, of which every frame is used, however long that takes; 0 for a camera, which doesn't
            wait.
    """

    seed: int = 0
    width: int = 1280
    height: int = 720
    fps: float = 30.0
    red_cell: float = 50.0
    white: float = 3.0
    dwell: float = 1.5
    move: float = 0.5
    step: float = 0.8
    faults: float = 2.0
    shading: float = 0.12
    cast: float = 0.05
    noise: float = 2.0
    defocus: float = 5.0
    end: float = 0.0
    every: int = 0


def parse(text: str, size: tuple[int, int] | None = None, fps: float | None = None) -> Scenario:
    """Reads what follows `sim:` in `--camera sim:...`.

    Args:
        text: options of Scenario such as "seed=7,faults=20,white=5"; a bare number is the seed.
        size: (width, height) of the frames in pixels, instead of those in `text`.
        fps: frames a second, instead of those in `text`.

    Raises:
        UserError: where an option doesn't exist, or its value is out of range.
    """
    names = {field.name: field.type for field in fields(Scenario)}
    address = f"sim:{text}" if text else "sim"
    given: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.rpartition("=")
        name = name or "seed"
        try:
            given[name] = int(value) if names[name] is int else float(value)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"{address}: {part!r} is not an option with a number; the options are {', '.join(names)}."
            ) from error
    if size:
        given |= {"width": size[0], "height": size[1]}
    if fps:
        given["fps"] = fps
    for option, number in given.items():
        least, most = _RANGES[option]
        if not least <= number <= most:  # nor is nan
            raise UserError(f"{address}: {option} must be {least:.10g} to {most:.10g}, not {number:.10g}.")
    scenario = Scenario(**given)  # type: ignore[arg-type]
    if 5 * scenario.red_cell > min(scenario.width, scenario.height):
        raise UserError(f"{address}: width and height must be at least 5 times red_cell.")
    return scenario


class Slide:
    """The slide: tiles side by side, of which the last few are kept in memory."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._height = scenario.height + 2 * MARGIN  # of a tile
        rng = np.random.default_rng([scenario.seed, 7])
        self._stamps = [self._stamp(rng) for _ in range(_STAMPS)]
        self._tiles: dict[int, np.ndarray] = {}
        self._truths: dict[int, list[Truth]] = {}

    def tile(self, number: int) -> np.ndarray:
        """The picture of one tile, RGB uint8 [height + margins, width, 3]. Tiles are numbered from 0, left to right."""
        if number not in self._tiles:
            self._tiles[number], self._truths[number] = self._draw(number)
            _drop_oldest(self._tiles, 3)
            _drop_oldest(self._truths, 64)
        return self._tiles[number]

    def truth(self, number: int) -> list[Truth]:
        """White cells, platelets and dirt of one tile. Pixels: x from the slide's left end, y from the field's top."""
        if number not in self._truths:
            self.tile(number)
        return self._truths[number]

    def _stamp(self, rng: np.random.Generator) -> np.ndarray:
        """The optical density of one red cell, float32 [side, side, 3]."""
        side = 2 * int(0.65 * self._scenario.red_cell) + 5
        density = np.zeros((side, side, 3), np.float32)
        radius = self._scenario.red_cell / 2 * rng.uniform(0.9, 1.08)
        drawing.red_cell(density, side / 2, side / 2, radius, rng)
        return density

    def _seam(self, number: int) -> list[tuple[float, float, int]]:
        """The red cells across the left border of a tile: (x from that border, y, number of the stamp), in pixels."""
        rng = np.random.default_rng([self._scenario.seed, 9, number])
        unit, seam, y = self._scenario.red_cell, [], 0.0
        while (y := y + unit * rng.uniform(1.05, 1.6)) < self._height:
            seam.append((unit * rng.uniform(-0.5, 0.5), y, int(rng.integers(_STAMPS))))
        return seam

    def _draw(self, number: int) -> tuple[np.ndarray, list[Truth]]:
        """Draws a tile: its picture, as `tile` returns it, and what is on it, as `truth` returns it."""
        s, unit = self._scenario, self._scenario.red_cell
        rng = np.random.default_rng([s.seed, 8, number])
        density = np.zeros((self._height, s.width, 3), np.float32)
        plan: list[tuple[str, float, float, float]] = []
        for _ in range(rng.poisson(s.white)):
            kind = str(rng.choice(_KINDS, p=_SHARES))
            radius = unit * drawing.RADII[kind]
            for _ in range(60):
                margin = radius + 1.05 * unit  # room for the red cells across the seam of two tiles
                x = rng.uniform(margin, s.width - margin)
                y = rng.uniform(1.2 * radius, s.height - 1.2 * radius) + MARGIN
                if all(np.hypot(x - a, y - b) > 1.4 * (radius + r) for _, a, b, r in plan):
                    plan.append((kind, x, y, radius))
                    break
        seams = self._seam(number) + [(x + s.width, y, stamp) for x, y, stamp in self._seam(number + 1)]
        occupied = [(x, y, 0.95 * r) for _, x, y, r in plan] + [(x, y, unit / 2) for x, y, _ in seams]
        red_cells = drawing.scatter((self._height, s.width), unit, occupied, rng)
        inside = [(x, y) for x, y, r in red_cells if r <= x <= s.width - r]
        for x, y, stamp in [*seams, *((x, y, int(rng.integers(_STAMPS))) for x, y in inside)]:
            _press(density, self._stamps[stamp], x, y)
        truth: list[Truth] = []
        for _ in range(rng.poisson(self._height * s.width / unit**2 / 40)):
            x, y, radius = rng.uniform(0, s.width), rng.uniform(0, self._height), unit * rng.uniform(0.08, 0.18)
            if all(np.hypot(x - a, y - b) > r + 2 * radius for a, b, r in occupied):
                kind = "platelet" if rng.random() < 0.8 else "dirt"
                colour = drawing.PLATELET if kind == "platelet" else np.full(3, 1.5, np.float32)
                middle = float(x + number * s.width), float(y - MARGIN)
                truth.append(Truth(kind, *middle, radius, (*middle, radius)))
                drawing.add(density, Part(drawing.blob(radius, 0.15, rng), x, y, colour, grain=0.3), rng)
        for kind, x, y, radius in plan:
            cx, cy, r = drawing.white_cell(density, kind, x, y, unit, rng)
            left, top = number * s.width, -MARGIN
            truth.append(Truth(kind, float(x + left), float(y + top), radius, (cx + left, cy + top, r)))
        return drawing.expose(density, Look(red_cell=unit, noise=0.0), rng), truth


def _drop_oldest(kept: dict[int, Any], most: int) -> None:
    """Removes the entries that were added first until at most `most` are left."""
    while len(kept) > most:
        del kept[next(iter(kept))]


def _press(density: np.ndarray, stamp: np.ndarray, x: float, y: float) -> None:
    """Adds a stamp with its middle at (x, y), in pixels, to a slide's optical density. What lies outside is cut off."""
    side = len(stamp)
    left, top = round(x - side / 2), round(y - side / 2)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(density.shape[1], left + side), min(density.shape[0], top + side)
    if x0 < x1 and y0 < y1:
        density[y0:y1, x0:x1] += stamp[y0 - top : y1 - top, x0 - left : x1 - left]
