"""The simulated microscope as a camera: a stage that moves, light, focus, faults as cameras have them, and the truth.

All from one seed: the same frame number shows the same picture, however often it is asked for.
"""

import time
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edge.errors import UserError
from edge.simulator.drawing import WHITE, Truth
from edge.simulator.slide import MARGIN, Scenario, Slide

_FAULTS = {"black": 5, "frozen": 12, "torn": 1, "saturated": 4, "dropped": 8, "unplug": 30}  # and how many frames long
_ASIDE = 96  # pixels by which the one field of sensor noise is moved from frame to frame
_SHAKE = 1.2  # pixels of standard deviation
_TORN_BY = 0.4  # fields that a torn frame's lower part lies farther on


@dataclass(frozen=True)
class Fault:
    """From frame `first` on, `count` frames of one kind of _FAULTS."""

    kind: str
    first: int
    count: int


class SimulatedCamera:
    """A Device. paced: its frames come as time goes by; otherwise each grab() is the next frame."""

    still, returns, left = False, True, 0

    def __init__(self, slide: Scenario, paced: bool = True) -> None:
        self.slide, self.live = slide, paced
        self.fps = slide.fps
        self.facts = (
            f"sim: {slide.width}x{slide.height}, {slide.fps:g} frames a second, seed {slide.seed}; drawings, no blood"
        )
        self.number = -1
        self._paced, self._began = paced, 0.0
        self._strip = Slide(slide)
        shape = (slide.height + _ASIDE, slide.width + _ASIDE, 3)
        noise = np.random.default_rng([slide.seed, 1]).standard_normal(shape, np.float32) * np.float32(slide.noise)
        noise = np.round(noise)
        self._noise = noise.clip(0, 255).astype(np.uint8), (-noise).clip(0, 255).astype(np.uint8)
        ys, xs = (np.linspace(-1, 1, n, dtype=np.float32) for n in (slide.height, slide.width))
        self._shade = 1 - slide.shading * (ys[:, None] ** 2 + xs**2) / 2
        self._light: tuple[int, np.ndarray] | None = None

    def plug(self) -> "SimulatedCamera":
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
        dx, dy = np.random.default_rng([s.seed, 2, number]).normal(0, _SHAKE, 2).clip(-MARGIN, MARGIN)
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
        left, top = round(x), round(y) + MARGIN
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
        return [t for t in self._all(first, last) if t.kind in WHITE]

    def debris(self, first: float, last: float) -> list[Truth]:
        """Platelets and dirt, likewise."""
        return [t for t in self._all(first, last) if t.kind not in WHITE]

    def _all(self, first: float, last: float) -> list[Truth]:
        tiles = range(max(0, int(first // self.slide.width)), int(last // self.slide.width) + 1)
        return [t for i in tiles for t in self._strip.truth(i) if first <= t.x < last]


@lru_cache(maxsize=8)
def _faults(slide: Scenario, minute: int) -> tuple[Fault, ...]:
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


def _fault(slide: Scenario, number: int) -> Fault | None:
    minute = max(0, number) // round(60 * slide.fps)
    return next((f for f in _faults(slide, minute) if f.first <= number < f.first + f.count), None)
