"""Object tracking: follows cells from frame to frame, to count each once, from the mean of several frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.cell import Cell
from edge.frames import Frame
from edge.live.registration import apart

ENOUGH = 8  # a cell is counted once it was measured in so many frames, at rest and in focus
_FEWEST = 3  # so many frames are enough if the cell leaves the view, or once _SOON has passed
_SOON = 0.8  # seconds since the cell was first found
_OFTEN = 0.5  # share of the frames since its first in which a cell must be found; anything found less often is no cell
_NEAR = 0.45  # cell diameters; two detections that are nearer to each other are the same cell
_REMEMBERED = 3.0  # widths; a counted cell is remembered up to this distance outside the view
_ASTRAY = 0.3  # widths by which a place may be wrong if faults hid a part of the movement to it; 0.07 was measured
_ALIKE = 0.25  # share by which the diameters of one cell may differ in two frames
_FORGOTTEN = 12  # an uncounted cell is dropped if the frames without it exceed those with it by more than this


@dataclass
class Track:
    """One cell of the slide. Places and lengths are in widths of the frame.

    Attributes:
        x: position of its nucleus on the slide, from the first frame's left.
        y: position of its nucleus on the slide, from the first frame's top.
        diameter: diameter of the whole cell.
        since: time when it was first found whole, seconds.
        total: sum of its measurements in `frames` frames, float [measurements].
        frames: in how many frames it was found and measured.
        looks: how many frames at rest have shown its place since then.
        latest: the newest frame with the cell, and the cell in it; None once it is counted.
        seen_before: whether it is perhaps a cell that was counted before a movement which wasn't seen.
        number: its number in the order of counting, from 0; -1 before it is counted.
    """

    x: float
    y: float
    diameter: float
    since: float
    total: np.ndarray
    frames: int = 0
    looks: int = 0
    latest: tuple[Frame, Cell] | None = None
    seen_before: bool = False
    number: int = -1

    @property
    def counted(self) -> bool:
        return self.number >= 0

    @property
    def real(self) -> bool:
        """Whether it was found often enough to be a cell."""
        return self.frames >= _FEWEST and self.frames >= _OFTEN * self.looks

    def ready(self, now: float) -> bool:
        """Whether it can be counted at the time `now`, in seconds."""
        return self.real and (self.frames >= ENOUGH or now - self.since >= _SOON)


@dataclass(frozen=True)
class Counted:
    """A cell that was just counted.

    Attributes:
        frame: the newest frame with the cell.
        cell: the cell in that frame, with its final number.
        mean: mean of its measurements, float [measurements].
        frames: in how many frames it was measured.
        seen_before: whether it was perhaps counted before; see Track.
    """

    frame: Frame
    cell: Cell
    mean: np.ndarray
    frames: int
    seen_before: bool = False


class Tracker:
    """The cells of a slide, in the view and near it.

    Attributes:
        tracks: one for each remembered cell.
        count: how many cells were counted so far.
    """

    def __init__(self, measurements: int, unrelated_frames: bool = False) -> None:
        """Begins with no cells.

        Args:
            measurements: how many numbers are measured of a cell in each frame.
            unrelated_frames: whether every frame shows another place, so that a cell is counted from one frame.
        """
        self.tracks: list[Track] = []
        self.count = 0
        self._measurements, self._unrelated_frames = measurements, unrelated_frames

    def match(self, frame: Frame, cells: list[Cell], place: tuple[float, float]) -> list[tuple[Cell, Track]]:
        """Finds or begins the track of each whole cell. The nearest pairs are matched first.

        Args:
            frame: a frame that was taken at rest.
            cells: the cells found in the frame.
            place: position of the frame's upper left corner on the slide, (x, y) in widths.

        Returns:
            The cells that no border of the frame cuts, each with its track.
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
                track_of[i] = Track(x, y, cell.diameter / width, frame.clock, np.zeros(self._measurements), looks=1)
                self.tracks.append(track_of[i])
        return [(cell, track_of[i]) for i, (cell, _, _) in enumerate(whole)]

    def add(self, track: Track, frame: Frame, cell: Cell, measured: np.ndarray) -> Counted | None:
        """Adds one frame's measurements of a cell, float [measurements]. Returns the cell if it is counted now."""
        track.total = track.total + measured
        track.frames += 1
        track.latest = (frame, cell)
        return self._count(track) if self._unrelated_frames or track.ready(frame.clock) else None

    def visible(self, frame: Frame, place: tuple[float, float]) -> list[Cell]:
        """The cells that lie in a frame's view and aren't taken for chance finds, where the latest frame showed them.

        Their number is -1 before they are counted. Arguments: as for `prune`.
        """
        width = frame.width
        cells = []
        for track in self.tracks:
            if not (track.counted or track.real) or not _inside(track, frame, place):
                continue
            x, y, size = (track.x - place[0]) * width, (track.y - place[1]) * width, track.diameter * width
            box = round(x - size / 2), round(y - size / 2), round(size), round(size)
            cells.append(Cell(box, track.number, (x, y), size, size, 0.0, False, 1.0))
        return cells

    def elsewhere(self, cell: Cell, width: int, place: tuple[float, float], astray: bool) -> list[Track]:
        """The known cells of about the same size at other places, one of which this may be if its place is wrong.

        Args:
            cell: a cell in a frame.
            width: width of the frame, pixels.
            place: position of the frame's upper left corner on the slide, (x, y) in widths.
            astray: whether the place may be a little wrong; else only those whose distance is unknown.
        """
        size = cell.diameter / width
        x, y = cell.centre[0] / width + place[0], cell.centre[1] / width + place[1]
        return [
            track
            for track in self.tracks
            if (track.counted or track.real)
            and (apart(track.x, x) or (astray and np.hypot(track.x - x, track.y - y) <= _ASTRAY))
            and abs(track.diameter - size) <= _ALIKE * max(track.diameter, size)
        ]

    def drop(self, tracks: list[Track]) -> None:
        """Forgets the tracks among these that aren't counted."""
        dropped = {id(track) for track in tracks if not track.counted}
        self.tracks = [track for track in self.tracks if id(track) not in dropped]

    def move(self, place: tuple[float, float], dx: float, dy: float) -> None:
        """Moves the cells near a place by (dx, dy) widths."""
        for track in self.tracks:
            if not apart(track.x, place[0]):
                track.x, track.y = track.x + dx, track.y + dy

    def prune(
        self, frame: Frame, place: tuple[float, float], places: Sequence[tuple[float, float]] = ()
    ) -> list[Counted]:
        """Counts cells that leave the view, and forgets cells that are far away or weren't found again.

        Args:
            frame: the latest frame.
            place: position of the frame's upper left corner on the slide, (x, y) in widths.
            places: of earlier frames that may be recognised. After a movement that wasn't seen, the cells near them are
                remembered, too.
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
            near = beyond <= (_REMEMBERED if track.counted else 0)
            elsewhere = track.counted and apart(track.x, place[0]) and any(_shows(each, track) for each in places)
            if elsewhere or (near and not lost):
                kept.append(track)
        self.tracks = kept
        return counted

    def flush(self, tracks: list[Track] | None = None) -> list[Counted]:
        """Counts the tracks (None: all of them) that were found often enough and aren't counted yet."""
        chosen = self.tracks if tracks is None else tracks
        return [self._count(track) for track in chosen if not track.counted and track.real]

    def correct(self, frame: Frame, dx: float, dy: float) -> None:
        """Moves the cells that were first found in this frame by (dx, dy) widths, by which its place was wrong."""
        for track in self.tracks:
            if track.since == frame.clock:
                track.x, track.y = track.x + dx, track.y + dy

    def drift(
        self, pairs: list[tuple[Cell, Track]], width: int, place: tuple[float, float]
    ) -> tuple[float, float] | None:
        """The error of a frame's place, judged by its known cells: the median of their errors, (dx, dy) in widths.

        Args:
            pairs: as `match` returns them.
            width: width of the frame, pixels.
            place: position of the frame's upper left corner on the slide, (x, y) in widths.

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
        numbered = replace(cell, number=track.number)
        return Counted(frame, numbered, track.total / track.frames, track.frames, track.seen_before)


def _shows(place: tuple[float, float], track: Track) -> bool:
    """Whether the middle of a cell lies in a square field at a place."""
    return 0 <= track.x - place[0] <= 1 and 0 <= track.y - place[1] <= 1


def _inside(track: Track, frame: Frame, place: tuple[float, float]) -> bool:
    """Whether the frame shows the whole cell."""
    r, height = track.diameter / 2, frame.image.shape[0] / frame.image.shape[1]
    x, y = track.x - place[0], track.y - place[1]
    return r < x < 1 - r and r < y < height - r
