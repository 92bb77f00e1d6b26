"""A live session: frame by frame, from what the camera gives to cells that are counted once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from edge.camera.faults import Faults
from edge.classify import Answer, predict
from edge.decide import Rules, decide
from edge.frames import Frame
from edge.live.flat_field import FlatField
from edge.live.focus_monitor import FocusMonitor
from edge.live.registration import StageTracker
from edge.live.tracking import Counted, Tracker
from edge.locate import Locator, cells
from edge.model import Model
from edge.quality import ImageQuality, image_quality
from edge.red_cells import RedCellRuler

_EVERY = 0.5  # seconds from one look at focus and light to the next
_BLANKS = 16  # frames that the mean of an empty spot is made of
_STUCK = 5.0  # seconds of one picture over and over


@dataclass
class Status:
    """What a person wants to know while it runs.

    doing: in a few words; fault: what is wrong with the last frame, "" if nothing; focus: of the best seen, 0 to 1;
    frames: looked at; faults: how many frames with each; counts: cells by answer.
    """

    doing: str = "waiting for the camera"
    fault: str = ""
    focus: float = 0.0
    quality: ImageQuality | None = None
    warnings: list[str] = field(default_factory=list)
    frames: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


class Session:
    """Takes frames one after the other; knows no camera, no clock and no file.

    still: the frames are pictures of different places; flat: evens the light out, None leaves it; "capture": makes that
    of the first frames, which must show an empty spot; say: gets sentences for a person; rules: how answers are made,
    the model's plain ones where there are none; red_cell: their diameter in pixels, where it is known.
    """

    def __init__(
        self,
        model: Model,
        locator: Locator,
        still: bool = False,
        flat: FlatField | str | None = None,
        say: Callable[[str], None] = lambda text: None,
        rules: Rules | None = None,
        red_cell: float | None = None,
    ) -> None:
        self.status = Status()
        self.stage, self.tracker = StageTracker(), Tracker(len(model.kinds) + 1, still)
        self.flat = flat if isinstance(flat, FlatField) else None
        self._model, self._locator, self._still, self._say = model, locator, still, say
        self._rules = rules or model.rules(None)
        self._faults, self._focus = Faults(), FocusMonitor()
        self._ruler = RedCellRuler(fewest=1, fixed=red_cell)
        self._blanks: list[np.ndarray] | None = [] if flat == "capture" else None
        self._looked = -1e9
        self._red_cell = 0.0
        self._moving = -1e9  # when a picture last differed from the one before
        self._rested = False

    def step(self, frame: Frame) -> list[Answer]:
        """One frame -> the cells that it decided, each as an Answer with one cell, whose number is its own for good.

        Raises UserError where the picture for the even light doesn't fit.
        """
        status = self.status
        status.frames += 1
        status.fault = self._faults.of(frame.image)
        if self._still and status.fault in ("frozen", "torn"):
            status.fault = ""  # picture files may be alike, and have edges
        if status.fault:
            status.faults[status.fault] += 1
            status.doing = f"{status.fault} picture"
            if status.fault != "frozen":
                self._moving = frame.taken
            return []
        self._moving = frame.taken
        if self._blanks is not None:
            self._capture(frame)
            return []
        if self.flat:
            frame = replace(frame, image=self.flat.apply(frame.image))
        if not self._still:
            self.stage.see(frame.image, frame.taken)
            if not self.stage.resting:
                status.doing, self._rested = "the stage moves", False
                return self._answers(self.tracker.prune(frame, self.stage.place) if self.stage.known else [])
        return self._answers(self._decide(frame))

    def stuck(self, now: float) -> bool:
        """Whether one picture came over and over for so long that the camera hangs; said once in that time."""
        if self.status.fault != "frozen" or now - self._moving <= _STUCK:
            return False
        self._moving = now
        return True

    def finish(self) -> list[Answer]:
        """At the end: the cells that were seen often enough."""
        return self._answers(self.tracker.flush())

    def _decide(self, frame: Frame) -> list[Counted]:
        located = self._locator.locate(frame)
        if not self._ruler.fixed and (self._still or not self._rested):
            self._ruler.add(located.red_cells)  # of each new place: they count for all that follow
        measure = located.measure(self._ruler)
        found_cells = cells(located, measure)
        self._red_cell = 0.9 * self._red_cell + 0.1 * measure.diameter if self._red_cell else measure.diameter
        if self._still or not self._rested or abs(frame.taken - self._looked) >= _EVERY:
            self._judge(frame)
        self._rested = True
        assert self.status.quality is not None
        if found_cells and not self._focus.sharp(self.status.quality):
            self.status.doing = "out of focus"
            return []
        self.status.doing = "looking"
        place = (10.0 * self.status.frames, 0.0) if self._still else self.stage.place
        pairs = self.tracker.match(frame, found_cells, place)
        off = None if self._still else self.tracker.drift(pairs, frame.image.shape[1], place)
        if off:
            self.stage.anchor(*off)
        found = []
        for cell, track in pairs:
            if not track.decided:
                seen = predict(self._model, frame, cell)
                counted = self.tracker.add(track, frame, cell, np.append(seen.kinds, seen.distance))
                found += [counted] if counted else []
        return found + self.tracker.prune(frame, place)

    def _judge(self, frame: Frame) -> None:
        """Focus and light, which change slowly."""
        quality = image_quality(frame.image, self._red_cell)
        self._looked, self.status.quality = frame.taken, quality
        self.status.focus = self._focus.focus(quality, frame.taken)
        self.status.warnings = self._focus.warnings(quality)

    def _capture(self, frame: Frame) -> None:
        assert self._blanks is not None
        self.status.doing = "taking the picture of an empty spot"
        self._blanks.append(frame.image)
        if len({image.shape for image in self._blanks}) > 1:
            self._blanks = [frame.image]
        if len(self._blanks) == _BLANKS:
            self.flat = FlatField(np.mean(self._blanks, axis=0).astype(np.uint8))
            self._blanks = None
            self._say("The light is evened out from here on: now move to the cells.")

    def _answers(self, found: list[Counted]) -> list[Answer]:
        result = []
        for c in found:
            *kinds, distance = c.mean
            decision = decide(kinds, self._rules, distance=distance)
            result.append(Answer(c.frame, [(c.cell, replace(decision, frames=c.frames))]))
            self.status.counts[decision.label] += 1
        return result
