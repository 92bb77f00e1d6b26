"""The live run: camera in, cells out, until it is told to stop."""

import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import click
import cv2

from edge import frames
from edge.camera.device import Wishes
from edge.camera.reader import FIRST, Camera
from edge.camera.source import opener, shown
from edge.classify import Answer
from edge.decide import Rules
from edge.errors import UserError
from edge.frames import Frame
from edge.live.session import Session, Status
from edge.live.terminal import Board, Saved
from edge.locate import Locator
from edge.model import Model
from edge.output import sinks
from edge.output.sinks import Sink
from edge.system.signals import Stop
from edge.view import Flat

_WAIT = 0.05  # seconds for a frame before the world is looked at again
_SILENT = 2.0  # seconds without a frame after which that is said


class Rate:
    """Frames a second and their age, over the last seconds. The age: from the camera's giving it to its answer."""

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
    """Looks at frames until told to stop, for so many seconds, or until so many cells are counted (0: no limit).

    show: gets each frame and a line on how it goes. Raises UserError where the source never gives a picture.
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
    """How it goes, on one line."""
    parts = [status.doing, str(rate)]
    if status.view:
        parts.append(f"focus {100 * status.focus:.0f} %, light {status.view.light[1]:.0f}")
    parts += [sinks.counted(n, label) for label, n in sorted(status.counts.items())]
    return " | ".join(parts + [warning.upper() for warning in status.warnings[:1]])


def summary(status: Status, camera: Camera) -> str:
    """What became of the frames, in a sentence."""
    parts = [f"{n} {name}" for name, n in status.faults.items()]
    parts += [f"{camera.broken} that could not be decoded"] if camera.broken else []
    parts += [f"back {camera.returns} time{'' if camera.returns == 1 else 's'}"] if camera.returns else []
    return f"{status.frames} frames{' (' + ', '.join(parts) + ')' if parts else ''}. "


def shower(board: Board, session: Session, window: bool) -> Callable[[Frame | None, str], None]:
    """Where frames and the line on how it goes are shown: the terminal and, if asked for and possible, a window."""
    opened = None
    if window:
        from edge.live.window import Window

        try:
            opened = Window("edge-classify")
        except RuntimeError as error:
            board.say(str(error))

    def show(frame: Frame | None, text: str) -> None:
        board.tell(text, session.status.warnings)
        if opened:
            opened.show(frame.image if frame else None, text)

    return show


@contextmanager
def _closing(camera: Camera) -> Iterator[Camera]:
    """Ends the camera's thread, whatever happens; where it hangs in its driver, ends the process without it.

    Python can neither end such a thread nor exit before it.
    """
    code = 1
    try:
        yield camera
        code = 0
    except UserError as error:
        code = error.exit_code
        if not camera.close():
            error.show()
        raise
    finally:
        if not camera.close():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def watch(
    source: str,
    opened: Model,
    *,
    rules: Rules,
    threads: int,
    json_target: str | None,
    csv_target: str | None,
    size: tuple[int, int] | None,
    fps: float | None,
    exposure: float | None,
    white_balance: int | None,
    fourcc: str | None,
    flat: str | None,
    save: str | None,
    seconds: float | None,
    cells: int | None,
    show: bool,
    red_cell: float | None = None,
) -> int:
    """`edge-classify --camera`, from opening the source to the last line -> its exit code.

    Raises UserError for all that a user can mend. Ends the process where the camera's driver hangs.
    """
    cv2.setNumThreads(1)  # the camera's thread and the model's have the cores
    if opened.policy == "whole-image":
        raise UserError("--camera looks for cells by itself, and this model was trained on whole pictures.")
    name = shown(source)
    evened = Flat(frames.load(flat).image) if flat and flat != "capture" else flat
    plug = opener(source, Wishes(size, fps, exposure, white_balance, fourcc))
    board, tally = Board(opened.labels, json_target != "-"), sinks.Tally()
    with _closing(Camera(plug, name, board.say)) as camera, Stop().listening() as stop:
        board.say(camera.facts)
        looking = Session(opened, Locator(threads=threads), camera.still, evened, board.say, rules, red_cell)
        with ExitStack() as stack:
            outputs: list[Sink] = [tally, stack.enter_context(board)]
            if json_target:
                outputs.append(stack.enter_context(sinks.JsonLines(json_target, opened.sha256, live=True)))
            if csv_target:
                outputs.append(stack.enter_context(sinks.Csv(csv_target, opened.labels, opened.sha256, live=True)))
            if save:
                outputs.append(Saved(save))
            run(camera, looking, outputs, shower(board, looking, show), stop, seconds or 0.0, cells or 0)
        click.echo(f"{summary(looking.status, camera)}{tally}", err=True)
    return 1 if camera.broken and not camera.live else 0
