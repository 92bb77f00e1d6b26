"""Does a live session count each cell once, through faults and movement, and how old is what it looks at?"""

import csv
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from benchmarks.counting import crossing
from benchmarks.frame_age import pace, resident, stream
from benchmarks.machine import machine, title
from edge import frames, locate, model
from edge.errors import UserError
from edge.frames import Frame
from edge.live.session import Session
from edge.simulator.microscope import SimulatedCamera
from edge.simulator.slide import Scenario
from train import fields as marked_fields
from train.evaluation.evaluate import share

_HELD, _FPS = 1.0, 15  # seconds that a real field is held; frames a second of that video
_SHAKE = 4  # pixels to each side
_BORDER = 3  # pixels: a marked box so near to the border is cut by it


def live(folder: Path, cells: int = 1000, seconds: float = 60.0) -> dict:
    """All figures of a live session -> {"crossing", "pace", "fields", "stream", "process"}.

    folder: holds the marked fields. Raises UserError where it has none.
    """
    measured = marked_fields.halves(marked_fields.read(folder))[1]
    if not measured:
        raise UserError(f"{folder / marked_fields.TABLE} is needed: it says where the white cells of fields are.")
    return {
        "process": process(),
        "pace": pace(seconds),
        "stream": stream(min(seconds, 15.0)),
        "fields": {name: held(folder, name, measured) for name in sorted({field.source for field in measured})},
        # 100 faults in 1,000 cells: about 1 in each 8 seconds of the stage.
        "crossing": crossing(Scenario(seed=7, width=640, height=480, red_cell=32, faults=10, fps=15), cells),
    }


def memory(minutes: float) -> dict:
    """So many minutes of simulated frames at 30 a second, as fast as they can be drawn -> {"minutes", "growth": MB}.

    From the third of the time on, when everything has been used once. A small picture: it's the number of frames, cells
    and fields that counts.
    """
    slide = Scenario(seed=2, width=320, height=240, red_cell=20, faults=6)
    scope, session = SimulatedCamera(slide, paced=False), Session(model.Model(), locate.Locator())
    first = 0.0
    while scope.number < minutes * 60 * slide.fps:
        if not scope.grab():
            scope.open()
            continue
        n = scope.number
        session.step(Frame(scope.retrieve(), "sim", n, n / slide.fps, n / slide.fps))
        if not first and n > minutes * 20 * slide.fps:
            first = resident()
    return {"minutes": minutes, "cells": session.tracker.count, "growth": resident() - first}


def held(folder: Path, source: str, measured: list[marked_fields.Field]) -> dict:
    """Real fields of one source as a video: each held for a second with a small shake -> {"fields", "recall", "more"}.

    recall: over physical cells that no border cuts, of those that a session counted. more: numbers that a cell got
    beyond its first. beside: numbers where no cell is marked.
    """
    session = Session(model.Model(), locate.Locator())
    rng = np.random.default_rng(0)
    asked: dict[str, bool] = {}
    numbers: Counter[str] = Counter()
    beside = clock = 0
    mine = [field for field in measured if field.source == source]
    for field in mine:
        image = frames.load(folder / field.path).image
        height, width = (n - 2 * _SHAKE for n in image.shape[:2])
        places: dict[int, tuple[int, int]] = {}
        for i, box in enumerate(field.boxes):
            x, y = box.x - _SHAKE, box.y - _SHAKE
            if x > _BORDER and y > _BORDER and x + box.width < width - _BORDER and y + box.height < height - _BORDER:
                asked.setdefault(box.cell or f"{field.path}#{i}", False)
        answers = []
        for _ in range(int(_HELD * _FPS)):
            x, y = (int(n) for n in rng.integers(0, 2 * _SHAKE + 1, 2))
            places[clock] = x, y
            view = np.ascontiguousarray(image[y : y + height, x : x + width])
            answers += session.step(Frame(view, field.path, clock, clock / _FPS, clock / _FPS))
            clock += 1
        if field is mine[-1]:
            answers += session.finish()
        for answer in answers:
            cell = answer.cells[0][0]
            if answer.frame.number not in places:
                continue
            x, y = places[answer.frame.number]
            centre = cell.centre[0] + x, cell.centre[1] + y
            hit = next(
                (i for i, b in enumerate(field.boxes)
                 if b.x <= centre[0] <= b.x + b.width and b.y <= centre[1] <= b.y + b.height), None,
            )  # fmt: skip
            if hit is None:
                beside += 1
            else:
                numbers[field.boxes[hit].cell or f"{field.path}#{hit}"] += 1
    for name in asked:
        asked[name] = numbers[name] > 0
    return {
        "fields": len(mine),
        "recall": share(sum(asked.values()), len(asked)),
        "more": sum(n - 1 for n in numbers.values()),
        "beside": beside,
    }


