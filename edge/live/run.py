"""A run at the camera: frames in, cells out, until it is told to stop."""

import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import cv2

from edge import frames
from edge.camera.device import CameraSettings
from edge.camera.reader import FIRST, Camera
from edge.camera.source import opener, shown
from edge.classify import Answer
from edge.decide import Rules
from edge.errors import UserError
from edge.frames import Frame
from edge.live.flat_field import FlatField
from edge.live.session import Session, Status
from edge.live.terminal import CropWriter, LiveTerminal
from edge.locate import Locator
from edge.model import Model
from edge.output import sinks
from edge.output.sinks import Sink
from edge.system.signals import Stop

_WAIT = 0.05  # seconds to wait for a frame before signals and limits are looked at again
_SILENT = 2.0  # seconds without a frame after which the status line says so


@dataclass(frozen=True)
class Job:
    """What is looked at, and how cells are answered.

    Attributes:
        source: what `--camera` names.
        model: an opened classifier.
        rules: how answers are made; of Model.rules.
        settings: what the camera is asked for.
        red_cell: diameter of a red cell in pixels, where it is known; else None.
        threads: of the locator.
        flat: a picture file of an empty spot of the slide, "capture" to take one first, None to leave the light as it is.
        seconds: after which the run ends; 0 for no limit.
        cells: after which the run ends; 0 for no limit.
    """

    source: str
    model: Model
    rules: Rules
    settings: CameraSettings = field(default_factory=CameraSettings)
    red_cell: float | None = None
    threads: int = 1
    flat: str | None = None
    seconds: float = 0.0
    cells: int = 0


@dataclass(frozen=True)
class Targets:
    """Where a run's answers go.

    Attributes:
        json: file for JSON lines, "-" for standard output instead of the table, or None.
        csv: file for CSV, or None.
        save: folder for pictures of the cells, or None.
        show: whether the picture is shown in a window.
    """

    json: str | None = None
    csv: str | None = None
    save: str | None = None
    show: bool = False


