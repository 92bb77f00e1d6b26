"""The simulated microscope as a camera: a moving stage, lamp, focus, camera faults, and where the cells truly are.

One seed decides everything: the same frame number always shows the same picture.
"""

import time
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edge.errors import UserError
from edge.simulator.drawing import WHITE, Truth
from edge.simulator.slide import MARGIN, Scenario, Slide

# How many frames each fault lasts.
_FAULTS = {"black": 5, "frozen": 12, "torn": 1, "saturated": 4, "dropped": 8, "unplug": 30}
# Pixels: all frames get the same picture of sensor noise, each shifted by a random distance below this.
_NOISE_SHIFT = 96
_SHAKE = 1.2  # pixels; standard deviation of the stage's shake
_USUAL = 10_000.0  # microseconds; the exposure at which glass has its usual level
_TORN_BY = 0.4  # widths of the field; how far the lower part of a torn frame is shifted


@dataclass(frozen=True)
class Fault:
    """One fault of the camera.

    Attributes:
        kind: "black", "frozen", "torn", "saturated", "dropped" or "unplug".
        first: number of the first frame with the fault.
        count: how many frames it lasts.
    """

    kind: str
    first: int
    count: int


class SimulatedCamera:
    """A Device that shows a drawn slide.

    Attributes:
        scenario: what it shows.
        number: number of the latest frame; -1 before the first.
        live, comes_back, unrelated_frames, fps, facts, missing_frames: as in Device.
        exposure: as in Adjustable, microseconds.
    """

    unrelated_frames, comes_back, missing_frames = False, True, 0

    exposure: float | None = _USUAL

    def __init__(self, scenario: Scenario, paced: bool = True) -> None:
        """paced: whether frames come at the scenario's rate, as from a camera; else grab() gives them at once."""
        self.scenario, self.live = scenario, paced
        self.fps = scenario.fps
        self.facts = (
            f"sim: {scenario.width}x{scenario.height}, {scenario.fps:g} frames a second, seed {scenario.seed}; "
            "drawings, not blood"
        )
        self.number = -1
        self._began = 0.0  # seconds, when the first frame of a paced camera was due
        self._slide = Slide(scenario)
        shape = (scenario.height + _NOISE_SHIFT, scenario.width + _NOISE_SHIFT, 3)
        rng = np.random.default_rng([scenario.seed, 1])
        noise = np.round(rng.standard_normal(shape, np.float32) * np.float32(scenario.noise))
        self._noise = noise.clip(0, 255).astype(np.uint8), (-noise).clip(0, 255).astype(np.uint8)  # to add, to subtract
        ys, xs = (np.linspace(-1, 1, n, dtype=np.float32) for n in (scenario.height, scenario.width))
        self._shade = 1 - scenario.shading * (ys[:, None] ** 2 + xs**2) / 2
        self._light: tuple[int, np.ndarray] | None = None  # number of the two-second step, and its light

    def open(self) -> "SimulatedCamera":
        """Plugs the camera in. Raises UserError while it is unplugged; an unpaced camera skips that time."""
        self._keep_time()
        fault = self.fault(self.number + 1)
        if fault and fault.kind == "unplug":
            if not self.live:
                self.number = fault.first + fault.count - 1
                return self
            raise UserError("The simulated camera is unplugged.")
        return self

    def grab(self) -> bool:
        before = self.number
        if self.live:
            while self.number == before:
                time.sleep(max(0.001, self._began + (before + 1) / self.fps - time.monotonic()) if before >= 0 else 0)
                self._keep_time()
        else:
            self.number += 1
            while (fault := self.fault(self.number)) and fault.kind == "dropped":
                self.number += 1
        if self.scenario.end and self.number >= self.scenario.end * self.fps:
            self.comes_back = False
            return False
        fault = self.fault(self.number)
        if fault and fault.kind == "dropped":
            return self.grab()
        return not (fault and fault.kind == "unplug")

    def _keep_time(self) -> None:
        """Moves a paced camera on to the frame that is due now."""
        if self.live:
            now = time.monotonic()
            self._began = self._began or now
            self.number = int((now - self._began) * self.fps)

    def retrieve(self) -> np.ndarray:
        return self.frame(self.number)

    def close(self) -> None:
        pass

    def expose(self, exposure: float) -> None:
        self.exposure = exposure

    def fault(self, number: int) -> Fault | None:
        """What is wrong with a frame; None for a good one."""
        minute = max(0, number) // round(60 * self.fps)
        faults = _faults(self.scenario, minute)
        return next((fault for fault in faults if fault.first <= number < fault.first + fault.count), None)

    def stage(self, number: int) -> tuple[float, float]:
        """Where the frame's upper left corner lies on the slide, (x, y) in pixels."""
        s = self.scenario
        rests, since = divmod(number / s.fps, s.dwell + s.move)
        share = max(0.0, since - s.dwell) / s.move
        # A minimum-jerk movement, like that of a hand: 10 t^3 - 15 t^4 + 6 t^5 (Flash and Hogan, J. Neurosci. 1985).
        smooth = share**3 * (10 - 15 * share + 6 * share**2)
        dx, dy = np.random.default_rng([s.seed, 2, number]).normal(0, _SHAKE, 2).clip(-MARGIN, MARGIN)
        return max(0.0, (rests + smooth) * s.step * s.width + dx), float(dy)

    def rest(self, number: int) -> tuple[int, bool]:
        """At a frame: the number of the place where the stage rests or that it has just left, and whether it rests."""
        rests, since = divmod(number / self.scenario.fps, self.scenario.dwell + self.scenario.move)
        return int(rests), since < self.scenario.dwell

    def sharp(self, number: int) -> bool:
        """Whether the place that a frame belongs to is in focus."""
        rest, _ = self.rest(number)
        return rest == 0 or np.random.default_rng([self.scenario.seed, 3, rest]).random() * 100 >= self.scenario.defocus

    def frame(self, number: int) -> np.ndarray:
        """What the camera sends as this frame, faults included, RGB uint8 [height, width, 3]."""
        fault = self.fault(number)
        kind = fault.kind if fault else ""
        if fault and kind == "frozen":
            return self._without_fault(fault.first - 1 if fault.first else 0)
        if kind in ("black", "saturated"):
            return np.full((self.scenario.height, self.scenario.width, 3), 255 if kind == "saturated" else 2, np.uint8)
        image = self._without_fault(number)
        if kind == "torn":
            line = int(np.random.default_rng([self.scenario.seed, 4, number]).uniform(0.2, 0.8) * self.scenario.height)
            if number % 2:  # the lower part never arrived
                image[line:] = image[line - 1]
            else:  # the lower part was taken at another moment
                x, y = self.stage(number)
                image[line:] = self._view(x + _TORN_BY * self.scenario.width, y)[line:]
        return image

    def _without_fault(self, number: int) -> np.ndarray:
        x, y = self.stage(number)
        image = self._view(x, y)
        speed = abs(x - self.stage(number - 1)[0]) if number and not self.rest(number)[1] else 0.0
        if speed > 6:  # pixels a frame; the shutter is open for a third of the time between two frames
            image = cv2.blur(image, (max(1, int(speed / 3)), 1))
        if not self.sharp(number):
            image = cv2.GaussianBlur(image, (0, 0), 0.2 * self.scenario.red_cell)
        cv2.multiply(image, self._lit(number), image, (self.exposure or _USUAL) / _USUAL / 255)
        top, left = np.random.default_rng([self.scenario.seed, 5, number]).integers(_NOISE_SHIFT, size=2)
        window = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
        cv2.add(image, self._noise[0][window], image)
        cv2.subtract(image, self._noise[1][window], image)
        return image

    def _view(self, x: float, y: float) -> np.ndarray:
        """The part of the slide whose upper left corner is (x, y): evenly lit, sharp, without noise."""
        left, top = round(x), round(y) + MARGIN
        tile, within = divmod(left, self.scenario.width)
        height = slice(top, top + self.scenario.height)
        first = self._slide.tile(tile)[height, within:]
        if not within:
            return first.copy()
        return np.hstack([first, self._slide.tile(tile + 1)[height, :within]])

    def _lit(self, number: int) -> np.ndarray:
        """Shading and the lamp's colour, uint8 [height, width, 3], 255 for full light; renewed every two seconds."""
        moment = int(number / self.fps / 2)
        if self._light is None or self._light[0] != moment:
            drift = self.scenario.cast * min(1.0, moment * 2 / 3600)
            colour = np.array([1, 1 - drift / 2, 1 - drift], np.float32)
            self._light = moment, np.round(255 * self._shade[..., None] * colour).astype(np.uint8)
        return self._light[1]

    def truth(self, first: float, last: float) -> list[Truth]:
        """The white cells whose middle lies at `first` <= x < `last`, in pixels of the slide; see Slide.truth."""
        return [t for t in self._all(first, last) if t.kind in WHITE]

    def debris(self, first: float, last: float) -> list[Truth]:
        """Platelets and dirt in the same range."""
        return [t for t in self._all(first, last) if t.kind not in WHITE]

    def _all(self, first: float, last: float) -> list[Truth]:
        tiles = range(max(0, int(first // self.scenario.width)), int(last // self.scenario.width) + 1)
        return [t for i in tiles for t in self._slide.truth(i) if first <= t.x < last]


@lru_cache(maxsize=8)
def _faults(scenario: Scenario, minute: int) -> tuple[Fault, ...]:
    """The faults of one minute, the earliest first. Its first second has none, so that it begins with good frames."""
    rng = np.random.default_rng([scenario.seed, 6, minute])
    whole, share = divmod(scenario.faults, 1)
    count = int(whole) + (rng.random() < share)
    frames = round(60 * scenario.fps)
    room = max(1, (frames - scenario.fps) / max(1, count))
    kinds = list(_FAULTS)
    result = []
    for i in range(count):
        kind = kinds[rng.integers(len(kinds))]
        length = min(_FAULTS[kind], max(1, int(room) - 2))
        start = scenario.fps + i * room + rng.uniform(0, max(0.0, room - length - 1))
        result.append(Fault(kind, minute * frames + int(start), length))
    return tuple(result)
