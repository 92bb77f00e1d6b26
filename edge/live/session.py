"""A live session: it takes one frame after another and returns each cell's answer once.

A session has no camera, no clock and no files, so that tests and benchmarks can give it any frames.
"""

import logging
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from edge.camera.faults import Faults
from edge.cell import NO_RULER, Cell
from edge.classify import Answer, Sighting, predict
from edge.decide import Decision, Rules, decide
from edge.errors import UserError
from edge.frames import Frame
from edge.live.flat_field import FlatField
from edge.live.focus_monitor import FocusMonitor
from edge.live.lit_part import LitPart
from edge.live.registration import StageTracker, apart
from edge.live.tracking import Counted, Track, Tracker
from edge.locate import Locator, cells
from edge.model import Model, Prediction
from edge.quality import ImageQuality, image_quality
from edge.red_cells import KnownRuler, RedCellRuler
from edge.system.run_id import cell_id, new_run
from edge.unlike import Look, Unlike, compare, held_to_more, look, measure, moved

logger = logging.getLogger(__name__)

_EVERY = 0.5  # seconds between two measurements of focus and light
_BLANKS = 16  # frames of an empty spot; the flat field is made from their mean
_STUCK = 5.0  # seconds with one and the same picture, after which the camera is taken to hang
_NEW = 0.1  # weight of a new frame in the running mean of the red cells' diameter
_JUDGED, _LOOKED_AT = 500, 20  # latest cells by whose features, and by whose pictures, the run is judged
# How much what surrounds a cell must be like what surrounded a known one, for the cell to be that one, or perhaps that
# one. In windows of fields that differ in light, noise and focus, the same cell had 0.34 to 0.99, and 95 % had 0.8 and
# more. Other cells had 0.54 at most; in whole runs, where each is compared with many, 0.60. The fields were drawn, or
# from the half of the marked fields that no benchmark measures on.
_SAME, _PERHAPS_SAME = 0.75, 0.6
_COMPARED = (0, 4)  # a new cell is compared before its first and its fifth measurement
_APART = 10.0  # widths between two unrelated frames: far enough that no cell of one is taken for a cell of the other


@dataclass(frozen=True)
class SessionSettings:
    """How a session treats its frames.

    Attributes:
        rules: how answers are made; see Model.rules. None for answers without review.
        red_cell: diameter of a red cell in pixels, or the site's ruler; None to measure it.
        unrelated_frames: whether each frame shows another place, as picture files do. Then the stage isn't followed,
            and each cell is answered from one frame.
        flat: evens out the light; None leaves the light as it is.
        capture_flat: whether `flat` is made from the first frames, which must show an empty spot of the slide.
    """

    rules: Rules | None = None
    red_cell: float | KnownRuler | None = None
    unrelated_frames: bool = False
    flat: FlatField | None = None
    capture_flat: bool = False


@dataclass
class Status:
    """How a session is going, for the status line.

    Attributes:
        doing: what the session is doing, in a few words.
        fault: fault of the latest frame, as edge.camera.faults names it; "" for a good frame.
        focus: sharpness as a share of the best seen, 0 to 1.
        quality: quality of the view, as last measured; None before the first measurement.
        warnings: what the user should do, the most urgent first.
        frames: how many frames were taken.
        faults: how many frames had each fault.
        counts: number of cells by answer.
        unlike: how unlike home the run has been so far.
        flat: what became of the picture of an empty spot that was taken last; "" before there is one.
    """

    doing: str = "waiting for the camera"
    fault: str = ""
    focus: float = 0.0
    quality: ImageQuality | None = None
    warnings: list[str] = field(default_factory=list)
    frames: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    unlike: Unlike = Unlike()
    flat: str = ""


