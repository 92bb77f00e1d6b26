"""The outline of a picture's lit part. What lies outside of it, such as the black around an eyepiece, is no picture."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edge.frames import Picture


@dataclass(frozen=True)
class Outline:
    """A convex polygon around the part of a picture that shows the slide.

    Attributes:
        corners: (x, y) of each corner in turn, in pixels of the picture.
    """

    corners: tuple[tuple[float, float], ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The smallest box of pixels around it: (left, top, right, bottom)."""
        xs, ys = zip(*self.corners, strict=True)
        return int(min(xs)), int(min(ys)), int(-(-max(xs) // 1)), int(-(-max(ys) // 1))

    @cached_property
    def _sides(self) -> np.ndarray:
        """For each side (a, b, c), float64 [sides, 3]: a * x + b * y + c is the distance from it, positive inside."""
        start = np.array(self.corners, np.float64)
        middle = start.mean(axis=0)
        along = np.roll(start, -1, axis=0) - start
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.sqrt((along**2).sum(axis=1))[:, None]
        normal *= np.where((normal * (middle - start)).sum(axis=1) < 0, -1, 1)[:, None]
        return np.hstack([normal, -(normal * start).sum(axis=1)[:, None]])

    def resized(self, size: tuple[int, int], to: tuple[int, int]) -> "Outline":
        """The same outline in a picture of another size. size, to: (width, height) before and after, pixels."""
        return Outline(tuple((x * to[0] / size[0], y * to[1] / size[1]) for x, y in self.corners))

    def holds(self, x: float, y: float, radius: float = 0.0) -> bool:
        """Whether a disc lies inside."""
        return bool(((self._sides * (x, y, 1)).sum(axis=1) >= radius).all())

    def covers(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether a box lies inside."""
        return all(self.holds(x, y) for x in (left, right) for y in (top, bottom))

    def outside(self, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        """Which places of a grid lie outside, bool [rows, columns]. xs, ys: of its columns and rows, float."""
        a, b, c = (self._sides[:, i : i + 1] for i in range(3))
        rest = -(b * ys + c)  # [sides, rows]
        slanted = np.where(a == 0, 1, a)
        first = np.where(a > 0, rest / slanted, -np.inf).max(axis=0)
        last = np.where(a < 0, rest / slanted, np.inf).min(axis=0)
        last = np.where(((a == 0) & (rest > 0)).any(axis=0), -np.inf, last)
        return (xs < first[:, None]) | (xs > last[:, None])


def hidden(lit: Outline | None, box: tuple[int, int, int, int], step: int = 1) -> np.ndarray | None:
    """Which pixels of a box (left, top, right, bottom) show no slide, bool [rows, columns]; None if all of them do.

    lit: the picture's lit part; None for all of it. step: only every so many pixels are looked at.
    """
    left, top, right, bottom = box
    if lit is None or lit.covers(left, top, right, bottom):
        return None
    return lit.outside(np.arange(left, right, step) + 0.5, np.arange(top, bottom, step) + 0.5)


def window(picture: Picture, lit: Outline | None, box: tuple[int, int, int, int]) -> np.ndarray:
    """As Picture.window, but pixels outside of the lit part have the median colour of those inside."""
    place = picture.window(*box)
    left, top = max(0, box[0]), max(0, box[1])
    outside = hidden(lit, (left, top, left + place.shape[1], top + place.shape[0]))
    return place if outside is None else painted(place, outside)


def painted(image: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """A copy of an image, RGB uint8 [h, w, 3], in which the pixels outside have the median colour of the others."""
    inside = image[~outside]
    if not len(inside):
        return image
    result = image.copy()
    result[outside] = np.partition(inside, len(inside) // 2, axis=0)[len(inside) // 2]
    return result
