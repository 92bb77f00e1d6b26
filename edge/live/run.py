"""`edge-classify --camera`: a run at the camera, from opening the source to the last line of output."""

import logging
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from edge import frames
from edge.camera.address import shown
from edge.camera.device import CameraSettings
from edge.camera.reader import FIRST, Camera
from edge.camera.source import opener
from edge.classify import Answer
from edge.decide import Rules
from edge.errors import UserError
from edge.frames import Frame
from edge.live.flat_field import FlatField
from edge.live.session import Session, SessionSettings, Status
from edge.live.terminal import CropWriter, LiveTerminal
from edge.locate import Locator
from edge.model import Model
from edge.output import sinks
from edge.output.sinks import Sink
from edge.output.tally import Tally, counted
from edge.red_cells import KnownRuler
from edge.system.signals import Stop
from edge.unlike import sentence

logger = logging.getLogger(__name__)

_WAIT = 0.05  # seconds to wait for a frame; then signals and limits are checked again
_SILENT = 2.0  # seconds without a frame, after which the status line says so
_RECENT = 3.0  # seconds over which the frame rate is measured

Look = Callable[[Frame | None, Session, Camera, Sequence[str]], None]
Show = Callable[[Frame | None, Sequence[str]], None]
"""Called with the latest frame, or None where there is no new one, and with the parts of the status line."""


@dataclass(frozen=True)
class Job:
    """What a run watches, and how it answers cells.

    Attributes:
        source: what `--camera` names.
        model: an opened classifier.
        rules: how answers are made; see Model.rules.
        settings: what the user asks of the camera.
        red_cell: diameter of a red cell in pixels, or the site's ruler; None to measure it.
        threads: number of threads of the locator, at least 1.
        flat: a picture file of an empty spot of the slide; "capture" to take one first; None to leave the light as it
            is.
        seconds: the run ends after this time; 0 for no limit.
        cells: the run ends after this number of cells; 0 for no limit.
    """

    source: str
    model: Model
    rules: Rules
    settings: CameraSettings = field(default_factory=CameraSettings)
    red_cell: float | KnownRuler | None = None
    threads: int = 1
    flat: str | None = None
    seconds: float = 0.0
    cells: int = 0


@dataclass(frozen=True)
class Targets:
    """Where a run's answers go.

    Attributes:
        json: file for JSON lines; "-" for standard output, instead of the table; None for no JSON.
        csv: file for CSV, or None.
        save: folder for pictures of the cells, or None.
        show: whether the live picture is shown in a window.
        look: called with each frame, or None where there is no new one, the session, the camera and the status line.
    """

    json: str | None = None
    csv: str | None = None
    save: str | None = None
    show: bool = False
    look: Look | None = None


class Rate:
    """How many frames a second are answered, and how old they are then, over the last three seconds."""

    def __init__(self) -> None:
        self._answered: deque[tuple[float, float]] = deque(maxlen=120)  # (time, age) in seconds

    def add(self, age: float) -> None:
        """Notes a frame that was just answered. age: seconds since it arrived."""
        self._answered.append((time.monotonic(), age))

    def __str__(self) -> str:
        """The text for the status line: "25 frames a second, 12 ms old"."""
        now = time.monotonic()
        recent = [(t, age) for t, age in self._answered if now - t <= _RECENT]
        if len(recent) < 2:
            return "no frames"
        speed = (len(recent) - 1) / max(1e-3, recent[-1][0] - recent[0][0])
        return f"{speed:.0f} frames a second, {1000 * statistics.median(age for _, age in recent):.0f} ms old"


def watch(job: Job, targets: Targets, stop: Stop, further: Sequence[Sink] = ()) -> int:
    """Runs `edge-classify --camera`.

    Where the camera's driver hangs, this ends the whole process.

    Args:
        job: what the run watches.
        targets: where the answers go.
        stop: set by a signal, such as ctrl-C.
        further: sinks that get the answers, too; they are closed at the end, before the camera is.

    Returns:
        The exit code: 1 where pictures of a recording could not be read, else 0.

    Raises:
        UserError: where the source can't be opened or gives no picture, or where results can't be written.
    """
    if targets.save and _same(targets.save, job.source):
        raise UserError(f"--save would write into the folder that is read, {targets.save}; name another one.")
    cv2.setNumThreads(1)  # the camera's thread and the model's threads need the cores
    if job.model.policy == "whole-image":
        raise UserError("This model was trained on whole pictures; --camera needs a model for located cells.")
    capture_flat = job.flat == "capture"
    flat = FlatField(frames.load(job.flat).image) if job.flat and not capture_flat else None
    tally, labels = Tally(), job.model.labels
    with (
        LiveTerminal(labels, show_cells=targets.json != "-") as terminal,
        _closing(Camera(opener(job.source, job.settings), shown(job.source)), terminal) as camera,
    ):
        logger.info("%s", camera.facts)
        settings = SessionSettings(
            rules=job.rules,
            red_cell=job.red_cell,
            unrelated_frames=camera.unrelated_frames,
            flat=flat,
            capture_flat=capture_flat,
        )
        session = Session(job.model, Locator(threads=job.threads), settings)
        with ExitStack() as stack:
            # What is shown is written first: a run that is killed has lost nothing that was seen.
            chosen = (*further, *_sinks(job.model, targets))
            outputs = [*(stack.enter_context(each) for each in chosen), tally, terminal]
            for note in filter(None, (each.note for each in outputs)):
                logger.info("%s", note)
            run(camera, session, outputs, _show(terminal, session, camera, targets, stop), stop, job.seconds, job.cells)
        text = f"{summary(session.status, camera)}{tally}{sentence(session.status.unlike, job.rules)}"
        for line in text.splitlines():
            logger.info("%s", line)
    return 1 if camera.broken and not camera.live else 0