class Session:
    """Counts and answers the cells of a slide, each once.

    Attributes:
        run_id: identifies the session among all others; see edge.system.run_id.
        status: how it is going.
        stage: where the view lies on the slide.
        tracker: the cells that are remembered.
        flat: evens out the light; None where the light is left as it is.
        paused: whether no cells are counted. The stage is followed, and focus and light are measured all the same.
        frame: the latest good frame as it is looked at: evenly lit, and without its surround. None before the first.
    """

    def __init__(self, model: Model, locator: Locator, settings: SessionSettings | None = None) -> None:
        settings = settings or SessionSettings()
        self.run_id = new_run()
        self._unrelated_frames = settings.unrelated_frames
        self.status = Status()
        # Measured of a cell in each frame: the probability of each kind, and the distance from the training cells.
        self.stage, self.tracker = StageTracker(), Tracker(len(model.kinds) + 1, settings.unrelated_frames)
        self.flat = settings.flat
        self.paused = False
        self.frame: Frame | None = None
        self._lit_part = LitPart()
        self._model, self._locator = model, locator
        self._rules = settings.rules or model.rules(None)
        self._faults, self._focus = Faults(), FocusMonitor()
        self._ruler = RedCellRuler(fewest=1, fixed=settings.red_cell, endless=True)
        self._size = (0, 0)  # width and height of the camera's pictures
        self._complained = False  # whether it was said that the site's ruler doesn't fit
        self._predictions: deque[Prediction] = deque(maxlen=_JUDGED)
        self._looks: deque[Look] = deque(maxlen=_LOOKED_AT)
        self._blanks: list[np.ndarray] | None = [] if settings.capture_flat else None
        self._retaken = False  # whether the run goes on where they show no empty spot
        self._judged = -1e9  # time when focus and light were last measured, seconds
        self._red_cell = 0.0  # pixels, running mean of the diameter of red cells
        self._measured = False  # whether the latest field had a ruler
        self._changed = -1e9  # time when a frame last differed from the one before, seconds
        self._place = (0.0, 0.0)  # where the latest frame with cells lies on the slide, widths
        self._decided: dict[int, Decision] = {}  # the answers of remembered cells, by number
        self._rested = False  # whether the stage rested when the last good frame was taken

    def step(self, frame: Frame) -> list[Answer]:
        """Takes the next frame.

        Returns:
            An Answer for each cell that this frame decided. The cell keeps its number for the whole session.

        Raises:
            UserError: where the frames for the flat field don't show an empty spot, or where the flat field has
                another size.
        """
        status = self.status
        status.frames += 1
        status.fault = self._faults.of(frame.image)
        if self._unrelated_frames and status.fault in ("frozen", "torn"):
            status.fault = ""  # two picture files may be identical, and may have sharp edges
        if status.fault:
            status.faults[status.fault] += 1
            status.doing = f"{status.fault} picture"
            if status.fault != "frozen":
                self._changed = frame.clock
            return []
        self._changed = frame.clock
        self.frame = frame
        if self._blanks is not None:
            self._capture_flat(frame, self._blanks)
            return []
        if self.flat:
            self.frame = frame = replace(frame, image=self.flat.apply(frame.image))
        self._size = (frame.width, frame.height)
        if not self._unrelated_frames:
            self.frame = frame = self._lit_part.cut(frame)
            self.stage.update(frame.image, frame.clock)
            if not self.stage.resting:
                status.doing, self._rested = "the stage moves", False
                here = self.stage.place
                return self._answers(self.tracker.prune(frame, here, self.stage.places) if self.stage.known else [])
        if self.paused:
            self._wait(frame)
            return []
        return self._answers(self._count(frame))

    @property
    def red_cell(self) -> float | None:
        """The diameter of a red cell in `frame`, pixels; None where there is no ruler worth the name."""
        return self._red_cell if self._measured else None

    def retake_flat(self) -> None:
        """Takes the picture of an empty spot anew, from the next frames.

        Where they show cells, or are too dark, the light stays as it is, and status.flat says why.
        """
        self._blanks, self._retaken = [], True

    def stuck(self, now: float) -> bool:
        """Whether the camera has sent the same picture for so long that it must hang. True once every _STUCK seconds.

        now: time in seconds, as in Frame.clock.
        """
        if self.status.fault != "frozen" or now - self._changed <= _STUCK:
            return False
        self._changed = now
        return True

    def finish(self) -> list[Answer]:
        """After the last frame: the answers of cells that were found often enough and aren't answered yet."""
        return self._answers(self.tracker.flush())

    def _count(self, frame: Frame) -> list[Counted]:
        """The cells that are counted with this frame, which was taken at rest."""
        visible = self._locate(frame, new=self._unrelated_frames or not self._rested)
        if self._unrelated_frames or not self._rested or abs(frame.clock - self._judged) >= _EVERY:
            self._judge(frame)
        self._rested = True
        assert self.status.quality is not None
        if visible and not self._focus.sharp(self.status.quality):
            self.status.doing = "out of focus"
            return []
        self.status.doing = "looking"
        place = self._place = (_APART * self.status.frames, 0.0) if self._unrelated_frames else self.stage.place
        pairs = self.tracker.match(frame, visible, place)
        if not self._unrelated_frames and self._recognise(frame, pairs):
            place = self._place = self.stage.place
            pairs = self.tracker.match(frame, visible, place)
        drift = None if self._unrelated_frames else self.tracker.drift(pairs, frame.width, place)
        if drift:
            self.stage.correct(*drift)
            self.tracker.correct(frame, *drift)
        counted = []
        for cell, track in pairs:
            if not track.counted:
                prediction = predict(self._model, frame, cell)
                measured = np.append(prediction.kinds, prediction.distance)
                decided = self.tracker.add(track, frame, cell, measured)
                if decided:
                    counted.append(decided)
                    self._judge_run(frame, cell, prediction)
        return counted + self.tracker.prune(frame, place, self.stage.places)

    def _recognise(self, frame: Frame, pairs: list[tuple[Cell, Track]]) -> bool:
        """Compares new cells with those that were found before a movement that was hardly seen, or not at all.

        If one of them is here again, the place is corrected. A cell that is perhaps here again is marked.

        Returns:
            Whether the place was corrected.
        """
        place = self.stage.place
        astray = all(track.looks <= 1 for _, track in pairs)  # no known cell lies where it should
        for cell, track in pairs:
            if track.counted or track.frames not in _COMPARED:
                continue
            x, y, size = (n / frame.width for n in (*cell.centre, cell.diameter))
            for known in self.tracker.elsewhere(cell, frame.width, place, astray):
                there = known.x - x, known.y - y
                likeness = self.stage.likeness(there, (x, y), size)
                if likeness >= _SAME:
                    dx, dy = there[0] - place[0], there[1] - place[1]
                    self.tracker.drop([each for _, each in pairs])
                    if apart(known.x, place[0]):
                        self.stage.move(dx, dy)
                        self.tracker.move(place, dx, dy)
                    else:
                        self.stage.correct(dx, dy)
                    return True
                track.seen_before = track.seen_before or likeness >= _PERHAPS_SAME
        return False

    def _wait(self, frame: Frame) -> None:
        """What a paused session does with a frame at rest."""
        self.status.doing, self._rested = "paused", False
        if abs(frame.clock - self._judged) >= _EVERY:
            self._locate(frame, new=False)
            self._judge(frame)

    def _locate(self, frame: Frame, new: bool) -> list[Cell]:
        """The cells of a frame. Where the view is new, its red cells are added to the ruler."""
        located = self._locator.locate(frame)
        if self._ruler.measures and new:
            self._ruler.add(located.red_cells, self._size)
            if not self._complained and (text := self._ruler.complaint()):
                self._complained = True
                logger.info("%s", text)
        measure = located.measure(self._ruler, self._size)
        now, self._measured = measure.diameter, measure.uncertainty < NO_RULER
        self._red_cell = (1 - _NEW) * self._red_cell + _NEW * now if self._red_cell else now
        return cells(located, measure)

    def _judge_run(self, frame: Frame, cell: Cell, prediction: Prediction) -> None:
        """Judges the run anew, from one more cell."""
        if self._model.home is None:
            return
        self._predictions.append(prediction)
        seen = look(frame, cell)
        self._looks += [seen] if seen else []
        measures = measure(list(self._predictions), self._looks, self._model.distance)
        self.status.unlike = compare(measures, self._model.home, self._model.kinds)

    def _judge(self, frame: Frame) -> None:
        """Measures focus and light, which change slowly."""
        quality = image_quality(frame.image, self._red_cell)
        self._judged, self.status.quality = frame.clock, quality
        self.status.focus = self._focus.focus(quality, frame.clock)
        self.status.warnings = self._focus.warnings(quality)

    def _capture_flat(self, frame: Frame, blanks: list[np.ndarray]) -> None:
        """Adds a frame of an empty spot to earlier ones, and makes the flat field once there are enough."""
        self.status.doing = "taking the picture of an empty spot"
        if blanks and blanks[0].shape != frame.image.shape:
            blanks.clear()
        blanks.append(frame.image)
        if len(blanks) == _BLANKS:
            self._blanks, self.status.flat = None, "The light is evened out from now on: move to the cells."
            try:
                self.flat = FlatField(np.mean(blanks, axis=0).astype(np.uint8))
            except UserError as error:
                if not self._retaken:
                    raise
                self.status.flat = error.message
            logger.info("%s", self.status.flat)

    def _answers(self, counted: list[Counted]) -> list[Answer]:
        """The answers of cells that were just counted."""
        answers = []
        rules = held_to_more(self._rules, self.status.unlike)
        run = self.status.unlike if self._model.home else None
        for each in counted:
            *kinds, distance = each.mean
            doubt = partial(str, each.cell.doubt)
            decision = decide(moved(kinds, run), rules, distance=distance, picture_doubt=doubt)
            decision = replace(decision, frames=each.frames)
            sighting = Sighting(cell_id(self.run_id, each.cell.number), each.frame.clock, each.seen_before)
            answers.append(Answer(each.frame, [(each.cell, decision)], run=run, sighting=sighting))
            self.status.counts[decision.label] += 1
            self._decided[each.cell.number] = decision
        return answers

    def view(self, frame: Frame) -> list[tuple[Cell, Decision | None]]:
        """The cells in the latest frame, each with its answer, or None where it isn't decided yet.

        They follow the stage, so that they are known even while it moves. Where the stage has moved too fast to be
        followed, there are none.
        """
        if not (self._unrelated_frames or self.stage.known):
            return []
        place = self._place if self._unrelated_frames else self.stage.place
        remembered = {track.number for track in self.tracker.tracks}
        self._decided = {number: each for number, each in self._decided.items() if number in remembered}
        return [(cell, self._decided.get(cell.number)) for cell in self.tracker.visible(frame, place)]
