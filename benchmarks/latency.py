"""Measures the time of each processing step of a picture, and the time and memory of the whole command."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import command
from benchmarks.command import Processes
from benchmarks.interleaved import ROUNDS, Timing, timing, whole_turns
from benchmarks.machine import Conditions, Watch
from benchmarks.ranges import Range, spread
from edge import classify, contract
from edge.classify import Predicted, Search
from edge.decide import RISK, Decision
from edge.errors import UserError
from edge.frames import Unreadable
from edge.model import Model
from edge.output.tables import Table
from edge.system.progress import Progress, followed, renamed, silent
from edge.workers.process import most

if TYPE_CHECKING:
    from edge.locate import Locator

# The steps in their order. "measure" is the red-cell ruler, "keep" stores the surroundings of the cells until the ruler
# is known, and "invoke" runs the network.
STEPS = ("decode", "locate", "measure", "keep", "crop", "invoke", "decide")
TOGETHER = "together"  # the key of the sum of all steps
WARM_UP = 20  # pictures
_FRESH = 5  # how often a model is opened, to measure the time of opening and of the first picture
_LEVELS = np.linspace(0, 100, 41)  # percentiles that are stored for the plot
_MANY = 1000  # pictures that the command answers in one process, to measure its memory


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        rounds: number of rounds; in each round every model answers all pictures of a set once.
        warm_up: number of pictures that each model answers before anything is measured.
        threads: numbers of threads of the networks; each of them is measured.
        fresh: how often a model is opened, to measure the time of opening and of the first picture.
    """

    rounds: int = ROUNDS
    warm_up: int = WARM_UP
    threads: tuple[int, ...] = (1,)
    fresh: int = _FRESH