def run(
    camera: Camera,
    session: Session,
    outputs: Sequence[Sink],
    show: Show,
    stop: Stop,
    seconds: float = 0.0,
    cells: int = 0,
) -> None:
    """Gives frames to a session until it is stopped, the source is over, or a limit is reached.

    Args:
        camera: an opened source.
        session: counts and answers the cells.
        outputs: the sinks that get each cell's answer.
        show: called with each frame and the status line.
        stop: set by a signal.
        seconds: the run ends after this time; 0 for no limit.
        cells: the run ends after this number of cells; 0 for no limit.

    Raises:
        UserError: if the source never gives a picture, if a flat field doesn't fit, or if results can't be written.
    """
    began = last_frame = time.monotonic()
    rate, counted = Rate(), 0

    def give(answers: list[Answer]) -> None:
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
                    f"{camera.name} is open but sent no picture in {FIRST:.0f} seconds; does another program use it?"
                )
            if now - last_frame > _SILENT:
                session.status.doing = f"no picture for {now - last_frame:.0f} s"
            show(None, status_parts(session.status, rate))
            continue
        last_frame = now
        give(session.step(frame))
        rate.add(camera.age)
        if session.stuck(frame.clock):
            camera.reopen()
        show(frame, status_parts(session.status, rate))
    give(session.finish())


def status_parts(status: Status, rate: Rate) -> list[str]:
    """The parts of the status line, the most important first: the most urgent warning, the counts, what the session is
    doing, focus and light, speed.
    """
    parts = [warning.upper() for warning in status.warnings[:1]]
    parts += [", ".join(counted(n, label) for label, n in sorted(status.counts.items())) or "no cell yet", status.doing]
    if status.quality:
        parts.append(f"focus {100 * status.focus:.0f} %, light {status.quality.light[1]:.0f}")
    return [*parts, str(rate)]


def summary(status: Status, camera: Camera) -> str:
    """What became of the frames: "300 frames (12 frozen, reconnected 1 time). "."""
    parts = [f"{n} {name}" for name, n in status.faults.items()]
    parts += [f"{camera.broken} that could not be decoded"] if camera.broken else []
    times = camera.reconnections
    parts += [f"reconnected {times} time{'' if times == 1 else 's'}"] if times else []
    return f"{status.frames} frames{' (' + ', '.join(parts) + ')' if parts else ''}. "


def _same(one: str, other: str) -> bool:
    """Whether two paths name one existing file or folder."""
    with suppress(OSError):
        return Path(one).samefile(other)
    return False


def _show(terminal: LiveTerminal, session: Session, camera: Camera, targets: Targets, stop: Stop) -> Show:
    """Shows the status line on the terminal and, if the user wants it and it is possible, the frames in a window."""

    def end() -> None:
        stop.asked = True

    window = None
    if targets.show:
        from edge.live.window import Window

        try:
            window = Window("edge-classify", end)
        except RuntimeError as error:
            logger.info("%s", error)

    def show(frame: Frame | None, parts: Sequence[str]) -> None:
        terminal.status(parts, session.status.warnings)
        if targets.look:
            targets.look(frame, session, camera, parts)
        if window:
            if frame is None or session.status.fault or session.frame is None:
                window.show(None, (), parts)
            else:
                window.show(session.frame.image, session.view(session.frame), parts)

    return show


@contextmanager
def _closing(camera: Camera, terminal: LiveTerminal) -> Iterator[Camera]:
    """Ends the camera's thread, whatever happens.

    Where the thread hangs in the camera's driver, this ends the process: Python can't end such a thread, and a normal
    exit isn't safe while a driver's code runs in it.
    """
    code, message = 1, ""
    try:
        yield camera
        code = 0
    except UserError as error:
        code, message = error.exit_code, f"Error: {error}"
        raise
    finally:
        if not camera.close():
            if message:
                terminal.say(message)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _sinks(model: Model, targets: Targets) -> Iterator[Sink]:
    if targets.json:
        yield sinks.JsonLines(targets.json, model.sha256, live=True)
    if targets.csv:
        yield sinks.Csv(targets.csv, model.labels, model.sha256, live=True)
    if targets.save:
        yield CropWriter(targets.save)
