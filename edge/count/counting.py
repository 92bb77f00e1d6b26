"""Counts cells into a session: from a camera, by the live run of `edge-classify --camera`, or from picture files."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge import __version__, files
from edge.count.journal import Journal
from edge.count.recorder import Recorder
from edge.count.records import Run
from edge.files import Sink
from edge.live import run as live
from edge.model import Model
from edge.system.progress import Progress, silent
from edge.system.run_id import new_run
from edge.system.signals import Stop
from edge.unlike import Unlike

_BACK = 60.0  # seconds that the clock may go back before a user is told


@dataclass(frozen=True)
class Counted:
    """What one start of the counting brought.

    Attributes:
        added: new cells.
        repeated: cells that were recognised as counted before.
        known: picture files that were counted before.
        code: exit code of the run, 0 or 1.
        unlike: how unlike home the run was.
    """

    added: int
    repeated: int
    known: int
    code: int
    unlike: Unlike


def new(source: str, model: Model, risk: float | None, profile: str | None = None) -> Run:
    """A run that begins now. profile: path of the site's profile, if one is used."""
    digest = hashlib.sha256(Path(profile).read_bytes()).hexdigest() if profile else ""
    name = Path(profile).name if profile else ""
    return Run(new_run(), time.time(), source, Path(model.path).name, model.sha256, name, digest, risk, __version__)


def clock_went_back(journal: Journal) -> bool:
    """Whether this machine's clock is behind the latest entry of a session: a Pi has no clock of its own."""
    latest = max((action.at for action in journal.actions(kinds=("start", "end"))), default=0.0)
    return time.time() < latest - _BACK


def from_camera(journal: Journal, run: Run, job: live.Job, targets: live.Targets, stop: Stop) -> Counted:
    """Counts the cells that a camera shows, until the session's target is reached or `stop` is asked.

    Args:
        journal: an open session.
        run: what `new` made.
        job: what is watched, and how cells are answered.
        targets: where answers go besides the session.
        stop: set by a signal, or by this function at the target.

    Raises:
        UserError: where the camera can't be opened, or the session can't be written.
    """
    recorder = _begin(journal, run, stop, files=False)
    code = live.watch(job, targets, stop, [recorder])
    return _end(journal, run, recorder, code)


def from_files(
    journal: Journal, run: Run, job: files.Job, sinks: Sequence[Sink], stop: Stop, progress: Progress = silent
) -> Counted:
    """Counts the cells in picture files. A file whose content the session holds already is left out.

    Args:
        journal: an open session.
        run: what `new` made.
        job: what is answered, and how.
        sinks: get the answers, too.
        stop: set by a signal, or by this function at the target.
        progress: see edge.system.progress.

    Raises:
        UserError: where the session can't be written.
    """
    recorder = _begin(journal, run, stop, files=True)
    outcome = files.run(job, [recorder, *sinks], progress, lambda: stop.asked)
    reached = recorder.counted >= journal.settings.target
    return _end(journal, run, recorder, 1 if outcome.unreadable or (outcome.stopped and not reached) else 0)


def _begin(journal: Journal, run: Run, stop: Stop, files: bool) -> Recorder:
    journal.lock_for_counting()
    journal.begin(run)

    def reached() -> None:
        stop.asked = True

    return Recorder(journal, run.id, files, reached)


def _end(journal: Journal, run: Run, recorder: Recorder, code: int) -> Counted:
    unlike = recorder.unlike or Unlike()
    journal.end(run.id, {"unlike": asdict(unlike)})
    return Counted(recorder.added, recorder.repeated, recorder.known, code, unlike)