@dataclass(frozen=True)
class ModelFile:
    """A model that was measured.

    Attributes:
        sha256: hash of the file.
        bytes: size of the file.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True)
class RunFigures:
    """One model with one number of threads on one set of pictures.

    Attributes:
        steps: milliseconds per picture for each of STEPS, and for all steps under TOGETHER; results of older versions
            have fewer steps.
        per_second: pictures per second in whole rounds.
        cells: number of cells that were answered in one round.
        open: milliseconds to open the model and the locator.
        first: milliseconds of the first picture after opening.
        quantiles: milliseconds of a picture in all steps together, at percentiles evenly spaced from 0 to 100.
    """

    steps: dict[str, Timing]
    per_second: Range
    cells: int
    open: Timing
    first: Timing
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class PictureSet:
    """One set of pictures.

    Attributes:
        pictures: number of pictures.
        size: the most common width and height in pixels, such as "640x480".
        runs: figures by "MODEL, N threads".
    """

    pictures: int
    size: str
    runs: dict[str, RunFigures]

    @property
    def steps(self) -> list[str]:
        """The names of the steps that were measured separately, in their order."""
        return [step for step in next(iter(self.runs.values())).steps if step != TOGETHER]


@dataclass(frozen=True)
class Command:
    """The command `edge-classify` as a whole, with the first set's pictures, on one thread.

    Attributes:
        cold: a process that answers one picture, including its start, by model.
        many: a process that answers many pictures, by model; None if that wasn't measured.
        pictures: how many pictures `many` answered; None if that wasn't measured.
        by_all: as `many`, but by a process for each core; None if that wasn't measured.
    """

    cold: dict[str, Processes]
    many: dict[str, Processes] | None = None
    pictures: int | None = None
    by_all: dict[str, Processes] | None = None


@dataclass(frozen=True)
class Latency:
    """All figures of `benchmark latency`.

    Attributes:
        settings: how it was measured.
        models: the model files, by name.
        sets: figures by name of the set of pictures.
        command: figures of the whole command.
        state: state of the machine before and after.
    """

    settings: Settings
    models: dict[str, ModelFile]
    sets: dict[str, PictureSet]
    command: Command
    state: Conditions


def document(result: Latency) -> dict[str, Any]:
    """The result as it is stored in JSON. There, `command.pictures` is an entry of `command.many`."""
    found: dict[str, Any] = contract.document(result)
    if result.command.many is not None:
        found["command"]["many"] = {"pictures": found["command"].pop("pictures"), **found["command"]["many"]}
    return found


def load(found: dict[str, Any]) -> Latency:
    """Reads what `document` made. Raises ValueError if something is missing or of another type."""
    entries = dict(found["command"])
    if "many" in entries:
        entries["many"] = dict(entries["many"])
        entries["pictures"] = entries["many"].pop("pictures")
    result: Latency = contract.load(Latency, found | {"command": entries})
    return result


@dataclass(frozen=True)
class Contender:
    """What takes turns in a measurement: a model and the locator, opened with a number of threads.

    Attributes:
        file: the model file.
        threads: number of threads of each network.
        model: the opened model.
        locator: the opened locator; None for a model that takes whole pictures.
    """

    file: Path
    threads: int
    model: Model
    locator: "Locator | None"

    @property
    def name(self) -> str:
        """The name in tables: "compact-int8, 1 thread"."""
        return f"{self.file.stem}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def opened(file: Path, threads: int) -> Contender:
    """Opens a model file, and the locator if the model needs one."""
    model = Model(file, threads)
    if model.policy == "whole-image":
        return Contender(file, threads, model, None)
    from edge.locate import Locator  # imports OpenCV, which isn't needed for whole pictures

    return Contender(file, threads, model, Locator(threads=threads))


def latency(
    sets: Mapping[str, Sequence[str]],
    files: Sequence[Path],
    settings: Settings | None = None,
    many: int = _MANY,
    progress: Progress = silent,
) -> Latency:
    """Measures each processing step of a picture, and the whole command.

    Args:
        sets: picture files by the name of their set; each set is answered as one run.
        files: model files.
        settings: how it is measured; None for the defaults.
        many: number of pictures that the command answers in one process; 0 skips this.
        progress: see edge.system.progress.

    Raises:
        UserError: if a set is empty, or if a picture or a model can't be read.
    """
    settings = settings or Settings()
    for name, each in sets.items():
        if not each:
            raise UserError(f"{name} holds no pictures.")
    first = next(iter(sets.values()))
    with Watch() as watch:
        measured = {
            name: _set(each, files, settings, renamed(progress, f"Answering {name}")) for name, each in sets.items()
        }
        whole = Command(
            cold=command.cold(files, first[0], progress),
            many=command.many(files, first, many, progress) if many else None,
            pictures=many or None,
            by_all=command.many(files, first, many, progress, most()) if many else None,
        )
    models = {file.stem: ModelFile(Model(file).sha256, file.stat().st_size) for file in files}
    return Latency(settings, models, measured, whole, watch.conditions)


class Clock:
    """An Observer (edge.system.progress) that measures the time of each step in a run of pictures.

    It is called at the end of each step. The time since the previous call is added to that step and picture, so that
    the steps add up to the whole run.

    Attributes:
        seconds: time of each step, float [pictures, STEPS].
    """

    def __init__(self, pictures: Sequence[str]) -> None:
        """Starts the clock."""
        self.seconds = np.zeros((len(pictures), len(STEPS)))
        self._rows = {picture: row for row, picture in enumerate(pictures)}
        self._latest = time.perf_counter()

    def __call__(self, step: str, source: str) -> None:
        now = time.perf_counter()
        self.seconds[self._rows[source], STEPS.index(step)] += now - self._latest
        self._latest = now


@dataclass(frozen=True)
class TimedRun:
    """The times and answers of one run of pictures.

    Attributes:
        seconds: time of each step, float [pictures, STEPS].
        decisions: the answers, one list per picture.
        sizes: (width, height) of each picture, in pixels.
    """

    seconds: np.ndarray
    decisions: list[list[Decision]]
    sizes: list[tuple[int, int]]


def timed_run(pictures: Sequence[str], contender: Contender) -> TimedRun:
    """Answers a run of pictures as `edge-classify` does, and measures each step.

    It calls the same functions as edge.classify.classify, in the same order. Starting Python, opening the model and
    writing the answers are not included; benchmarks.command measures them.

    Args:
        pictures: picture files, each once.
        contender: the model and locator that answer them.

    Raises:
        UserError: if a picture can't be read.
    """
    model = contender.model
    rules = model.rules(RISK)
    result = TimedRun(np.zeros(0), [], [])
    clock = Clock(pictures)
    search = Search(threads=contender.threads, pages=False)
    for found in classify.find_cells(pictures, model.policy, search, locator=contender.locator, observe=clock):
        if isinstance(found, Unreadable):
            raise UserError(f"{found.source} {found.error}")
        picture = found.picture
        crops = [classify.crops(model, picture, cell) for cell in found.cells]
        clock("crop", picture.source)
        predictions = [classify.mean([model.predict(each) for each in of_one_cell]) for of_one_cell in crops]
        clock("invoke", picture.source)
        answer = classify.answer(Predicted(found, predictions), rules)
        clock("decide", picture.source)
        result.decisions.append([decision for _, decision in answer.cells])
        result.sizes.append((picture.width, picture.height))
    return TimedRun(clock.seconds, result.decisions, result.sizes)


def _set(pictures: Sequence[str], files: Sequence[Path], settings: Settings, progress: Progress) -> PictureSet:
    contenders = [opened(file, threads) for file in files for threads in settings.threads]
    for picture in pictures:
        _fill_disk_cache(picture)
    for contender in contenders:
        _warm_up(pictures, contender, settings.warm_up)
    seconds = {each.name: np.zeros((settings.rounds, len(pictures), len(STEPS))) for each in contenders}
    runs: dict[str, TimedRun] = {}
    turns = list(whole_turns(contenders, settings.rounds))
    for number, contender in followed(turns, "Taking turns", progress):
        runs[contender.name] = timed_run(pictures, contender)
        seconds[contender.name][number] = runs[contender.name].seconds
    width, height = Counter(next(iter(runs.values())).sizes).most_common(1)[0][0]
    return PictureSet(
        pictures=len(pictures),
        size=f"{width}x{height}",
        runs={
            each.name: _figures(seconds[each.name], runs[each.name], each, pictures[0], settings.fresh)
            for each in contenders
        },
    )


def _fill_disk_cache(picture: str) -> None:
    with suppress(OSError):  # a picture that can't be read is reported when it is decoded
        Path(picture).read_bytes()


def _warm_up(pictures: Sequence[str], contender: Contender, count: int) -> None:
    """Lets a contender answer `count` pictures; if there are fewer, they are used repeatedly."""
    while count > 0:
        timed_run(pictures[:count], contender)
        count -= len(pictures)


def _figures(seconds: np.ndarray, run: TimedRun, contender: Contender, first: str, fresh: int) -> RunFigures:
    """The figures of one contender.

    Args:
        seconds: time of each step, float [rounds, pictures, STEPS].
        run: one of the contender's runs.
        contender: the contender.
        first: the picture that is answered after each opening.
        fresh: how often the contender is opened.
    """
    whole = seconds.sum(axis=2)
    opening, answering = _from_closed(contender, first, fresh)
    return RunFigures(
        steps={step: timing(seconds[..., i]) for i, step in enumerate(STEPS)} | {TOGETHER: timing(whole)},
        per_second=spread(whole.shape[1] / whole.sum(axis=1)),
        cells=sum(map(len, run.decisions)),
        open=opening,
        first=answering,
        quantiles=tuple(np.percentile(1e3 * whole, _LEVELS).round(4).tolist()),
    )


def _from_closed(contender: Contender, picture: str, times: int) -> tuple[Timing, Timing]:
    """The times to open the model and the locator, and of the first picture after that. times: how often."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        fresh = opened(contender.file, contender.threads)
        ready = time.perf_counter()
        timed_run([picture], fresh)
        spent.append((ready - start, time.perf_counter() - ready))
    opening, first = np.array(spent).T
    return timing(opening[:, None]), timing(first[:, None])


