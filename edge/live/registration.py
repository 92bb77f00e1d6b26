"""Image registration: finds where each frame lies on the slide, so that a counted cell is recognised when it returns.

Lengths are in widths of the frame, so that they stay the same when the camera changes the size of its frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# The thresholds were chosen on 40 simulated fields and on 100 fields of the data set bccd, from the half that the
# locator was trained on. No field that the benchmarks measure on was used.
WIDTH = 160  # width in pixels of the thumbnails that are compared; a red cell is then 6 pixels wide or more
_FINE, _COARSE = 1.2, 8.0  # thumbnail pixels; finer detail (noise) and coarser detail (uneven light) is filtered out
# Correlation above which two frames show the same place. Two frames of one place have 0.95 and more, even if one is
# blurred, noisy or shifted by a third of the field; frames of different places have 0.31 at most.
_MATCH = 0.5
_CERTAIN = 0.8  # correlation from which on no better match is looked for
_OVERLAP = 0.12  # share of the field that two frames must both show; less can't be compared reliably
_PEAKS = 4  # peaks of the phase correlation that are tried; noise and repeated patterns make false ones
_KEYFRAME = 0.2  # widths; a key frame farther away is replaced, while most of it still overlaps with the new one
_STEP = 0.02  # widths from one frame to the next: more means that the stage moves; a shaking table causes less
_DRIFT = 0.03  # widths within _WHILE: more means that the stage moves slowly
_WHILE = 0.25  # seconds, the period for _DRIFT
_REST = 0.15  # seconds of rest before cells are judged: 4 frames at 30 a second
_RESHAPED = 2.0  # seconds of rest in frames of another shape: cameras send a few by fault, and cells in them look wrong
_MEMORY = 16  # key frames kept, to recognise a place after a fast move; comparing a frame with one takes 0.1 ms
_FAR = 1000.0  # widths that are assumed between two places whose true distance is unknown
_AROUND = 0.04  # share of the field that two frames must both show around a cell, to compare what surrounds it
# A candidate for the place of a frame is rejected if the correlation is below this. It may be wrong by _LOOSE thumbnail
# pixels, because cells are located less precisely than frames are registered.
_UNLIKELY, _LOOSE = 0.25, 2


@dataclass(frozen=True)
class Thumbnail:
    """A frame shrunk for comparison.

    Attributes:
        image: float32 [h, 160], with mean 0 and without noise and uneven light.
        spectrum: its Fourier transform, complex [h, 81].
    """

    image: np.ndarray
    spectrum: np.ndarray


def thumbnail(image: np.ndarray) -> Thumbnail:
    """Shrinks a frame, RGB uint8 [height, width, 3]. Only green is used, the colour in which red cells are dark."""
    step = max(1, image.shape[1] // (2 * WIDTH))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    height = max(8, round(WIDTH * image.shape[0] / image.shape[1]))
    shrunk = cv2.resize(green, (WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    filtered = cv2.GaussianBlur(shrunk, (0, 0), _FINE) - cv2.GaussianBlur(shrunk, (0, 0), _COARSE)
    return Thumbnail(filtered, np.fft.rfft2(filtered))


@dataclass(frozen=True)
class Shift:
    """How far the slide moved between two frames.

    Attributes:
        dx: distance to the right in the picture, widths.
        dy: distance down, widths.
        correlation: correlation of the part that both frames show, -1 to 1.
    """

    dx: float
    dy: float
    correlation: float


def register(before: Thumbnail, now: Thumbnail) -> Shift:
    """How far the slide moved between two frames. Frames of different shape have a correlation of -1.

    Phase correlation proposes shifts. The one with the highest correlation of the overlapping parts is taken.

    Source: Kuglin and Hines, Proc. IEEE Conf. Cybernetics and Society (1975).
    """
    if before.image.shape != now.image.shape:
        return Shift(0.0, 0.0, -1.0)
    cross = now.spectrum * before.spectrum.conj()
    cross /= np.abs(cross) + 1e-6 * float(np.abs(cross).max()) + 1e-12
    surface = np.fft.irfft2(cross, before.image.shape)
    h, w = surface.shape
    best = Shift(0.0, 0.0, _correlation(before.image, now.image, 0, 0))
    for _ in range(_PEAKS):
        if best.correlation >= _CERTAIN:
            break
        y, x = np.unravel_index(int(np.argmax(surface)), surface.shape)
        for dx in {int(x), int(x) - w}:  # the Fourier transform wraps around: each peak stands for four shifts
            for dy in {int(y), int(y) - h}:
                correlation = _correlation(before.image, now.image, dx, dy)
                if correlation > best.correlation:
                    best = Shift(dx / w, dy / w, correlation)
        ys, xs = np.arange(y - 1, y + 2) % h, np.arange(x - 1, x + 2) % w
        surface[np.ix_(ys, xs)] = -1
    return best


def _correlation(before: np.ndarray, now: np.ndarray, dx: int, dy: int, least: float = _OVERLAP) -> float:
    """The correlation of what both images show, if the slide moved by (dx, dy) pixels; -1 where too little overlaps.

    least: share of the field that must overlap.
    """
    h, w = before.shape
    if (h - abs(dy)) * (w - abs(dx)) < least * h * w or abs(dy) >= h or abs(dx) >= w:
        return -1.0
    a = before[max(0, -dy) : h - max(0, dy), max(0, -dx) : w - max(0, dx)]
    b = now[max(0, dy) : h - max(0, -dy), max(0, dx) : w - max(0, -dx)]
    product = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    return float((a * b).sum()) / product if product > 0 else 0.0


def _painted(image: np.ndarray, x: float, y: float, radius: float) -> np.ndarray:
    """A thumbnail's image without a cell, pixels: its disc gets the mean, 0."""
    ys, xs = np.ogrid[: image.shape[0], : image.shape[1]]
    return np.where((xs - x) ** 2 + (ys - y) ** 2 <= radius**2, np.float32(0), image)


