"""Tests a live session: whether it counts each cell once, how old answered frames are, and how much memory it takes."""

import csv
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.live.counting import Crossing, crossing
from benchmarks.live.frame_age import PaceFigures, StreamFigures, pace, stream
from benchmarks.locating import measured_fields, within
from benchmarks.machine import machine, resident_megabytes
from edge import frames, locate, model
from edge.classify import Answer
from edge.frames import Frame
from edge.live.session import Session
from edge.share import Share, share
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario
from edge.system.progress import Progress, followed, silent
from train.data.fields import Box, Field

_HELD, _FPS = 1.0, 15  # seconds for which each real field is shown; frames per second of that video
_SHAKE = 4  # pixels by which the view of a field moves at most, in each direction
_STREAMED = 15.0  # seconds for which a stream is read, at most


@dataclass(frozen=True)
class HeldFigures:
    """Figures of real camera fields that are shown as a video, each for a second and with a small shake.

    Attributes:
        fields: number of fields.
        recall: share of the physical cells that were counted; cells cut by the border are left out.
        more: how often a cell was counted again.
        beside: how often something was counted at a place without a marked cell.
    """

    fields: int
    recall: Share
    more: int
    beside: int


@dataclass(frozen=True)
class ProcessFigures:
    """Figures of the command `edge-classify --camera`; medians of three runs.

    Attributes:
        first: seconds from the start of the command to the first answer of a video.
        interrupted: seconds from ctrl-C to the end of the command.
        terminated: seconds from a shutdown (SIGTERM) to the end of the command.
        complete: whether its CSV file then holds all cells that it had shown.
    """

    first: float
    interrupted: float = field(metadata={"key": "SIGINT"})
    terminated: float = field(metadata={"key": "SIGTERM"})
    complete: bool


@dataclass(frozen=True)
class MemoryFigures:
    """The memory of a long simulated session.

    Attributes:
        minutes: simulated time.
        cells: number of cells that were counted.
        growth: growth of the process in units of 2^20 bytes, from a third of the time to the end. In the first third
            every part of the program is used for the first time.
    """

    minutes: float
    cells: int
    growth: float


@dataclass(frozen=True)
class LiveFigures:
    """All figures of `benchmark live`.

    Attributes:
        process: start and end of the command.
        pace: age of frames that come at a camera's frame rate.
        stream: age of frames from a stream that is faster than they can be answered.
        fields: counts of real fields, by source.
        crossing: counts of a simulated slide.
        memory: memory over a long time; None if it wasn't measured.
    """

    process: ProcessFigures
    pace: PaceFigures
    stream: StreamFigures
    fields: dict[str, HeldFigures]
    crossing: Crossing
    memory: MemoryFigures | None = None


def live(
    folder: Path, cells: int = 1000, seconds: float = 60.0, minutes: float = 0.0, progress: Progress = silent
) -> LiveFigures:
    """Measures a live session.

    Args:
        folder: a data set with marked fields.
        cells: number of cells of the simulated slide.
        seconds: duration of the measurement at a camera's frame rate.
        minutes: minutes of simulated frames, to measure memory over time; 0 skips this.
        progress: see edge.system.progress.

    Raises:
        UserError: if the data set has no marked fields.
    """
    measured = measured_fields(folder)
    sources = sorted({each.source for each in measured})
    parts: dict[str, Callable[[], Any]] = {
        "process": process,
        "pace": lambda: pace(seconds),
        "stream": lambda: stream(min(seconds, _STREAMED)),
        "fields": lambda: {name: held(folder, [each for each in measured if each.source == name]) for name in sources},
        # About 100 faults in 1,000 cells, one in every 8 seconds of simulated time.
        "crossing": lambda: crossing(Scenario(seed=7, width=640, height=480, red_cell=32, faults=10, fps=15), cells),
    }
    if minutes:
        parts["memory"] = lambda: memory(minutes)
    return LiveFigures(**{name: parts[name]() for name in followed(list(parts), "Measuring", progress)})