def process() -> dict:
    """The command itself -> {"first": seconds from the command to the first answer of a video, "SIGINT", "SIGTERM":
    from ctrl-C and from a shutdown to its end, "complete": whether its CSV then holds all that was shown}. Medians of
    three.
    """
    scope = SimulatedCamera(Scenario(seed=1, faults=0, defocus=0), paced=False)
    result: dict = {"complete": True}
    with tempfile.TemporaryDirectory(prefix="benchmark-live-") as place:
        film, table = Path(place) / "film.avi", Path(place) / "cells.csv"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1280, 720))
        for i in range(40):
            writer.write(np.ascontiguousarray(scope.frame(i)[..., ::-1]))
        writer.release()
        times = [_until("#0", ["--camera", str(film), "--fps", "30"], signal.SIGKILL)[0] for _ in range(3)]
        result["first"] = statistics.median(times)
        for name in ("SIGINT", "SIGTERM"):
            times = []
            for _ in range(3):
                _, ended, shown = _until("#2", ["--camera", "sim:1", "--csv", str(table)], signal.Signals[name])
                times.append(ended)
                with table.open(newline="") as file:
                    rows = list(csv.DictReader(file))
                result["complete"] &= len(rows) == shown and all(row["taken"] for row in rows)
            result[name] = statistics.median(times)
    return result


def _until(word: str, arguments: list[str], sign: signal.Signals) -> tuple[float, float, int]:
    """Runs the command until a line has the word, and sends it a signal -> seconds from its start to that line, from
    the signal to its end, and how many cells it has shown by then.
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
        seen = time.perf_counter()
        child.send_signal(sign)
        shown += child.stdout.read().count("#")
        child.wait(60)
        return seen - began, time.perf_counter() - seen, shown


def table(result: dict) -> str:
    c, p, s = (result[name] for name in ("crossing", "pace", "stream"))
    faults = ", ".join(f"{n} {kind}" for kind, n in c["faults"].items())
    lines = [
        title(machine()),
        f"slide      {c['passed']} cells passed: {c['once']} counted once, {c['missed']} missed, {c['twice']} again, "
        f"{c['phantom']} phantoms, {c['debris']} specks taken for a cell; faults: {faults}",
        f"pace       1280x720 at 30 a second: {p['per_second']:.1f} a second answered, {p['p50']:.0f} ms old (median), "
        f"{p['p95']:.0f} ms (p95), {p['late']:.0f} ms (p95, last fifth); {p['cores']:.2f} cores; "
        f"memory {p['growth']:+.1f} MB",
    ]
    for name, f in result["fields"].items():
        r = f["recall"]
        lines.append(
            f"{name:10} {f['fields']} fields held 1 s: recall {r['value']:.3f} [{r['low']:.3f}, {r['high']:.3f}] "
            f"{r['right']}/{r['count']} physical cells, {f['more']} numbers too many, {f['beside']} beside any cell"
        )
    for name, what in (("ours", "edge-classify"), ("plain", "plain loop")):
        ages = " ".join("-" if age is None else str(age) for age in s[name]["ages"])
        lines.append(f"stream     {what}: age in ms over time {ages}; {s[name]['frames']} frames")
    q = result["process"]
    lines.append(
        f"process    first answer after {q['first']:.2f} s; ctrl-C to exit {q['SIGINT']:.2f} s, SIGTERM "
        f"{q['SIGTERM']:.2f} s, the CSV "
        f"{'complete' if q['complete'] else 'INCOMPLETE'}"
    )
    if "memory" in result:
        m = result["memory"]
        lines.append(f"memory     {m['growth']:+.1f} MB in {m['minutes']:g} simulated minutes, {m['cells']} cells")
    return "\n".join(lines)
