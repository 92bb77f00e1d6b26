"""Where the stage stands: how far each frame lies from those before it, so that a cell can be known again.

Lengths are in shares of the frame's width, which a camera that changes its size leaves as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# Chosen on 100 fields of bccd's learned half and 40 simulated ones; the fields that benchmarks measure on had no say.
WIDTH = 160  # pixels of the small picture that is compared: a red cell is 6 of them and more
_FINE, _COARSE = 1.2, 8.0  # its pixels: noise is finer, uneven light coarser than what is compared
_ALIKE = 0.5  # correlation: of one place 0.95 and more, blurred, noisy or moved by a third; of two places 0.31 at most
_SURE = 0.8  # one place beyond doubt: nothing better needs to be looked for
_OVERLAP = 0.12  # of the field: less doesn't tell
_PEAKS = 4  # of the phase correlation, looked at in turn: noise and repeated patterns make false ones
_KEY = 0.2  # widths from the key picture at which another one takes its place, while most of both still overlaps
_STEP = 0.02  # widths from one frame to the next: the stage moves; a table that shakes makes less
_DRIFT = 0.03  # widths within _WHILE seconds: it moves slowly
_WHILE = 0.25
_REST = 0.15  # seconds of rest before anything is decided: 4 frames at 30 a second
_MEMORY = 16  # key pictures that are kept, to know a place again where the way to it wasn't seen: 0.1 ms each
_FAR = 10.0  # widths: another place, nobody knows how far from the last


@dataclass(frozen=True)
class Small:
    """A frame for comparing: float32 [h, 160], no mean and no coarse light, with its Fourier transform."""

    image: np.ndarray
    spectrum: np.ndarray


def small(image: np.ndarray) -> Small:
    """RGB uint8 [height, width, 3] -> Small; green, the colour in which red cells are dark."""
    step = max(1, image.shape[1] // (2 * WIDTH))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    height = max(8, round(WIDTH * image.shape[0] / image.shape[1]))
    shrunk = cv2.resize(green, (WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = cv2.GaussianBlur(shrunk, (0, 0), _FINE) - cv2.GaussianBlur(shrunk, (0, 0), _COARSE)
    return Small(fine, np.fft.rfft2(fine))


def register(before: Small, now: Small) -> tuple[float, float, float]:
    """How far the slide's parts moved in the picture, (dx, dy) in widths, and how alike the two are there, -1 to 1.

    Phase correlation (Kuglin and Hines, 1975) proposes, and the plain correlation of what overlaps decides.
    """
    if before.image.shape != now.image.shape:
        return 0.0, 0.0, -1.0
    cross = now.spectrum * before.spectrum.conj()
    cross /= np.abs(cross) + 1e-6 * float(np.abs(cross).max()) + 1e-12
    surface = np.fft.irfft2(cross, before.image.shape)
    h, w = surface.shape
    best = (0.0, 0.0, _alike(before.image, now.image, 0, 0))
    for _ in range(_PEAKS):
        if best[2] >= _SURE:
            break
        y, x = np.unravel_index(int(np.argmax(surface)), surface.shape)
        for dx in {int(x), int(x) - w}:
            for dy in {int(y), int(y) - h}:
                alike = _alike(before.image, now.image, dx, dy)
                if alike > best[2]:
                    best = dx / w, dy / w, alike
        ys, xs = np.arange(y - 1, y + 2) % h, np.arange(x - 1, x + 2) % w
        surface[np.ix_(ys, xs)] = -1
    return best


def _alike(before: np.ndarray, now: np.ndarray, dx: int, dy: int) -> float:
    """The correlation of what both show, where `now` shows everything (dx, dy) pixels farther on."""
    h, w = before.shape
    if (h - abs(dy)) * (w - abs(dx)) < _OVERLAP * h * w or abs(dy) >= h or abs(dx) >= w:
        return -1.0
    a = before[max(0, -dy) : h - max(0, dy), max(0, -dx) : w - max(0, dx)]
    b = now[max(0, dy) : h - max(0, -dy), max(0, dx) : w - max(0, -dx)]
    product = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    return float((a * b).sum()) / product if product > 0 else 0.0


@dataclass
class Held:
    """A picture and its place, (x, y) in widths."""

    picture: Small
    x: float
    y: float


class StageTracker:
    """Follows the stage from frame to frame.

    place: of the frame's left upper corner on the slide, (x, y) in widths; known: whether the last frame could be laid
    beside earlier ones; resting: whether it has stood still for a while; jumps: how often it went unseen, to a place
    known or new.
    """

    def __init__(self) -> None:
        self.place = (0.0, 0.0)
        self.known, self.resting, self.jumps = False, False, 0
        self._last: Held | None = None
        self._key: Held | None = None  # one at rest that the next ones are laid beside, so that errors don't add up
        self._keys: list[Held] = []  # it and earlier ones
        self._lost: Small | None = None  # the last frame that could not be laid beside an earlier one
        self._path: list[tuple[float, float, float]] = []  # (time, x, y) of the last moments
        self._still_since, self._farthest = -1e9, 0.0

    def see(self, image: np.ndarray, time: float) -> None:
        """The next good frame, taken at so many seconds."""
        now = small(image)
        if self._last is None:
            self._found(now, 0.0, 0.0, time, moved=False)
            self._still_since = -1e9 if self.jumps else time - _REST  # the first frame needn't wait
            return
        found = self._beside(now, (self._key, self._last))
        if found is not None:
            self._found(now, *found, time, moved=False)
            return
        self.known = self.resting = False
        still = False
        if self._lost is not None:
            dx, dy, alike = register(self._lost, now)
            still = alike >= _ALIKE and max(abs(dx), abs(dy)) <= _STEP
        self._lost = now
        if not still:
            self._still_since = time
        elif time - self._still_since >= _REST:
            # At rest, where nobody saw it go: a place that was seen earlier, or a new one.
            self.jumps += 1
            self._farthest = max(self._farthest, self.place[0]) + _FAR
            known = self._beside(now, self._keys)
            self._found(now, *(known or (self._farthest, 0.0)), time, moved=True)
            self._still_since = time - _REST
            self.resting = True

    def anchor(self, dx: float, dy: float) -> None:
        """Corrects the place by what known cells show, in widths."""
        self.place = self.place[0] + dx, self.place[1] + dy
        self._path = [(t, x + dx, y + dy) for t, x, y in self._path]
        if self._last is not None:
            self._last.x, self._last.y = self.place

    def _beside(self, now: Small, pictures: Sequence[Held | None]) -> tuple[float, float] | None:
        """The place of a picture that overlaps one of these, as they tell; None where it overlaps none."""
        best = -1.0
        result = None
        for held in pictures:
            if held is None or best >= _SURE:
                continue
            dx, dy, alike = register(held.picture, now)
            if alike > max(best, _ALIKE):
                best, result = alike, (held.x - dx, held.y - dy)
        return result

    def _found(self, now: Small, x: float, y: float, time: float, moved: bool) -> None:
        step = max(abs(x - self.place[0]), abs(y - self.place[1]))
        was_known, self.known = self.known, True
        self.place, self._lost = (x, y), None
        if moved:
            self._path, self._key = [], None
        self._path = [p for p in self._path if time - p[0] <= _WHILE] + [(time, x, y)]
        drift = max(max(abs(x - p[1]), abs(y - p[2])) for p in self._path)
        if not was_known or step > _STEP or drift > _DRIFT:
            self._still_since = time
        self.resting = time - self._still_since >= _REST
        self._last = Held(now, x, y)
        far = self._key is None or max(abs(x - self._key.x), abs(y - self._key.y)) > _KEY
        if far and (self.resting or self._key is None):
            self._key = self._last
            self._keys = [*self._keys, self._key][-_MEMORY:]