def memory(minutes: float) -> MemoryFigures:
    """Measures memory over a simulated time of some minutes at 30 frames per second, as fast as frames can be drawn.

    The pictures are small, because the number of frames, cells and fields matters, not their size.
    """
    scenario = Scenario(seed=2, width=320, height=240, red_cell=20, faults=6)
    camera, session = SimulatedCamera(scenario, paced=False), Session(model.Model(), locate.Locator())
    megabytes = 0.0
    while camera.number < minutes * 60 * scenario.fps:
        if not camera.grab():
            camera.open()
            continue
        number, seconds = camera.number, camera.number / scenario.fps
        session.step(Frame(camera.retrieve(), "sim", number, seconds, seconds))
        if not megabytes and number > minutes * 20 * scenario.fps:
            megabytes = resident_megabytes()
    return MemoryFigures(minutes, session.tracker.count, resident_megabytes() - megabytes)


def held(folder: Path, fields: Sequence[Field]) -> HeldFigures:
    """Shows real fields to a session, one after the other. fields: the fields of one source."""
    session = Session(model.Model(), locate.Locator())
    rng = np.random.default_rng(0)
    whole: set[str] = set()
    counted: Counter[str] = Counter()
    beside = clock = 0
    for each in fields:
        image = frames.load(folder / each.path).image
        whole |= _whole_cells(each, image)
        places: dict[int, tuple[int, int]] = {}  # position of the view in the field, by the number of the frame
        answers: list[Answer] = []
        for _ in range(int(_HELD * _FPS)):
            x, y = (int(n) for n in rng.integers(0, 2 * _SHAKE + 1, 2))
            places[clock] = x, y
            view = np.ascontiguousarray(image[y : y + image.shape[0] - 2 * _SHAKE, x : x + image.shape[1] - 2 * _SHAKE])
            answers += session.step(Frame(view, each.path, clock, clock / _FPS, clock / _FPS))
            clock += 1
        if each is fields[-1]:
            answers += session.finish()
        for name in _counted_cells(each, answers, places):
            if name is None:
                beside += 1
            else:
                counted[name] += 1
    return HeldFigures(
        fields=len(fields),
        recall=share(sum(counted[name] > 0 for name in whole), len(whole)),
        more=sum(count - 1 for count in counted.values()),
        beside=beside,
    )


def _whole_cells(shown: Field, image: np.ndarray) -> set[str]:
    """The physical cells that are wholly in view at every position of the shaken view."""
    height, width = (n - 2 * _SHAKE for n in image.shape[:2])
    inner = [replace(box, x=box.x - _SHAKE, y=box.y - _SHAKE) for box in shown.boxes]
    return {_name(shown, i, box) for i, box in enumerate(inner) if within(box, width, height)}


def _name(shown: Field, number: int, box: Box) -> str:
    """A name that is unique to a physical cell."""
    return box.cell or f"{shown.path}#{number}"


def _counted_cells(
    shown: Field, answers: Sequence[Answer], places: dict[int, tuple[int, int]]
) -> Iterator[str | None]:  # fmt: skip
    """The name of the physical cell that each answer belongs to; None if there is no marked cell at that place.

    Args:
        shown: the field.
        answers: answers of the session; answers to frames of other fields are skipped.
        places: position of the view in the field, (x, y) in pixels, by the number of the frame.
    """
    for answer in answers:
        if answer.picture.number not in places:
            continue
        x, y = places[answer.picture.number]
        cell = answer.cells[0][0]
        in_field = replace(cell, centre=(cell.centre[0] + x, cell.centre[1] + y))
        yield next((_name(shown, i, box) for i, box in enumerate(shown.boxes) if box.holds(in_field)), None)


