"""Object tracking: cells followed from frame to frame, so that each is counted once, by the mean of several frames."""

from dataclasses import dataclass, replace

import numpy as np

from edge.cell import Cell
from edge.frames import Frame

ENOUGH = 8  # frames of a cell, at rest and in focus, after which it is counted
_FEWEST = 3  # frames that suffice where the cell leaves the view, or after _SOON
_SOON = 0.8  # seconds
_OFTEN = 0.5  # share of the frames since its first in which a cell must be found; what is found more rarely is no cell
_NEAR = 0.45  # cell diameters; two finds that are nearer to each other are the same cell
_REMEMBERED = 3.0  # widths beyond the view up to which a counted cell is remembered
_FORGOTTEN = 12  # frames at rest without the cell after which an uncounted find is dropped


@dataclass
class Track:
    """One cell of the slide. Places and lengths are in widths of the frame.

    Attributes:
        x: of its nucleus on the slide.
        y: likewise.
        diameter: of the cell.
        since: seconds, when it was first found whole.
        total: sum of its measurements over `frames` frames, float [measurements].
        frames: in how many frames it was found and measured.
        looks: how many frames at rest have shown its place since then.
        latest: the newest frame with the cell; None once it was counted.
        number: in the order in which cells are counted; -1 before.
    """

    x: float
    y: float
    diameter: float
    since: float
    total: np.ndarray
    frames: int = 0
    looks: int = 0
    latest: tuple[Frame, Cell] | None = None
    number: int = -1

    @property
    def counted(self) -> bool:
        return self.number >= 0

    @property
    def real(self) -> bool:
        """Whether it was found often enough to be a cell."""
        return self.frames >= _FEWEST and self.frames >= _OFTEN * self.looks

    def ready(self, now: float) -> bool:
        """Whether it can be counted at this time, in seconds."""
        return self.real and (self.frames >= ENOUGH or now - self.since >= _SOON)


@dataclass(frozen=True)
class Counted:
    """A cell that was just counted.

    Attributes:
        frame: the newest frame with the cell.
        cell: in that frame, with its number for good.
        mean: of its measurements, float [measurements].
        frames: how many were measured.
    """

    frame: Frame
    cell: Cell
    mean: np.ndarray
    frames: int


class Tracker:
    """The cells of a slide, in the view and near it.

    Attributes:
        tracks: one a cell that is remembered.
        count: how many cells were counted so far.
    """

    def __init__(self, measurements: int, unrelated_frames: bool = False) -> None:
        """Begins with no cells.

        Args:
            measurements: how many numbers are measured of a cell in each frame.
            unrelated_frames: whether every frame shows another place, so that one frame decides.
        """
        self.tracks: list[Track] = []
        self.count = 0
        self._measurements, self._unrelated_frames = measurements, unrelated_frames

    def match(self, frame: Frame, cells: list[Cell], place: tuple[float, float]) -> list[tuple[Cell, Track]]:
        """Finds or begins the track of each whole cell. The nearest pairs are matched first.

        Args:
            frame: one that was taken at rest.
            cells: of the frame.
            place: of the frame's upper left corner on the slide, (x, y) in widths.

        Returns:
            The cells that no border cuts, each with its track.
        """
        width = frame.image.shape[1]
        for track in self.tracks:
            track.looks += _inside(track, frame, place)
        whole = [(cell, cell.centre[0] / width + place[0], cell.centre[1] / width + place[1])
                 for cell in cells if not cell.at_border]  # fmt: skip
        pairs = []
        for i, (cell, x, y) in enumerate(whole):
            for j, track in enumerate(self.tracks):
                distance = float(np.hypot(x - track.x, y - track.y))
                if distance <= _NEAR * max(cell.diameter / width, track.diameter):
                    pairs.append((distance, i, j))
        track_of: dict[int, Track] = {}
        matched: set[int] = set()
        for _, i, j in sorted(pairs):
            if i not in track_of and j not in matched:
                track_of[i] = self.tracks[j]
                matched.add(j)
        for i, (cell, x, y) in enumerate(whole):
            if i not in track_of:
                track_of[i] = Track(x, y, cell.diameter / width, frame.taken, np.zeros(self._measurements), looks=1)
                self.tracks.append(track_of[i])
        return [(cell, track_of[i]) for i, (cell, _, _) in enumerate(whole)]

    def add(self, track: Track, frame: Frame, cell: Cell, measured: np.ndarray) -> Counted | None:
        """Adds one frame's measurements of a cell, float [measurements]. Returns the cell where that decides it."""
        track.total = track.total + measured
        track.frames += 1
        track.latest = (frame, cell)
        return self._count(track) if self._unrelated_frames or track.ready(frame.taken) else None

    def prune(self, frame: Frame, place: tuple[float, float]) -> list[Counted]:
        """Counts cells that leave the view, and drops what is far away or was not found again.

        Args:
            frame: the latest one.
            place: of the frame's upper left corner on the slide, (x, y) in widths.
        """
        counted = []
        kept = []
        height = frame.image.shape[0] / frame.image.shape[1]
        for track in self.tracks:
            x, y = track.x - place[0], track.y - place[1]
            beyond = max(-x, x - 1, -y, y - height)
            if beyond > 0:
                counted += self.flush([track])
            lost = not track.counted and track.looks - track.frames > _FORGOTTEN + track.frames
            if beyond <= (_REMEMBERED if track.counted else 0) and not lost:
                kept.append(track)
        self.tracks = kept
        return counted

    def flush(self, tracks: list[Track] | None = None) -> list[Counted]:
        """Counts those of the tracks (None: of all) that were found often enough and were not counted yet."""
        chosen = self.tracks if tracks is None else tracks
        return [self._count(track) for track in chosen if not track.counted and track.real]

    def drift(
        self, pairs: list[tuple[Cell, Track]], width: int, place: tuple[float, float]
    ) -> tuple[float, float] | None:
        """By how much known cells say that a frame's place is wrong: the median, (dx, dy) in widths.

        Args:
            pairs: of `match`.
            width: of the frame, pixels.
            place: of the frame's upper left corner on the slide, (x, y) in widths.

        Returns:
            None where there are no known cells.
        """
        differences = [
            (track.x - cell.centre[0] / width - place[0], track.y - cell.centre[1] / width - place[1])
            for cell, track in pairs
            if track.looks > 1
        ]
        if not differences:
            return None
        dx, dy = np.median(differences, axis=0)
        return float(dx), float(dy)

    def _count(self, track: Track) -> Counted:
        assert track.latest is not None
        frame, cell = track.latest
        track.number, track.latest = self.count, None
        self.count += 1
        return Counted(frame, replace(cell, number=track.number), track.total / track.frames, track.frames)


def _inside(track: Track, frame: Frame, place: tuple[float, float]) -> bool:
    """Whether the frame shows the whole cell."""
    r, height = track.diameter / 2, frame.image.shape[0] / frame.image.shape[1]
    x, y = track.x - place[0], track.y - place[1]
    return r < x < 1 - r and r < y < height - r
