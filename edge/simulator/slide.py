"""An endless simulated slide: a strip of tiles as large as the camera's field, each drawn when the stage comes near it.

All from one seed: a tile is the same whenever it is drawn.
"""

from dataclasses import dataclass, fields

import numpy as np

from edge.errors import UserError
from edge.simulator import drawing
from edge.simulator.drawing import Look, Truth

_KINDS = ("neutrophil", "lymphocyte", "monocyte")
_SHARES = (0.5, 0.3, 0.2)
_STAMPS = 48  # red cells drawn once and used again
MARGIN = 16  # pixels of slide above and below what the field shows, for the shake


@dataclass(frozen=True)
class Scenario:
    """What the microscope is to show.

    seed; width, height: of the camera in pixels; fps; red_cell: its diameter in pixels; white: white cells a field;
    dwell, move: seconds that the stage rests and moves; step: fields that it moves by; faults: a minute; shading: light
    that the corners lack, 0 to 1; cast: how far red light gains on blue in an hour; noise: levels; defocus: how many of
    a hundred rests are out of focus; end: seconds until the recording is over, 0 for never; every: 1 for a recording,
    of which every frame counts, however long the work takes, and not a camera, which doesn't wait.
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
    """What stands behind `sim:`, such as "7" (a seed) or "seed=7,faults=20,white=5" -> Scenario. Raises UserError."""
    names = {field.name: field.type for field in fields(Scenario)}
    given: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.rpartition("=")
        name = name or "seed"
        try:
            given[name] = int(value) if names[name] is int else float(value)
        except (KeyError, ValueError) as error:
            raise UserError(f"sim:{text}: {part!r} is none of {', '.join(names)}, each with a number.") from error
    if size:
        given |= {"width": size[0], "height": size[1]}
    if fps:
        given["fps"] = fps
    slide = Scenario(**given)  # type: ignore[arg-type]
    small = 4 * slide.red_cell
    if not (slide.red_cell >= 8 and small <= slide.width <= 4096 and small <= slide.height <= 4096):
        raise UserError(f"sim:{text}: a field is 4 red cells to 4096 pixels wide and high, a red cell at least 8.")
    if not (0 < slide.fps <= 1000 and slide.dwell > 0 and slide.move > 0 and 0 < slide.step <= 1):
        raise UserError(f"sim:{text}: fps, dwell and move must be above 0, step above 0 and at most 1.")
    return slide


class Slide:
    """The slide: tiles side by side, the last few kept."""

    def __init__(self, slide: Scenario) -> None:
        self.slide = slide
        self.tall = slide.height + 2 * MARGIN
        rng = np.random.default_rng([slide.seed, 7])
        self._stamps = [self._stamp(rng) for _ in range(_STAMPS)]
        self._drawn: dict[int, np.ndarray] = {}
        self._truth: dict[int, list[Truth]] = {}

    def tile(self, number: int) -> np.ndarray:
        """RGB uint8 [height + margins, width, 3]."""
        if number not in self._drawn:
            self._drawn[number], self._truth[number] = self._draw(number)
            for kept, most in ((self._drawn, 3), (self._truth, 64)):
                while len(kept) > most:
                    del kept[next(iter(kept))]  # type: ignore[attr-defined]
        return self._drawn[number]

    def truth(self, number: int) -> list[Truth]:
        """Its white cells, platelets and dirt, x on the slide, y in the field."""
        if number not in self._truth:
            self.tile(number)
        return self._truth[number]

    def _stamp(self, rng: np.random.Generator) -> np.ndarray:
        """One red cell's density, float32 [side, side, 3]."""
        side = 2 * int(0.65 * self.slide.red_cell) + 5
        density = np.zeros((side, side, 3), np.float32)
        radius = self.slide.red_cell / 2 * rng.uniform(0.9, 1.08)
        drawing.red_cell(density, side / 2, side / 2, radius, rng)
        return density

    def _seam(self, number: int) -> list[tuple[float, float, int]]:
        """The red cells across the left border of a tile: (x from the border, y, stamp)."""
        rng = np.random.default_rng([self.slide.seed, 9, number])
        unit, found, y = self.slide.red_cell, [], 0.0
        while (y := y + unit * rng.uniform(1.05, 1.6)) < self.tall:
            found.append((unit * rng.uniform(-0.5, 0.5), y, int(rng.integers(_STAMPS))))
        return found

    def _draw(self, number: int) -> tuple[np.ndarray, list[Truth]]:
        s, unit = self.slide, self.slide.red_cell
        rng = np.random.default_rng([s.seed, 8, number])
        density = np.zeros((self.tall, s.width, 3), np.float32)
        plan: list[tuple[str, float, float, float]] = []
        for _ in range(rng.poisson(s.white)):
            kind = str(rng.choice(_KINDS, p=_SHARES))
            radius = unit * drawing.RADII[kind]
            for _ in range(60):
                edge = radius + 1.05 * unit  # where red cells lie across the seam of two tiles
                x = rng.uniform(edge, s.width - edge)
                y = rng.uniform(1.2 * radius, s.height - 1.2 * radius) + MARGIN
                if all(np.hypot(x - a, y - b) > 1.4 * (radius + r) for _, a, b, r in plan):
                    plan.append((kind, x, y, radius))
                    break
        seams = self._seam(number) + [(x + s.width, y, stamp) for x, y, stamp in self._seam(number + 1)]
        taken = [(x, y, 0.95 * r) for _, x, y, r in plan] + [(x, y, unit / 2) for x, y, _ in seams]
        own = drawing.scatter((self.tall, s.width), unit, taken, rng)
        inside = [(x, y) for x, y, r in own if r <= x <= s.width - r]
        for x, y, stamp in [*seams, *((x, y, int(rng.integers(_STAMPS))) for x, y in inside)]:
            _press(density, self._stamps[stamp], x, y)
        truth: list[Truth] = []
        for _ in range(rng.poisson(self.tall * s.width / unit**2 / 40)):
            x, y, radius = rng.uniform(0, s.width), rng.uniform(0, self.tall), unit * rng.uniform(0.08, 0.18)
            if all(np.hypot(x - a, y - b) > r + 2 * radius for a, b, r in taken):
                kind = "platelet" if rng.random() < 0.8 else "dirt"
                colour = drawing.PLATELET if kind == "platelet" else np.full(3, 1.5, np.float32)
                middle = float(x + number * s.width), float(y - MARGIN)
                truth.append(Truth(kind, *middle, radius, (*middle, radius)))
                drawing.add(density, drawing.blob(radius, 0.15, rng), 0.0, x, y, colour, rng, grain=0.3)
        for kind, x, y, radius in plan:
            cx, cy, r = drawing.white_cell(density, kind, x, y, unit, rng)
            left, top = number * s.width, -MARGIN
            truth.append(Truth(kind, float(x + left), float(y + top), radius, (cx + left, cy + top, r)))
        return drawing.expose(density, Look(red_cell=unit, noise=0.0), rng), truth


def _press(density: np.ndarray, stamp: np.ndarray, x: float, y: float) -> None:
    """Adds a stamp with its middle at (x, y), as far as it lies within."""
    side = len(stamp)
    left, top = round(x - side / 2), round(y - side / 2)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(density.shape[1], left + side), min(density.shape[0], top + side)
    if x0 < x1 and y0 < y1:
        density[y0:y1, x0:x1] += stamp[y0 - top : y1 - top, x0 - left : x1 - left]
