"""`edge-classify` on picture files: from paths to sinks."""

from collections.abc import Callable, Iterator, Sequence
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
        rules: how answers are made; of Model.rules.
        search: which cells are answered.
        threshold: given the shares of the second name of all cells, says what to subtract from its logit, or None for
            nothing (edge.site.unlabelled_threshold). With it, all pictures are read before the first is answered.
    """

    files: Sequence[str]
    model: Model
    rules: Rules
    search: Search
    threshold: Threshold | None = None


@dataclass
class Outcome:
    """What became of a job.

    Attributes:
        pictures: how many were answered or found unreadable; fewer than there are files where it was stopped.
        unreadable: those that can't be read.
        cells: how many had a share in the threshold, 0 without one.
        shift: what was subtracted from the logit of the second name; None where no threshold was found.
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
    """Answers a job's files and gives each answer to the sinks, in the files' order, until told to stop."""
    outcome = Outcome()
    for result in _answers(job, outcome, progress):
        outcome.pictures += 1
        outcome.unreadable += isinstance(result, Unreadable)
        for sink in sinks:
            sink.add(result)
        if stopped():
            break
    return outcome


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