def table(result: Latency) -> str:
    """The result as text for a terminal."""
    settings = result.settings
    lines = result.state.notes()
    lines.append(
        f"{settings.rounds} rounds in which the models take turns, after {settings.warm_up} pictures each; milliseconds"
    )
    for name, each in result.sets.items():
        lines += ["", f"{name}: {each.pictures} pictures, {each.size}", _steps_table(each).text()]
    lines += ["", "the command, one thread", command_table(result).text()]
    return "\n".join(lines)


def _steps_table(pictures: PictureSet) -> Table:
    steps = [*pictures.steps, TOGETHER]
    rows = []
    for name, run in pictures.runs.items():
        rows.append(
            [
                name,
                "median",
                *(f"{run.steps[step].value:.2f}" for step in steps),
                f"{run.per_second.value:.0f}",
                f"{run.open.value:.2f}",
                f"{run.first.value:.2f}",
            ]
        )
        rows.append(["", "p95", *(f"{run.steps[step].p95:.2f}" for step in steps), "", "", ""])
        rows.append(["", "p99", *(f"{run.steps[step].p99:.2f}" for step in steps), "", "", ""])
    return Table(["", "", *steps, "pictures a second", "opening", "first picture"], rows)


def command_table(result: Latency) -> Table:
    """The figures of the whole command, with one row per model."""
    many, count = result.command.many or {}, result.command.pictures
    by_all = result.command.by_all or {}
    heads = ["model", "one picture from cold", "peak memory", "file"]
    if many:
        heads += [f"{count} pictures", "peak memory"]
        heads += ["by all cores", "peak memory, largest process"] if by_all else []
    rows = []
    for name, cold in result.command.cold.items():
        row = [
            name,
            f"{cold.seconds.text()} s",
            f"{cold.megabytes.value:.0f} MB",
            f"{result.models[name].bytes / 1e3:.0f} kB",
        ]
        if many:
            row += [f"{many[name].seconds.text()} s", f"{many[name].megabytes.value:.0f} MB"]
        if many and by_all:
            row += [f"{by_all[name].seconds.text()} s", f"{by_all[name].megabytes.value:.0f} MB"]
        rows.append(row)
    return Table(heads, rows)
