"""Cells followed from frame to frame, so that one cell stays one cell, and is decided once, from several frames."""

from dataclasses import dataclass, replace

import numpy as np

from edge.cell import Cell
from edge.frames import Frame

ENOUGH = 8  # frames of a cell, at rest and in focus, that decide it
_FEWEST = 3  # frames that decide it where it leaves, or after _SOON
_SOON = 0.8  # seconds
_OFTEN = 0.5  # of the frames since it was first seen: what shows up less often is no cell
_NEAR = 0.45  # of a cell's diameter: so near, it is the same
_KEPT = 3.0  # widths beyond the view in which a cell is remembered
_FORGOTTEN = 12  # frames at rest without it: a find that was never decided is dropped


@dataclass
class Track:
    """One cell. x, y, diameter: on the slide, in the frame's widths; total: of what was seen of it in `frames` frames;
    since: when it was first seen whole; looks: frames at rest since then; last: the newest frame with it,
    until decided.
    """

    x: float
    y: float
    diameter: float
    since: float
    total: np.ndarray
    frames: int = 0
    looks: int = 0
    last: tuple[Frame, Cell] | None = None
    number: int = -1

    @property
    def decided(self) -> bool:
        return self.number >= 0

    def ready(self, now: float) -> bool:
        return self._real() and (self.frames >= ENOUGH or now - self.since >= _SOON)

    def _real(self) -> bool:
        return self.frames >= _FEWEST and self.frames >= _OFTEN * self.looks


@dataclass(frozen=True)
class Counted:
    """A cell that was decided: its stable number is in `cell`; mean: of what was seen of it in so many frames."""

    frame: Frame
    cell: Cell
    mean: np.ndarray
    frames: int


class Tracker:
    """The cells of a slide near the view. numbers: in which what is seen of a cell is told; still: every picture is a
    place of its own, and one look decides.
    """

    def __init__(self, numbers: int, still: bool = False) -> None:
        self.tracks: list[Track] = []
        self.count = 0
        self._numbers, self._still = numbers, still

    def match(self, frame: Frame, cells: list[Cell], place: tuple[float, float]) -> list[tuple[Cell, Track]]:
        """The whole cells of a frame at rest, each with its track, an old or a new one; the nearest pairs first."""
        width = frame.image.shape[1]
        for track in self.tracks:
            track.looks += self._inside(track, frame, place)
        whole = [(cell, cell.centre[0] / width + place[0], cell.centre[1] / width + place[1])
                 for cell in cells if not cell.at_border]  # fmt: skip
        pairs = []
        for i, (cell, x, y) in enumerate(whole):
            for j, track in enumerate(self.tracks):
                apart = float(np.hypot(x - track.x, y - track.y))
                if apart <= _NEAR * max(cell.diameter / width, track.diameter):
                    pairs.append((apart, i, j))
        mine: dict[int, Track] = {}
        taken: set[int] = set()
        for _, i, j in sorted(pairs):
            if i not in mine and j not in taken:
                mine[i] = self.tracks[j]
                taken.add(j)
        for i, (cell, x, y) in enumerate(whole):
            if i not in mine:
                mine[i] = Track(x, y, cell.diameter / width, frame.taken, np.zeros(self._numbers), looks=1)
                self.tracks.append(mine[i])
        return [(cell, mine[i]) for i, (cell, _, _) in enumerate(whole)]

    def add(self, track: Track, frame: Frame, cell: Cell, seen: np.ndarray) -> Counted | None:
        """What is seen of a cell in one more frame, float [numbers]; the cell, where that decides it."""
        track.total = track.total + seen
        track.frames += 1
        track.last = (frame, cell)
        return self._count(track) if self._still or track.ready(frame.taken) else None

    def prune(self, frame: Frame, place: tuple[float, float]) -> list[Counted]:
        """Drops what is far from the view or was seen and never again; decides cells that leave undecided."""
        found = []
        kept = []
        height = frame.image.shape[0] / frame.image.shape[1]
        for track in self.tracks:
            x, y = track.x - place[0], track.y - place[1]
            beyond = max(-x, x - 1, -y, y - height)
            if not track.decided and beyond > 0 and track.frames >= _FEWEST:
                found += self.flush([track])
            lost = not track.decided and track.looks - track.frames > _FORGOTTEN + track.frames
            if beyond <= (_KEPT if track.decided else 0) and not lost:
                kept.append(track)
        self.tracks = kept
        return found

    def flush(self, tracks: list[Track] | None = None) -> list[Counted]:
        """At the end: the cells that were seen often enough to be decided."""
        return [self._count(t) for t in (self.tracks if tracks is None else tracks) if not t.decided and t._real()]

    def drift(
        self, pairs: list[tuple[Cell, Track]], width: int, place: tuple[float, float]
    ) -> tuple[float, float] | None:
        """By how much known cells say that the place is wrong, in widths: the median; None where there are none."""
        known = [
            (t.x - c.centre[0] / width - place[0], t.y - c.centre[1] / width - place[1])
            for c, t in pairs
            if t.looks > 1
        ]
        if not known:
            return None
        dx, dy = np.median(known, axis=0)
        return float(dx), float(dy)

    def _inside(self, track: Track, frame: Frame, place: tuple[float, float]) -> bool:
        """Whether all of it lies in the view."""
        r, height = track.diameter / 2, frame.image.shape[0] / frame.image.shape[1]
        x, y = track.x - place[0], track.y - place[1]
        return r < x < 1 - r and r < y < height - r

    def _count(self, track: Track) -> Counted:
        assert track.last is not None
        frame, cell = track.last
        track.number, track.last = self.count, None
        self.count += 1
        return Counted(frame, replace(cell, number=track.number), track.total / track.frames, track.frames)
