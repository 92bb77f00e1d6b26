"""A simulated slide crossed by the stage, with faults: is each of its cells counted once?"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from edge import locate, model
from edge.frames import Frame
from edge.live.session import Session
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario


def crossing(slide: Scenario, cells: int = 1000, most: int = 10**9) -> dict:
    """A simulated slide crossed by the stage until it has passed so many cells, as fast as this machine can.

    A cell is passed when a rest shows all of it, in focus, in at least half of the rest's frames. -> {"passed", "once",
    "twice", "missed", "phantom", "debris", "faults", "frames", "jumps", "labels": {kind: {answer: count}}}. twice:
    every count of a cell beyond its first; debris: platelets and dirt that the locator took for a cell; phantom:
    counted where there is nothing; jumps: of the stage, unknown how far. Times are the microscope's own, so nothing
    here depends on how fast the machine is.
    """
    scope = SimulatedCamera(slide, paced=False)
    session = Session(model.Model(), locate.Locator())
    tally = Tally(scope)
    while len(tally.passed) < cells and scope.number < most:
        if not scope.grab():
            scope.open()
            continue
        number = scope.number
        tally.see(number)
        answers = session.step(Frame(scope.retrieve(), "sim", number, number / slide.fps, number / slide.fps))
        for answer in answers:
            tally.count(answer.frame.number, answer.cells[0][0].centre, answer.cells[0][1].label)
    for answer in session.finish():
        tally.count(answer.frame.number, answer.cells[0][0].centre, answer.cells[0][1].label)
    return tally.result() | {
        "faults": dict(Counter(fault.kind for fault in {*map(scope.fault, range(scope.number))} if fault)),
        "frames": scope.number + 1,
        "jumps": session.stage.jumps,
    }


@dataclass(frozen=True)
class _Key:
    """Which drawn cell: its place on the slide tells it from all others."""

    x: float
    y: float
    kind: str


class Tally:
    """Holds what was counted against what there is."""

    def __init__(self, scope: SimulatedCamera) -> None:
        self._scope = scope
        self._rest, self._good = -1, 0
        self.passed: set[_Key] = set()
        self.counted: Counter[_Key] = Counter()
        self.phantoms: list[int] = []
        self.debris = 0
        self.labels: dict[str, Counter[str]] = {}

    def see(self, number: int) -> None:
        """A frame goes by: when half of a rest was seen, what is whole in view was passed."""
        slide = self._scope.scenario
        rest, resting = self._scope.rest(number)
        if rest != self._rest:
            self._rest, self._good = rest, 0
        if not resting:
            return
        self._good += self._scope.fault(number) is None
        if self._good != int(slide.dwell * slide.fps / 2):
            return
        before = int(rest * (slide.dwell + slide.move) * slide.fps) + 1
        x, _ = self._scope.stage(before)
        if self._scope.sharp(before):
            for t in self._scope.truth(x, x + slide.width):
                room = 1.35 * t.radius  # the locator's own idea of a cell's size reaches a little farther than the cell
                if x + room < t.x < x + slide.width - room:
                    self.passed.add(_Key(t.x, t.y, t.kind))

    def count(self, number: int, centre: tuple[float, float], label: str) -> None:
        x, y = self._scope.stage(number)
        place = (centre[0] + x, centre[1] + y)
        near = self._scope.truth(place[0] - 200, place[0] + 200)
        best = min(near, key=lambda t: np.hypot(t.x - place[0], t.y - place[1]), default=None)
        if best is None or np.hypot(best.x - place[0], best.y - place[1]) > best.radius:
            dirt = any(np.hypot(t.x - place[0], t.y - place[1]) < self._scope.scenario.red_cell / 2
                       for t in self._scope.debris(place[0] - 200, place[0] + 200))  # fmt: skip
            self.debris += dirt
            if not dirt:
                self.phantoms.append(number)
            return
        self.counted[_Key(best.x, best.y, best.kind)] += 1
        self.labels.setdefault(best.kind, Counter())[label] += 1

    def result(self) -> dict:
        return {
            "passed": len(self.passed),
            "once": sum(self.counted[k] == 1 for k in self.passed),
            "missed": sum(self.counted[k] == 0 for k in self.passed),
            "twice": sum(n - 1 for n in self.counted.values() if n > 1),
            "phantom": len(self.phantoms),
            "debris": self.debris,
            "labels": {kind: dict(n) for kind, n in self.labels.items()},
        }
