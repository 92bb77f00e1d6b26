"""Measures how well a counting session recognises a cell that it has counted before, in other pictures of it.

The truth is the column `cell` of fields.csv: the same cell, photographed more than once. A drawn slide, counted twice,
has a truth of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge import classify, locate, model
from edge.cell import Cell
from edge.count.seen import SIDE, Seen, square
from edge.errors import UserError
from edge.frames import Frame, Picture, Unreadable
from edge.live.session import Session
from edge.output.tables import Table
from edge.share import Share, share
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario
from edge.system.progress import Progress, silent
from train.data import fields
from train.data.fields import Field

SOURCES = ("chula_rpi", "bccd")
LEVELS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.74, 0.78, 0.82, 0.86)  # correlations, as edge.count.seen compares them
_SLIDE = Scenario(seed=5, fps=10)
_STEP = 0.7  # widths; the second run stops at other places than the first, whose step is 0.8


@dataclass(frozen=True)
class Level:
    """What other thresholds would give, if a cell were compared with all earlier pictures.

    Attributes:
        correlation: least correlation of two pictures that count as one cell.
        recognised: how many of the cells that came again would be recognised as the right one.
        wrong: how many would be recognised as another one.
        unknown: how many more would be recognised, of which one has no name in the table.
    """

    correlation: float
    recognised: int
    wrong: int
    unknown: int


@dataclass(frozen=True)
class Repeats:
    """How often cells of one source were recognised.

    Attributes:
        cells: number of pictures of cells that were found.
        recognised: share of the pictures of a cell that came after another one, and were recognised as the same.
        wrong: pairs that were taken for one cell, and have two names in the table.
        unknown: pairs that were taken for one cell, of which one has no name in the table.
        levels: what other thresholds would give.
    """

    cells: int
    recognised: Share
    wrong: list[str]
    unknown: list[str]
    levels: list[Level]


@dataclass(frozen=True)
class Twice:
    """A drawn slide that was counted twice.

    Attributes:
        first: number of cells that the first run counted.
        false: how many of these were taken for another one.
        recognised: share of the cells of the second run, counted by the first too, that were recognised.
        wrong: how many cells of the second run were taken for another one than they are.
    """

    first: int
    false: int
    recognised: Share
    wrong: int


@dataclass(frozen=True)
class Shown:
    """A cell as a session sees it.

    Attributes:
        name: of its picture with its place in it.
        truth: which cell it is; "" if that isn't known.
        image, width: what edge.count.seen compares.
    """

    name: str
    truth: str
    image: np.ndarray
    width: float

    @classmethod
    def of(cls, picture: Picture, cell: Cell, name: str, truth: str) -> "Shown":
        """As edge.count.recorder takes a cell from a picture."""
        (x, y), half = cell.centre, SIDE * cell.red_cell / 2
        image = square(picture, (round(x - half), round(y - half), round(x + half), round(y + half)))
        return cls(f"{name} at {x:.0f},{y:.0f}", truth, image, 2 * half)


def repeats(folder: Path, progress: Progress = silent) -> dict[str, Repeats]:
    """Measures the marked fields of the sources in which a cell was photographed more than once; a film is a session.

    Raises:
        UserError: if the data set has no fields of these sources.
    """
    films: dict[str, dict[str, list[Field]]] = {}
    for field in fields.read(folder):
        if field.source in SOURCES:
            # The films of bccd aren't known: each of its fields has a name of its own.
            film = field.film if any(box.cell for box in field.boxes) else field.source
            films.setdefault(field.source, defaultdict(list))[film].append(field)
    if not films:
        raise UserError(f"{folder / fields.TABLE} has no fields of {' or '.join(SOURCES)}.")
    return {
        source: figures([list(_shown(folder, each, progress)) for each in found.values()])
        for source, found in films.items()
    }


def _shown(folder: Path, film: Iterable[Field], progress: Progress) -> Iterator[Shown]:
    """The cells of a film's fields, in the order of their files."""
    by_path = {str(folder / field.path): field for field in film}
    for found in classify.find_cells(sorted(by_path), model.Model().policy, progress=progress):
        if not isinstance(found, Unreadable):
            field = by_path[found.picture.source]
            for cell in found.cells:
                truth = next((box.cell for box in field.boxes if box.holds(cell)), "")
                yield Shown.of(found.picture, cell, Path(field.path).name, truth)


