"""The simulated microscope as a camera: an endless slide, a stage that moves, faults as cameras have them, the truth.

All from one seed: the same frame number shows the same picture, however often it is asked for. The slide is a strip of
tiles as large as the camera's field. Each is drawn by edge.simulate when the stage comes near it.
"""

import time
from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np

from edge import simulate
from edge.errors import UserError
from edge.simulate import Look, Truth

_KINDS = ("neutrophil", "lymphocyte", "monocyte")
_SHARES = (0.5, 0.3, 0.2)
_FAULTS = {"black": 5, "frozen": 12, "torn": 1, "saturated": 4, "dropped": 8, "unplug": 30}  # and how many frames long
_STAMPS = 48  # red cells drawn once and used again
_ASIDE = 96  # pixels by which the one field of sensor noise is moved from frame to frame
_SHAKE = 1.2  # pixels of standard deviation
_MARGIN = 16  # pixels of slide above and below what the field shows, for the shake
_TORN_BY = 0.4  # fields that a torn frame's lower part lies farther on


@dataclass(frozen=True)
class Slide:
    """What the microscope is to show.

    seed; width, height: of the camera in pixels; fps; red_cell: its diameter in pixels; white: white cells a field;
    dwell, move: seconds that the stage rests and moves; step: fields that it moves by; faults: a minute; shading: light
    that the corners lack, 0 to 1; cast: how far red light gains on blue in an hour; noise: levels; defocus: how many of
    a hundred rests are out of focus; end: seconds until the recording is over, 0 for never.
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


def parse(text: str, size: tuple[int, int] | None = None, fps: float | None = None) -> Slide:
    """What stands behind `sim:`, such as "7" (a seed) or "seed=7,faults=20,white=5" -> Slide. Raises UserError."""
    names = {field.name: field.type for field in fields(Slide)}
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
    slide = Slide(**given)  # type: ignore[arg-type]
    small = 4 * slide.red_cell
    if not (slide.red_cell >= 8 and small <= slide.width <= 4096 and small <= slide.height <= 4096):
        raise UserError(f"sim:{text}: a field is 4 red cells to 4096 pixels wide and high, a red cell at least 8.")
    if not (0 < slide.fps <= 1000 and slide.dwell > 0 and slide.move > 0 and 0 < slide.step <= 1):
        raise UserError(f"sim:{text}: fps, dwell and move must be above 0, step above 0 and at most 1.")
    return slide


@dataclass(frozen=True)
class Fault:
    """From frame `first` on, `count` frames of one kind of _FAULTS."""

    kind: str
    first: int
    count: int


class Microscope:
    """A Device. paced: its frames come as time goes by; otherwise each grab() is the next frame."""

    still = False
    returns = True

    def __init__(self, slide: Slide, paced: bool = True) -> None:
        self.slide, self.live = slide, paced
        self.fps = slide.fps
        self.facts = (
            f"sim: {slide.width}x{slide.height}, {slide.fps:g} frames a second, seed {slide.seed}; drawings, no blood"
        )
        self.number = -1
        self._paced, self._began = paced, 0.0
        self._strip = Strip(slide)
        shape = (slide.height + _ASIDE, slide.width + _ASIDE, 3)
        noise = np.random.default_rng([slide.seed, 1]).standard_normal(shape, np.float32) * np.float32(slide.noise)
        noise = np.round(noise)
        self._noise = noise.clip(0, 255).astype(np.uint8), (-noise).clip(0, 255).astype(np.uint8)
        ys, xs = (np.linspace(-1, 1, n, dtype=np.float32) for n in (slide.height, slide.width))
        self._shade = 1 - slide.shading * (ys[:, None] ** 2 + xs**2) / 2
        self._light: tuple[int, np.ndarray] | None = None

    def plug(self) -> "Microscope":
        """Opens it; raises UserError while it is unplugged."""
        self._tick()
        fault = self.fault(self.number + 1)
        if fault and fault.kind == "unplug":
            if not self._paced:
                self.number = fault.first + fault.count - 1
                return self
            raise UserError("The simulated camera is unplugged.")
        return self

    def grab(self) -> bool:
        before = self.number
        if self._paced:
            while self.number == before:
                time.sleep(max(0.001, self._began + (before + 1) / self.fps - time.monotonic()) if before >= 0 else 0)
                self._tick()
        else:
            self.number += 1
            while (fault := self.fault(self.number)) and fault.kind == "dropped":
                self.number += 1
        if self.slide.end and self.number >= self.slide.end * self.fps:
            self.returns = False
            return False
        fault = self.fault(self.number)
        if fault and fault.kind == "dropped":
            return self.grab()
        return not (fault and fault.kind == "unplug")

    def _tick(self) -> None:
        if self._paced:
            now = time.monotonic()
            self._began = self._began or now
            self.number = int((now - self._began) * self.fps)

    def retrieve(self) -> np.ndarray:
        return self.frame(self.number)

    def close(self) -> None:
        pass

    def fault(self, number: int) -> Fault | None:
        """What is wrong with a frame."""
        return _fault(self.slide, number)

    def stage(self, number: int) -> tuple[float, float]:
        """Where the field's left upper corner lies on the slide at a frame, in pixels."""
        s = self.slide
        rests, since = divmod(number / s.fps, s.dwell + s.move)
        share = max(0.0, since - s.dwell) / s.move
        # A minimum-jerk movement, as of a hand: 10 t^3 - 15 t^4 + 6 t^5 (Flash and Hogan, J. Neurosci. 1985).
        smooth = share**3 * (10 - 15 * share + 6 * share**2)
        dx, dy = np.random.default_rng([s.seed, 2, number]).normal(0, _SHAKE, 2).clip(-_MARGIN, _MARGIN)
        return max(0.0, (rests + smooth) * s.step * s.width + dx), float(dy)

    def rest(self, number: int) -> tuple[int, bool]:
        """Which rest of the stage a frame belongs to, and whether the stage does rest."""
        rests, since = divmod(number / self.slide.fps, self.slide.dwell + self.slide.move)
        return int(rests), since < self.slide.dwell

    def sharp(self, number: int) -> bool:
        """Whether the rest that a frame belongs to is in focus."""
        rest, _ = self.rest(number)
        return rest == 0 or np.random.default_rng([self.slide.seed, 3, rest]).random() * 100 >= self.slide.defocus

    def frame(self, number: int) -> np.ndarray:
        """What the camera sends as frame so-and-so, RGB uint8 [height, width, 3]."""
        fault = self.fault(number)
        kind = fault.kind if fault else ""
        if fault and kind == "frozen":
            return self._good(fault.first - 1 if fault.first else 0)
        if kind in ("black", "saturated"):
            return np.full((self.slide.height, self.slide.width, 3), 255 if kind == "saturated" else 2, np.uint8)
        image = self._good(number)
        if kind == "torn":
            line = int(np.random.default_rng([self.slide.seed, 4, number]).uniform(0.2, 0.8) * self.slide.height)
            if number % 2:  # the rest never came
                image[line:] = image[line - 1]
            else:  # the rest is of another moment
                x, y = self.stage(number)
                image[line:] = self._view(x + _TORN_BY * self.slide.width, y, number)[line:]
        return image

    def _good(self, number: int) -> np.ndarray:
        x, y = self.stage(number)
        image = self._view(x, y, number)
        speed = abs(x - self.stage(number - 1)[0]) if number and not self.rest(number)[1] else 0.0
        if speed > 6:  # a third of the time between two frames the shutter is open
            image = cv2.blur(image, (max(1, int(speed / 3)), 1))
        if not self.sharp(number):
            image = cv2.GaussianBlur(image, (0, 0), 0.2 * self.slide.red_cell)
        cv2.multiply(image, self._lit(number), image, 1 / 255)
        top, left = np.random.default_rng([self.slide.seed, 5, number]).integers(_ASIDE, size=2)
        place = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
        cv2.add(image, self._noise[0][place], image)
        cv2.subtract(image, self._noise[1][place], image)
        return image

    def _view(self, x: float, y: float, number: int) -> np.ndarray:
        left, top = round(x), round(y) + _MARGIN
        tile, within = divmod(left, self.slide.width)
        height = slice(top, top + self.slide.height)
        first = self._strip.tile(tile)[height, within:]
        if not within:
            return first.copy()
        return np.hstack([first, self._strip.tile(tile + 1)[height, :within]])

    def _lit(self, number: int) -> np.ndarray:
        """Shading and the lamp's colour at a frame, uint8 [height, width, 3] of 255; drawn anew once in two seconds."""
        moment = int(number / self.fps / 2)
        if self._light is None or self._light[0] != moment:
            drift = self.slide.cast * min(1.0, moment * 2 / 3600)
            colour = np.array([1, 1 - drift / 2, 1 - drift], np.float32)
            self._light = moment, np.round(255 * self._shade[..., None] * colour).astype(np.uint8)
        return self._light[1]

    def truth(self, first: float, last: float) -> list[Truth]:
        """The white cells whose middle lies between two places on the slide, in its pixels, y in the field's."""
        tiles = range(max(0, int(first // self.slide.width)), int(last // self.slide.width) + 1)
        return [t for i in tiles for t in self._strip.truth(i) if first <= t.x < last]


@lru_cache(maxsize=8)
def _faults(slide: Slide, minute: int) -> tuple[Fault, ...]:
    """The faults of one minute, in order; never in its first second, so that each begins with a good frame."""
    rng = np.random.default_rng([slide.seed, 6, minute])
    whole, share = divmod(slide.faults, 1)
    count = int(whole) + (rng.random() < share)
    span = round(60 * slide.fps)
    room = max(1, (span - slide.fps) / max(1, count))
    kinds = list(_FAULTS)
    result = []
    for i in range(count):
        kind = kinds[rng.integers(len(kinds))]
        length = min(_FAULTS[kind], max(1, int(room) - 2))
        start = slide.fps + i * room + rng.uniform(0, max(0.0, room - length - 1))
        result.append(Fault(kind, minute * span + int(start), length))
    return tuple(result)


def _fault(slide: Slide, number: int) -> Fault | None:
    minute = max(0, number) // round(60 * slide.fps)
    return next((f for f in _faults(slide, minute) if f.first <= number < f.first + f.count), None)


class Strip:
    """The slide: tiles side by side, the last few kept."""

    def __init__(self, slide: Slide) -> None:
        self.slide = slide
        self.tall = slide.height + 2 * _MARGIN
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
        """Its white cells, x on the slide, y in the field."""
        if number not in self._truth:
            self.tile(number)
        return self._truth[number]

    def _stamp(self, rng: np.random.Generator) -> np.ndarray:
        """One red cell's density, float32 [side, side, 3]."""
        side = 2 * int(0.65 * self.slide.red_cell) + 5
        density = np.zeros((side, side, 3), np.float32)
        radius = self.slide.red_cell / 2 * rng.uniform(0.9, 1.08)
        simulate.red_cell(density, side / 2, side / 2, radius, rng)
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
            radius = unit * simulate.RADII[kind]
            for _ in range(60):
                edge = radius + 1.05 * unit  # where red cells lie across the seam of two tiles
                x = rng.uniform(edge, s.width - edge)
                y = rng.uniform(1.2 * radius, s.height - 1.2 * radius) + _MARGIN
                if all(np.hypot(x - a, y - b) > 1.4 * (radius + r) for _, a, b, r in plan):
                    plan.append((kind, x, y, radius))
                    break
        seams = self._seam(number) + [(x + s.width, y, stamp) for x, y, stamp in self._seam(number + 1)]
        taken = [(x, y, 0.95 * r) for _, x, y, r in plan] + [(x, y, unit / 2) for x, y, _ in seams]
        own = simulate.scatter((self.tall, s.width), unit, taken, rng)
        inside = [(x, y) for x, y, r in own if r <= x <= s.width - r]
        for x, y, stamp in [*seams, *((x, y, int(rng.integers(_STAMPS))) for x, y in inside)]:
            _press(density, self._stamps[stamp], x, y)
        for _ in range(rng.poisson(self.tall * s.width / unit**2 / 40)):  # platelets, and dirt
            x, y, radius = rng.uniform(0, s.width), rng.uniform(0, self.tall), unit * rng.uniform(0.08, 0.18)
            if all(np.hypot(x - a, y - b) > r + 2 * radius for a, b, r in taken):
                colour = simulate.PLATELET if rng.random() < 0.8 else np.full(3, 1.5, np.float32)
                simulate.add(density, simulate.blob(radius, 0.15, rng), 0.0, x, y, colour, rng, grain=0.3)
        truth = []
        for kind, x, y, radius in plan:
            cx, cy, r = simulate.white_cell(density, kind, x, y, unit, rng)
            left, top = number * s.width, -_MARGIN
            truth.append(Truth(kind, float(x + left), float(y + top), radius, (cx + left, cy + top, r)))
        return simulate.expose(density, Look(red_cell=unit, noise=0.0), rng), truth


def _press(density: np.ndarray, stamp: np.ndarray, x: float, y: float) -> None:
    """Adds a stamp with its middle at (x, y), as far as it lies within."""
    side = len(stamp)
    left, top = round(x - side / 2), round(y - side / 2)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(density.shape[1], left + side), min(density.shape[0], top + side)
    if x0 < x1 and y0 < y1:
        density[y0:y1, x0:x1] += stamp[y0 - top : y1 - top, x0 - left : x1 - left]