def process() -> ProcessFigures:
    """Runs the command on a video and on a simulated camera, and ends it with signals."""
    camera = SimulatedCamera(Scenario(seed=1, faults=0, defocus=0), paced=False)
    complete = True
    ended: dict[signal.Signals, list[float]] = {signal.SIGINT: [], signal.SIGTERM: []}
    with tempfile.TemporaryDirectory(prefix="benchmark-live-") as place:
        film, table = Path(place) / "film.avi", Path(place) / "cells.csv"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1280, 720))
        for i in range(40):
            writer.write(np.ascontiguousarray(camera.frame(i)[..., ::-1]))
        writer.release()
        first = [_until("#0", ["--camera", str(film), "--fps", "30"], signal.SIGKILL)[0] for _ in range(3)]
        for sign, seconds in ended.items():
            for _ in range(3):
                _, after_signal, shown = _until("#2", ["--camera", "sim:1", "--csv", str(table)], sign)
                seconds.append(after_signal)
                with table.open(newline="") as file:
                    rows = list(csv.DictReader(file))
                complete &= len(rows) == shown and all(row["taken"] for row in rows)
    return ProcessFigures(
        first=statistics.median(first),
        interrupted=statistics.median(ended[signal.SIGINT]),
        terminated=statistics.median(ended[signal.SIGTERM]),
        complete=complete,
    )


def _until(word: str, arguments: Sequence[str], sign: signal.Signals) -> tuple[float, float, int]:
    """Runs `edge-classify` until it prints a line that contains a word, and then sends it a signal.

    Args:
        word: the word to wait for.
        arguments: arguments of the command.
        sign: the signal.

    Returns:
        Seconds from the start to that line, seconds from the signal to the end, and the number of cells shown.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "edge", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        shown = 0
        for text in child.stdout:
            shown += "#" in text
            if word in text:
                break
        printed = time.perf_counter()
        child.send_signal(sign)
        shown += child.stdout.read().count("#")
        child.wait(60)
        return printed - began, time.perf_counter() - printed, shown


def table(result: LiveFigures) -> str:
    """The result as text for a terminal."""
    crossed, paced, command = result.crossing, result.pace, result.process
    faults = ", ".join(f"{count} {kind}" for kind, count in crossed.faults.items())
    rows = [
        [
            "simulated slide",
            f"{crossed.passed} cells passed by the stage: {crossed.once} counted once, {crossed.missed} missed; "
            f"{crossed.twice} times a cell counted again, {crossed.phantom} times an empty place counted, "
            f"{crossed.debris} times a speck counted; faults: {faults}",
        ],
        [
            "camera's pace",
            f"1280x720 at 30 frames per second: {paced.per_second:.1f} per second answered, age {paced.p50:.0f} ms "
            f"(median), {paced.p95:.0f} ms (p95), {paced.late:.0f} ms (p95, last fifth); {paced.cores:.2f} cores used; "
            f"memory {paced.growth:+.1f} MB",
        ],
    ]
    for name, each in result.fields.items():
        rows.append(
            [
                name,
                f"{each.fields} fields shown for a second each: recall {each.recall} physical cells; {each.more} times "
                f"a cell counted again, {each.beside} times something else counted",
            ]
        )
    for what, reading in (("edge-classify", result.stream.ours), ("plain loop", result.stream.plain)):
        ages = " ".join("-" if age is None else str(age) for age in reading.ages)
        rows.append([f"stream, {what}", f"median age in ms in each tenth of the time: {ages}; {reading.frames} frames"])
    rows.append(
        [
            "command",
            f"first answer after {command.first:.2f} s; ends {command.interrupted:.2f} s after ctrl-C and "
            f"{command.terminated:.2f} s after SIGTERM; its CSV file is "
            f"{'complete' if command.complete else 'INCOMPLETE'}",
        ]
    )
    if result.memory:
        long = result.memory
        rows.append(["memory", f"{long.growth:+.1f} MB in {long.minutes:g} simulated minutes, {long.cells} cells"])
    width = max(len(name) for name, _ in rows)
    return "\n".join([str(machine()), *(f"{name:{width}}  {text}" for name, text in rows)])