class Rate:
    """Frames a second and their age over the last three seconds. The age is the time from the camera to the answer."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=120)

    def add(self, frame: Frame) -> None:
        now = time.monotonic()
        self._seen.append((now, now - frame.clock))

    def __str__(self) -> str:
        now = time.monotonic()
        recent = [(t, age) for t, age in self._seen if now - t <= 3]
        if len(recent) < 2:
            return "no frames"
        speed = (len(recent) - 1) / max(1e-3, recent[-1][0] - recent[0][0])
        return f"{speed:.0f} frames a second, {1000 * statistics.median(age for _, age in recent):.0f} ms old"


def run(
    camera: Camera,
    session: Session,
    outputs: Sequence[Sink],
    show: Callable[[Frame | None, str], None],
    stop: Stop,
    seconds: float = 0.0,
    cells: int = 0,
) -> None:
    """Looks at frames until told to stop, or until a limit is reached.

    Args:
        camera: an opened source.
        session: what counts the cells.
        outputs: get each cell's answer.
        show: gets each frame, or None where there is none, and the status line.
        stop: set by a signal.
        seconds: after which the run ends; 0 for no limit.
        cells: after which the run ends; 0 for no limit.

    Raises:
        UserError: where the source never gives a picture.
    """
    began = heard = time.monotonic()
    rate, counted = Rate(), 0

    def take(answers: list[Answer]) -> None:
        nonlocal counted
        for answer in answers:
            if not cells or counted < cells:
                counted += 1
                for sink in outputs:
                    sink.add(answer)

    while not stop.asked and (not cells or counted < cells):
        now = time.monotonic()
        if seconds and now - began >= seconds:
            break
        frame = camera.newest(_WAIT)
        if frame is None:
            if camera.over:
                break
            if not session.status.frames and now - began > FIRST:
                raise UserError(
                    f"{camera.name} is open and sent no picture in {FIRST:.0f} seconds; does another program use it?"
                )
            if now - heard > _SILENT:
                session.status.doing = f"no picture for {now - heard:.0f} s"
            show(None, line(session.status, rate))
            continue
        heard = now
        take(session.step(frame))
        rate.add(frame)
        if session.stuck(frame.taken):
            camera.reopen()
        show(frame, line(session.status, rate))
    take(session.finish())


def line(status: Status, rate: Rate) -> str:
    """The status line."""
    parts = [status.doing, str(rate)]
    if status.quality:
        parts.append(f"focus {100 * status.focus:.0f} %, light {status.quality.light[1]:.0f}")
    parts += [sinks.counted(n, label) for label, n in sorted(status.counts.items())]
    return " | ".join(parts + [warning.upper() for warning in status.warnings[:1]])


def summary(status: Status, camera: Camera) -> str:
    """What became of the frames, in one sentence."""
    parts = [f"{n} {name}" for name, n in status.faults.items()]
    parts += [f"{camera.broken} that could not be decoded"] if camera.broken else []
    parts += [f"back {camera.returns} time{'' if camera.returns == 1 else 's'}"] if camera.returns else []
    return f"{status.frames} frames{' (' + ', '.join(parts) + ')' if parts else ''}. "


def shower(terminal: LiveTerminal, session: Session, window: bool) -> Callable[[Frame | None, str], None]:
    """What shows frames and the status line: the terminal and, where it is asked for and possible, a window."""
    opened = None
    if window:
        from edge.live.window import Window

        try:
            opened = Window("edge-classify")
        except RuntimeError as error:
            terminal.say(str(error))

    def show(frame: Frame | None, text: str) -> None:
        terminal.status(text, session.status.warnings)
        if opened:
            opened.show(frame.image if frame else None, text)

    return show


@contextmanager
def _closing(camera: Camera) -> Iterator[Camera]:
    """Ends the camera's thread, whatever happens. Where the thread hangs in its driver, this ends the process: Python
    can neither end such a thread nor exit before it.
    """
    code = 1
    try:
        yield camera
        code = 0
    except UserError as error:
        code = error.exit_code
        if not camera.close():
            sys.stderr.write(f"Error: {error}\n")
        raise
    finally:
        if not camera.close():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def watch(job: Job, targets: Targets, stop: Stop) -> int:
    """`edge-classify --camera`, from opening the source to the last line -> its exit code.

    Raises UserError for all that a user can mend. Ends the process where the camera's driver hangs.
    """
    cv2.setNumThreads(1)  # the camera's thread and the model's have the cores
    if job.model.policy == "whole-image":
        raise UserError("--camera looks for cells by itself, and this model was trained on whole pictures.")
    flat: FlatField | str | None = job.flat
    if job.flat and job.flat != "capture":
        flat = FlatField(frames.load(job.flat).image)
    terminal, tally = LiveTerminal(job.model.labels, targets.json != "-"), sinks.Tally()
    with _closing(Camera(opener(job.source, job.settings), shown(job.source), terminal.say)) as camera:
        terminal.say(camera.facts)
        locator = Locator(threads=job.threads)
        session = Session(job.model, locator, camera.still, flat, terminal.say, job.rules, job.red_cell)
        with ExitStack() as stack:
            outputs: list[Sink] = [tally, stack.enter_context(terminal)]
            outputs += [stack.enter_context(each) for each in _sinks(job.model, targets)]
            run(camera, session, outputs, shower(terminal, session, targets.show), stop, job.seconds, job.cells)
        terminal.say(f"{summary(session.status, camera)}{tally}")
    return 1 if camera.broken and not camera.live else 0


def _sinks(model: Model, targets: Targets) -> Iterator[Sink]:
    if targets.json:
        yield sinks.JsonLines(targets.json, model.sha256, live=True)
    if targets.csv:
        yield sinks.Csv(targets.csv, model.labels, model.sha256, live=True)
    if targets.save:
        yield CropWriter(targets.save)