def figures(films: Sequence[Sequence[Shown]]) -> Repeats:
    """How often cells are recognised. films: the cells of each session, in order."""
    right = again = 0
    wrong: list[str] = []
    unknown: list[str] = []
    nearest: list[tuple[Shown, Shown, float]] = []
    for cells in films:
        seen, every = Seen(), Seen()
        for number, cell in enumerate(cells):
            earlier = {each.truth for each in cells[:number]} - {""}
            again += cell.truth in earlier
            found = seen.find(cell.image, cell.width)
            if found is None:
                seen.add(number, cell.image, cell.width)
            elif cell.truth and cell.truth == cells[found].truth:
                right += 1
            else:
                pair = f"{cells[found].name} and {cell.name}"
                (wrong if cell.truth and cells[found].truth else unknown).append(pair)
            like, correlation = every.nearest(cell.image, cell.width)
            if like is not None:
                nearest.append((cells[like], cell, correlation))
            every.add(number, cell.image, cell.width)
    return Repeats(sum(map(len, films)), share(right, again), wrong, unknown, [_level(nearest, at) for at in LEVELS])


def _level(nearest: Sequence[tuple[Shown, Shown, float]], at: float) -> Level:
    same = [(one.truth, other.truth) for one, other, correlation in nearest if correlation >= at]
    known = [one == other for one, other in same if one and other]
    return Level(at, sum(known), len(known) - sum(known), len(same) - len(known))


def twice(cells: int, progress: Progress = silent) -> Twice:
    """Counts the first cells of a drawn slide, and then the same stretch of it again. cells: of the first run."""
    first = list(_counted(_SLIDE, most=cells, progress=progress))
    end = max(float(each.truth.split(",")[0]) for each in first if each.truth)
    again = list(_counted(replace(_SLIDE, step=_STEP), end=end, progress=progress))
    seen, false = Seen(), 0
    for number, each in enumerate(first):
        like = seen.find(each.image, each.width)
        if like is None:
            seen.add(number, each.image, each.width)
        else:  # the run itself may count a cell twice, if it lost its place
            false += not first[like].truth == each.truth != ""
    known = {each.truth for each in first} - {""}
    found = [(each, seen.find(each.image, each.width)) for each in again]
    right = sum(number is not None and first[number].truth == each.truth != "" for each, number in found)
    wrong = sum(number is not None for _, number in found) - right
    return Twice(len(first), false, share(right, sum(each.truth in known for each in again)), wrong)


def _counted(
    scenario: Scenario, most: int = 10**9, end: float = np.inf, progress: Progress = silent
) -> Iterator[Shown]:
    """The cells that a live session counts on a drawn slide, each with its place on the slide as truth.

    Args:
        scenario: the slide.
        most: end after so many cells.
        end: end where the stage gets here, in pixels of the slide.
        progress: see edge.system.progress.
    """
    camera, session = SimulatedCamera(scenario, paced=False), Session(model.Model(), locate.Locator())
    count = 0
    while count < most and camera.stage(max(0, camera.number))[0] < end:
        if not camera.grab():
            camera.open()
            continue
        seconds = camera.number / scenario.fps
        for answer in session.step(Frame(camera.retrieve(), "sim", camera.number, seconds, seconds)):
            [(cell, _)] = answer.cells
            count += 1
            progress("Drawn slide", min(count, most), most)
            yield Shown.of(answer.picture, cell, f"frame {answer.picture.number}", _drawn(camera, answer, cell))


def _drawn(camera: SimulatedCamera, answer: classify.Answer, cell: Cell) -> str:
    """The place on the slide of the drawn cell that a counted one is; "" if nothing is drawn there."""
    left, top = camera.stage(answer.picture.number)
    x, y = left + cell.centre[0], top + cell.centre[1]
    around = camera.truth(x - camera.scenario.width, x + camera.scenario.width)
    nearest = min(around, key=lambda each: np.hypot(each.x - x, each.y - y), default=None)
    if nearest is None or np.hypot(nearest.x - x, nearest.y - y) > nearest.radius:
        return ""
    return f"{nearest.x:.1f},{nearest.y:.1f}"


def table(found: dict[str, Repeats], drawn: Twice) -> str:
    """The result as text for a terminal."""
    rows = [
        [source, str(each.cells), str(each.recognised), str(len(each.wrong)), str(len(each.unknown))]
        for source, each in found.items()
    ]
    lines = [Table(["source", "pictures of cells", "recognised", "two names", "no name"], rows).text()]
    for source, each in found.items():
        lines += [f"Two names, {source}: {pair}" for pair in each.wrong]
        lines += [f"No name, {source}: {pair}" for pair in each.unknown]
        levels = [[f"{at.correlation:.2f}", *map(str, (at.recognised, at.wrong, at.unknown))] for at in each.levels]
        lines += ["", Table([f"{source}, at least", "same name", "two names", "no name"], levels).text()]
    lines += [
        "",
        f"Drawn slide, counted twice: first run {drawn.first} cells, {drawn.false} taken for another; second run "
        f"{drawn.recognised} recognised, {drawn.wrong} taken for another.",
    ]
    return "\n".join(lines)
