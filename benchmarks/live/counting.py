"""Tests whether each cell of a simulated slide is counted once while the stage moves across it, despite faults."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from edge import locate, model
from edge.classify import Answer
from edge.frames import Frame
from edge.live.session import Session
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario

_AROUND = 200  # pixels to the left and right of a counted place, in which the drawn cell is searched for
# A cell counts as whole if its centre is at least this many of its radii away from the edges of the view. The value is
# above 1 because the locator takes cells to be a little larger than they are.
_WHOLE = 1.35


@dataclass(frozen=True)
class Counts:
    """What was counted, compared with the cells on the slide.

    Attributes:
        passed: number of cells that should have been counted. The stage stops from place to place. A cell has been
            passed if all of it was in view and in focus during a stop, and at least half of that stop's frames had no
            fault.
        once: how many of the passed cells were counted exactly once.
        missed: how many of the passed cells were not counted.
        twice: how often a cell was counted again.
        phantom: how often something was counted at a place where nothing is drawn.
        debris: how often a platelet or dirt was counted as a cell.
        labels: how often each label was given, by the true kind of cell.
    """

    passed: int
    once: int
    missed: int
    twice: int
    phantom: int
    debris: int
    labels: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Crossing(Counts):
    """One crossing of a slide.

    Attributes:
        faults: number of faults, by kind.
        frames: number of frames that the camera gave.
        jumps: how often the session noticed that the stage had moved to another place without seeing the movement.
    """

    faults: dict[str, int]
    frames: int
    jumps: int


def crossing(scenario: Scenario, cells: int = 1000, most: int = 10**9) -> Crossing:
    """Moves across a simulated slide and counts its cells, as fast as this machine can.

    All times are those of the simulated microscope, so the result doesn't depend on the machine.

    Args:
        scenario: the simulated slide and microscope.
        cells: end after this number of passed cells.
        most: end after this number of frames at the latest.
    """
    camera = SimulatedCamera(scenario, paced=False)
    session = Session(model.Model(), locate.Locator())
    tally = Tally(camera)
    while len(tally.passed) < cells and camera.number < most:
        if not camera.grab():
            camera.open()
            continue
        number = camera.number
        tally.pass_frame(number)
        seconds = number / scenario.fps
        for answer in session.step(Frame(camera.retrieve(), "sim", number, seconds, seconds)):
            tally.count_answer(answer)
    for answer in session.finish():
        tally.count_answer(answer)
    faults = {*map(camera.fault, range(camera.number))} - {None}
    return Crossing(
        **vars(tally.counts()),
        faults=dict(Counter(fault.kind for fault in faults if fault)),
        frames=camera.number + 1,
        jumps=session.stage.jumps,
    )


@dataclass(frozen=True)
class DrawnCell:
    """A cell of the slide, identified by its place.

    Attributes:
        x, y: centre of the cell, in pixels of the slide.
        kind: kind of white cell.
    """

    x: float
    y: float
    kind: str


class Tally:
    """Compares what was counted with the cells on the slide.

    Attributes:
        passed: the cells that the stage has passed; see Counts.
        counted: how often each cell was counted.
    """

    def __init__(self, camera: SimulatedCamera) -> None:
        """camera: the simulated camera that shows the slide."""
        self.passed: set[DrawnCell] = set()
        self.counted: Counter[DrawnCell] = Counter()
        self._camera = camera
        self._rest, self._good_frames = -1, 0
        self._phantoms = self._debris = 0
        self._labels: dict[str, Counter[str]] = {}

    def pass_frame(self, number: int) -> None:
        """Takes note of a frame, before it is answered.

        When half of a stop's frames have been shown without a fault, the cells that are wholly in view are passed.
        """
        scenario = self._camera.scenario
        rest, resting = self._camera.rest(number)
        if rest != self._rest:
            self._rest, self._good_frames = rest, 0
        if not resting:
            return
        self._good_frames += self._camera.fault(number) is None
        if self._good_frames != int(scenario.dwell * scenario.fps / 2):
            return
        first = int(rest * (scenario.dwell + scenario.move) * scenario.fps) + 1
        x, _ = self._camera.stage(first)
        if self._camera.sharp(first):
            for cell in self._camera.truth(x, x + scenario.width):
                room = _WHOLE * cell.radius
                if x + room < cell.x < x + scenario.width - room:
                    self.passed.add(DrawnCell(cell.x, cell.y, cell.kind))

    def count_answer(self, answer: Answer) -> None:
        """Records one cell that a session has counted."""
        [(cell, decision)] = answer.cells
        self.count(answer.picture.number, cell.centre, decision.label)

    def count(self, number: int, centre: tuple[float, float], label: str) -> None:
        """Records that something was counted, and finds out what it was.

        Args:
            number: number of the frame.
            centre: (x, y) in pixels of the frame.
            label: the answer.
        """
        stage_x, stage_y = self._camera.stage(number)
        x, y = centre[0] + stage_x, centre[1] + stage_y
        around = self._camera.truth(x - _AROUND, x + _AROUND)
        nearest = min(around, key=lambda cell: np.hypot(cell.x - x, cell.y - y), default=None)
        if nearest is None or np.hypot(nearest.x - x, nearest.y - y) > nearest.radius:
            specks = self._camera.debris(x - _AROUND, x + _AROUND)
            reach = self._camera.scenario.red_cell / 2
            if any(np.hypot(speck.x - x, speck.y - y) < reach for speck in specks):
                self._debris += 1
            else:
                self._phantoms += 1
            return
        self.counted[DrawnCell(nearest.x, nearest.y, nearest.kind)] += 1
        self._labels.setdefault(nearest.kind, Counter())[label] += 1

    def counts(self) -> Counts:
        """The result so far."""
        return Counts(
            passed=len(self.passed),
            once=sum(self.counted[cell] == 1 for cell in self.passed),
            missed=sum(self.counted[cell] == 0 for cell in self.passed),
            twice=sum(n - 1 for n in self.counted.values() if n > 1),
            phantom=self._phantoms,
            debris=self._debris,
            labels={kind: dict(answers) for kind, answers in self._labels.items()},
        )
