"""Runs `edge-classify` on picture files: reads them, answers them, and passes the answers to sinks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from edge.classify import Answer, Predicted, Search, answer, predict_files, second_name_shares, set_aside
from edge.decide import Rules
from edge.frames import Unreadable
from edge.kept import PixelStore
from edge.model import Model
from edge.system.progress import Progress, silent

Threshold = Callable[[Sequence[float]], float | None]


class Sink(Protocol):
    """Takes answers, one picture at a time; edge.output.sinks has several."""

    def add(self, result: Answer | Unreadable) -> None: ...


@dataclass(frozen=True)
class Job:
    """What is answered, and how.

    Attributes:
        files: paths, as edge.frames.expand gives them.
        model: an opened classifier.
        rules: how answers are made, from Model.rules.
        search: which cells get an answer.
        threshold: a function such as edge.site.unlabelled_threshold.shift. It gets edge.classify.second_name_shares of
            all cells, and returns what to subtract from the logit of the second name (monocyte), or None for nothing.
            With such a function, all pictures are read before the first is answered; None to do without.
    """

    files: Sequence[str]
    model: Model
    rules: Rules
    search: Search
    threshold: Threshold | None = None


@dataclass
class Outcome:
    """The result of a job.

    Attributes:
        pictures: number of pictures that were answered or unreadable; fewer than the files if the job was stopped.
        unreadable: number of pictures that could not be read.
        cells: number of cells that the threshold was computed from; 0 without a threshold.
        shift: what was subtracted from the logit of the second name (monocyte); None if no threshold was found.
    """

    pictures: int = 0
    unreadable: int = 0
    cells: int = 0
    shift: float | None = None


def run(
    job: Job,
    sinks: Sequence[Sink],
    progress: Progress = silent,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Answers the files of a job in order, and passes each answer to the sinks.

    Args:
        job: what is answered.
        sinks: get the answers.
        progress: see edge.system.progress.
        stopped: asked after each picture that was read and after each answer. If it is true, the run ends early.
    """
    outcome = Outcome()

    def watched(what: str, done: int, total: int) -> None:
        progress(what, done, total)
        if stopped() and not outcome.pictures:  # up to 200 pictures are read before the first answer
            raise _Stopped

    with suppress(_Stopped):
        for result in _answers(job, outcome, watched):
            outcome.pictures += 1
            outcome.unreadable += isinstance(result, Unreadable)
            for sink in sinks:
                sink.add(result)
            if stopped():
                break
    return outcome


class _Stopped(Exception):
    """The run was stopped before its first answer."""


def _answers(job: Job, outcome: Outcome, progress: Progress) -> Iterator[Answer | Unreadable]:
    predicted = predict_files(job.files, job.model, job.search, progress)
    if job.threshold is None:
        for each in predicted:
            yield each if isinstance(each, Unreadable) else answer(each, job.rules)
        return
    store = PixelStore()
    held = [
        each if isinstance(each, Unreadable) else set_aside(each, job.model, job.search, store) for each in predicted
    ]
    shares = second_name_shares(each for each in held if isinstance(each, Predicted))
    outcome.cells, outcome.shift = len(shares), job.threshold(shares)
    for each in held:
        yield each if isinstance(each, Unreadable) else answer(each, job.rules, outcome.shift or 0.0)