def apart(x: float, other: float) -> bool:
    """Whether the distance between two places is unknown, because the movement between them wasn't seen.

    x, other: of both places, widths.
    """
    return abs(x - other) > _FAR / 2


@dataclass
class PlacedThumbnail:
    """A frame's thumbnail, and where the frame's upper left corner lies on the slide: x and y in widths."""

    thumbnail: Thumbnail
    x: float
    y: float


class StageTracker:
    """Follows the stage from frame to frame.

    Attributes:
        place: where the frame's upper left corner lies on the slide, (x, y) in widths.
        known: whether the latest frame could be registered with an earlier one.
        resting: whether the stage has stood still for a while.
        jumps: how often the stage moved too fast to be followed, and then came to rest at a new or known place.
    """

    def __init__(self) -> None:
        self.place = (0.0, 0.0)
        self.known, self.resting, self.jumps = False, False, 0
        self._latest: PlacedThumbnail | None = None
        # A frame taken at rest. The next frames are registered with it, so that small errors don't add up.
        self._keyframe: PlacedThumbnail | None = None
        self._keyframes: list[PlacedThumbnail] = []  # that key frame and earlier ones
        self._unregistered: Thumbnail | None = None  # the latest frame, where it could not be registered
        self._path: list[tuple[float, float, float]] = []  # (time, x, y) of the last moments
        self._still_since = -1e9  # time when the stage last came to rest, seconds
        self._farthest = 0.0  # the largest x of any place before a jump, widths

    def update(self, image: np.ndarray, time: float) -> None:
        """Registers the next good frame, RGB uint8 [height, width, 3], taken at `time` seconds."""
        now = thumbnail(image)
        if self._latest is None:
            self._arrive(now, (0.0, 0.0), time, jumped=False)
            self._still_since = time - _REST  # at the first place there is no wait for rest
            return
        place = self._locate(now, (self._keyframe, self._latest))
        if place is not None:
            self._arrive(now, place, time, jumped=False)
            return
        self.known = self.resting = False
        still = False
        if self._unregistered is not None:
            shift = register(self._unregistered, now)
            still = shift.correlation >= _MATCH and max(abs(shift.dx), abs(shift.dy)) <= _STEP
        self._unregistered = now
        if not still:
            self._still_since = time
        elif time - self._still_since >= (
            _REST if now.image.shape == self._latest.thumbnail.image.shape else _RESHAPED
        ):
            # The stage rests after a move that couldn't be followed: at a place that was seen earlier, or at a new one.
            self.jumps += 1
            self._farthest = max(self._farthest, self.place[0]) + _FAR
            self._arrive(now, self._locate(now, self._keyframes) or (self._farthest, 0.0), time, jumped=True)
            self._still_since = time - _REST
            self.resting = True

    @property
    def places(self) -> list[tuple[float, float]]:
        """The places that are remembered, as `place`."""
        return [(key.x, key.y) for key in self._keyframes]

    def likeness(self, place: tuple[float, float], spot: tuple[float, float], diameter: float) -> float:
        """How much what surrounds a cell in the latest frame is like what surrounded one in an earlier frame.

        The cell itself is left out, because two cells of one kind look alike.

        Args:
            place: where the latest frame would lie, if both cells were the same.
            spot: the cell in the latest frame, (x, y) in widths.
            diameter: of the cell, widths.

        Returns:
            The highest correlation with a remembered key frame, -1 to 1.
        """
        best = -1.0
        if self._latest is None:
            return best
        now, (x, y), radius = self._latest.thumbnail.image, (WIDTH * spot[0], WIDTH * spot[1]), WIDTH * diameter / 2
        least = _AROUND + np.pi * radius**2 / now.size
        for key in self._keyframes:
            dx, dy = round(WIDTH * (key.x - place[0])), round(WIDTH * (key.y - place[1]))
            before = key.thumbnail.image
            if before.shape != now.shape or _correlation(before, now, dx, dy, least) < _UNLIKELY:
                continue
            before, around = _painted(before, x - dx, y - dy, radius), _painted(now, x, y, radius)
            near = range(-_LOOSE, _LOOSE + 1)
            best = max(best, *(_correlation(before, around, dx + i, dy + j, least) for i in near for j in near))
        return best

    def move(self, dx: float, dy: float) -> None:
        """Moves the latest place and all that could be registered with it by (dx, dy) widths."""
        here = self.place[0]
        self.correct(dx, dy)
        for key in {id(each): each for each in (*self._keyframes, self._keyframe) if each}.values():
            if key is not self._latest and not apart(key.x, here):
                key.x, key.y = key.x + dx, key.y + dy

    def correct(self, dx: float, dy: float) -> None:
        """Moves the latest place by (dx, dy) widths, so that known cells lie where they are remembered."""
        self.place = self.place[0] + dx, self.place[1] + dy
        self._path = [(t, x + dx, y + dy) for t, x, y in self._path]
        if self._latest is not None:
            self._latest.x, self._latest.y = self.place

    def _locate(self, now: Thumbnail, earlier: Sequence[PlacedThumbnail | None]) -> tuple[float, float] | None:
        """The place of a frame, from the earlier frame that matches it best; None where none matches."""
        best = -1.0
        result = None
        for placed in earlier:
            if placed is None or best >= _CERTAIN:
                continue
            shift = register(placed.thumbnail, now)
            if shift.correlation > max(best, _MATCH):
                best, result = shift.correlation, (placed.x - shift.dx, placed.y - shift.dy)
        return result

    def _arrive(self, now: Thumbnail, place: tuple[float, float], time: float, jumped: bool) -> None:
        """Sets the frame's place, and notes whether the stage rests there."""
        x, y = place
        step = max(abs(x - self.place[0]), abs(y - self.place[1]))
        was_known, self.known = self.known, True
        self.place, self._unregistered = place, None
        if jumped:
            self._path, self._keyframe = [], None
        self._path = [p for p in self._path if time - p[0] <= _WHILE] + [(time, x, y)]
        drift = max(max(abs(x - p[1]), abs(y - p[2])) for p in self._path)
        if not was_known or step > _STEP or drift > _DRIFT:
            self._still_since = time
        self.resting = time - self._still_since >= _REST
        self._latest = PlacedThumbnail(now, x, y)
        key = self._keyframe
        if key is None or (self.resting and max(abs(x - key.x), abs(y - key.y)) > _KEYFRAME):
            self._keyframe = self._latest
            self._keyframes = [*self._keyframes, self._latest][-_MEMORY:]
