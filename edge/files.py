"""Runs `edge-classify` on picture files: reads them, answers them, and passes the answers to sinks.

The first pictures of a run are read before any is answered, because they show whether the run is unlike home.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Protocol

from edge import unlike
from edge.classify import Answer, Predicted, Search, answer, predict_files, second_name_shares, set_aside
from edge.decide import Rules
from edge.frames import LeftOut, Unreadable
from edge.kept import KeptPicture, PixelStore
from edge.model import Model
from edge.system.progress import Progress, silent
from edge.unlike import Unlike
from edge.workers.process import can_fork

# A run is judged by its first pictures, at most so many. A slide is counted to 100 or 200 cells, so these are nearly
# always all of them. The limit bounds the memory, and a run of a million pictures needn't end before its first answer.
# With --explain, each picture holds a trace of a third of a megabyte.
JUDGED, _JUDGED_WITH_TRACE = 1000, 100
_LOOKED_AT = 10  # of these pictures, light, stain and focus are measured; this takes 0.2 milliseconds each
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
        jobs: number of processes that read pictures, on Linux, if the model has one thread; else this one alone does.
            The answers are the same.
    """

    files: Sequence[str]
    model: Model
    rules: Rules
    search: Search
    threshold: Threshold | None = None
    jobs: int = 1


@dataclass
class Outcome:
    """The result of a job.

    Attributes:
        pictures: number of files that were answered or unreadable; each may hold several pages.
        stopped: whether the job was stopped before its end.
        unreadable: number of pictures that could not be read.
        cells: number of cells that the threshold was computed from; 0 without a threshold.
        shift: what was subtracted from the logit of the second name (monocyte); None if no threshold was found.
        unlike: how unlike home the run is.
        notes: sentences about what went otherwise than it should, such as a process that was killed.
    """

    pictures: int = 0
    stopped: bool = False
    unreadable: int = 0
    cells: int = 0
    shift: float | None = None
    unlike: Unlike = Unlike()
    notes: list[str] = field(default_factory=list)


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
        if stopped() and not outcome.pictures:  # many pictures are read before the first answer
            raise _Stopped

    while_reading: bool | None = None  # whether the run was stopped before its first answer
    source = None
    with closing(_answers(job, outcome, watched)) as answers:  # which ends its processes, also after an error
        for result in answers:
            while_reading = stopped() if while_reading is None else while_reading
            here = result.source if isinstance(result, Unreadable) else result.picture.source
            outcome.pictures += here != source
            source = here
            outcome.unreadable += isinstance(result, Unreadable) and not isinstance(result, LeftOut)
            for sink in sinks:
                sink.add(result)
            if stopped() and not while_reading:  # else what was read is still answered
                # The last file may have further pages.
                outcome.stopped = outcome.pictures == len(job.files) and next(answers, None) is not None
                break
    outcome.stopped = outcome.stopped or outcome.pictures < len(job.files)
    return outcome


class _Stopped(Exception):
    """The run was stopped before its first answer."""


def _answers(job: Job, outcome: Outcome, progress: Progress) -> Generator[Answer | Unreadable, None, None]:
    predicted = _predicted(job, outcome, progress)
    if job.threshold is None and job.model.home is None:
        with suppress(_Stopped):
            for each in predicted:
                yield each if isinstance(each, Unreadable) else answer(each, job.rules)
        return
    held = _held(job, predicted)
    rules, shift = _judged(job, held, outcome)
    run = outcome.unlike if job.model.home else None
    for each in chain(held, predicted):
        yield each if isinstance(each, Unreadable) else answer(each, rules, shift, run)


def _held(job: Job, predicted: Iterator[Predicted | Unreadable]) -> list[Predicted | Unreadable]:
    """The pictures that are read before the first answer. If the run is stopped meanwhile, those that were read."""
    store, held = PixelStore(), []
    aside = putting_aside(job)
    with suppress(_Stopped):
        for each in islice(predicted, _first(job)):
            held.append(aside(each, store) if isinstance(each, Predicted) else each)
    return held


def _first(job: Job) -> int | None:
    """How many pictures are read before the first answer; None for all."""
    return None if job.threshold else _JUDGED_WITH_TRACE if job.search.trace else JUDGED


def putting_aside(job: Job) -> Callable[[Predicted, PixelStore], Predicted]:
    """What reduces predictions to what is needed of them once the run is known; see edge.classify.set_aside."""
    scale, shift = job.rules.other_platt
    lenient = replace(job.rules, other_platt=(scale, shift + (unlike.FARTHEST if job.model.home else 0.0)))
    first = job.files[: _first(job)]
    looked_at = set(first[:: -(-len(first) // _LOOKED_AT)] if first else ())

    def aside(each: Predicted, store: PixelStore) -> Predicted:
        if each.doubts is None:
            look = each.found.picture.source in looked_at
            return set_aside(each, job.model, job.search, lenient, store, look)
        picture = each.found.picture  # set aside by another process
        parts = [box for box, _ in picture.windows] if isinstance(picture, KeptPicture) else []
        return replace(each, found=replace(each.found, picture=store.keep(picture, parts)))

    return aside


def _predicted(job: Job, outcome: Outcome, progress: Progress) -> Iterator[Predicted | Unreadable]:
    jobs = min(job.jobs, len(job.files))
    if jobs < 2 or not can_fork():
        return predict_files(job.files, job.model, job.search, progress)
    from edge.workers import predicting

    aside = putting_aside(job)
    return predicting.predict_files(
        job.files,
        job.model,
        job.search,
        lambda each: aside(each, PixelStore()),
        jobs,
        progress,
        outcome.notes.append,
    )


def judged(known: Sequence[Predicted], model: Model) -> Unlike:
    """How unlike home a run is. known: its pictures, or the first JUDGED of them, as `putting_aside` reduced them."""
    predictions = [one for each in known for one in each.predictions]
    looks = [one for each in known for one in each.looks]
    return unlike.compare(unlike.measure(predictions, looks, model.distance), model.home, model.kinds)


def _judged(job: Job, held: Sequence[Predicted | Unreadable], outcome: Outcome) -> tuple[Rules, float]:
    """The rules for the run, and the shift of its threshold."""
    known = [each for each in held if isinstance(each, Predicted)]
    run = outcome.unlike = judged(known, job.model)
    if job.threshold:
        shares = second_name_shares(unlike.moved(one.kinds, run) for each in known for one in each.predictions)
        outcome.cells, outcome.shift = len(shares), job.threshold(shares)
    return unlike.held_to_more(job.rules, run), outcome.shift or 0.0
