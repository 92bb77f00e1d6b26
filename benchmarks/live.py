"""Does a live session count each cell once, through faults and movement, and how old is what it looks at?"""

import csv
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from benchmarks import sender
from benchmarks.crossing import crossing
from benchmarks.latency import machine
from edge import frames, locate, model
from edge.camera import Camera
from edge.crop import crop
from edge.device import Pace
from edge.errors import UserError
from edge.frames import Frame
from edge.microscope import Microscope
from edge.session import Session
from edge.slide import Slide
from edge.source import opener
from train import fields as marked_fields
from train.evaluate import share

_HELD, _FPS = 1.0, 15  # seconds that a real field is held; frames a second of that video
_SHAKE = 4  # pixels to each side
_BORDER = 3  # pixels: a marked box so near to the border is cut by it
_SENT = 640, 480, 120.0  # of the stream: width, height, frames a second


def live(folder: Path, cells: int = 1000, seconds: float = 60.0) -> dict:
    """All figures of a live session -> {"machine", "crossing", "pace", "fields", "stream", "process"}.

    folder: holds the marked fields. Raises UserError where it has none.
    """
    measured = marked_fields.halves(marked_fields.read(folder))[1]
    if not measured:
        raise UserError(f"{folder / marked_fields.TABLE} is needed: it says where the white cells of fields are.")
    return {
        "machine": machine(),
        "process": process(),
        "pace": pace(seconds),
        "stream": stream(min(seconds, 15.0)),
        "fields": {name: held(folder, name, measured) for name in sorted({field.source for field in measured})},
        # 100 faults in 1,000 cells: about 1 in each 8 seconds of the stage.
        "crossing": crossing(Slide(seed=7, width=640, height=480, red_cell=32, faults=10, fps=15), cells),
    }


class Film:
    """A Device that plays JPEG pictures from memory at a pace, over and over: a USB camera without the cable."""

    live, returns, still, left = True, True, False, 0

    def __init__(self, pictures: list[bytes], fps: float) -> None:
        self._pictures, self._pace, self._place = pictures, Pace(fps), -1
        self.fps, self.facts = fps, f"film: {len(pictures)} pictures, {fps:g} a second"

    def grab(self) -> bool:
        self._pace.wait()
        self._place += 1
        return True

    def retrieve(self) -> np.ndarray:
        data = np.frombuffer(self._pictures[self._place % len(self._pictures)], np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert image is not None
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        pass


def pace(seconds: float, slide: Slide | None = None) -> dict:
    """A camera of 1280x720 at 30 frames a second, as MJPEG, decoded, located, followed and classified for so long.

    -> {"frames", "per_second", "p50", "p95", "late": p95 of the last fifth; milliseconds from the camera's giving a
    frame to its answer; "growth": MB resident from a fifth of the time to its end}. cv2 and models on one thread each.
    """
    slide = slide or Slide(seed=1, faults=0, defocus=0, white=3)
    scope = Microscope(slide, paced=False)
    cycle = int((slide.dwell + slide.move) * slide.fps)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    pictures = [cv2.imencode(".jpg", scope.frame(i)[..., ::-1], quality)[1].tobytes() for i in range(3 * cycle)]
    cv2.setNumThreads(1)
    session = Session(model.Model(), locate.Locator())
    camera = Camera(lambda: Film(pictures, slide.fps), "film")
    ages: list[float] = []
    began, first = time.monotonic(), 0.0
    while (now := time.monotonic()) - began < seconds:
        frame = camera.newest(0.5)
        if frame is None:
            continue
        session.step(frame)
        ages.append(1000 * (time.monotonic() - frame.clock))
        if not first and now - began > seconds / 5:
            first = _resident()
    camera.close()
    return {
        "frames": len(ages),
        "per_second": len(ages) / seconds,
        "p50": float(np.percentile(ages, 50)),
        "p95": float(np.percentile(ages, 95)),
        "late": float(np.percentile(ages[-max(1, len(ages) // 5) :], 95)),
        "growth": _resident() - first,
    }


def _resident() -> float:
    """Megabytes of this process in memory; 0 where the system doesn't tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def memory(minutes: float) -> dict:
    """So many minutes of simulated frames at 30 a second, as fast as they can be drawn -> {"minutes", "growth": MB}.

    From the third of the time on, when everything has been used once. A small picture: it's the number of frames, cells
    and fields that counts.
    """
    slide = Slide(seed=2, width=320, height=240, red_cell=20, faults=6)
    scope, session = Microscope(slide, paced=False), Session(model.Model(), locate.Locator())
    first = 0.0
    while scope.number < minutes * 60 * slide.fps:
        if not scope.grab():
            scope.plug()
            continue
        n = scope.number
        session.step(Frame(scope.retrieve(), "sim", n, n / slide.fps, n / slide.fps))
        if not first and n > minutes * 20 * slide.fps:
            first = _resident()
    return {"minutes": minutes, "cells": session.follow.count, "growth": _resident() - first}


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


@contextmanager
def _sending() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.sender", *map(str, _SENT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}/"
        finally:
            child.kill()


def stream(seconds: float) -> dict:
    """A stream faster than the work, read by this project's camera and by a plain cv2.VideoCapture loop.

    Both locate and classify every cell of every frame that they get. -> {"ours", "plain"}, each {"frames", "ages": of
    the frame when it was answered, milliseconds, median in each tenth of the time}.
    """
    locator, classifier = locate.Locator(), model.Model()

    def work(image: np.ndarray) -> None:
        frame = Frame(image, "stream", 0, 0.0)
        for cell in locator.cells(frame):
            classifier.run(crop(frame, cell, classifier.size, classifier.policy))

    def watch(read: Callable[[], np.ndarray | None]) -> dict:
        began, seen = time.monotonic(), []
        while (since := time.monotonic() - began) < seconds:
            image = read()
            if image is not None:
                work(image)
                seen.append((since, sender.age(image, sender.now())))
        parts = [[a for t, a in seen if i <= 10 * t / seconds < i + 1] for i in range(10)]
        return {"frames": len(seen), "ages": [round(statistics.median(p)) if p else None for p in parts]}

    with _sending() as address:
        camera = Camera(opener(address), "stream")

        def newest() -> np.ndarray | None:
            frame = camera.newest(0.5)
            return frame.image if frame else None

        ours = watch(newest)
        camera.close()
    with _sending() as address:
        capture = cv2.VideoCapture(address)
        plain = watch(lambda: capture.read()[1][..., ::-1])
        capture.release()
    return {"sent_per_second": _SENT[2], "ours": ours, "plain": plain}


def process() -> dict:
    """The command itself -> {"first": seconds from the command to the first answer of a video, "stop": seconds from
    ctrl-C to its end, "rows": lines in its CSV, "complete": whether each is whole}. Medians of three.
    """
    scope = Microscope(Slide(seed=1, faults=0, defocus=0), paced=False)
    firsts, stops, rows, complete = [], [], 0, True
    with tempfile.TemporaryDirectory(prefix="benchmark-live-") as place:
        film, table = Path(place) / "film.avi", Path(place) / "cells.csv"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1280, 720))
        for i in range(40):
            writer.write(np.ascontiguousarray(scope.frame(i)[..., ::-1]))
        writer.release()
        for _ in range(3):
            began = time.perf_counter()
            command = [sys.executable, "-m", "edge", "--camera", str(film), "--fps", "30"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
                assert child.stdout is not None
                while "#0" not in (text := child.stdout.readline()) and text:
                    pass
                firsts.append(time.perf_counter() - began)
                child.kill()
        for _ in range(3):
            command = [sys.executable, "-m", "edge", "--camera", "sim:1", "--csv", str(table)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
                assert child.stdout is not None
                while "#2" not in (text := child.stdout.readline()) and text:
                    pass
                began = time.perf_counter()
                child.send_signal(signal.SIGINT)
                child.wait(60)
                stops.append(time.perf_counter() - began)
            with table.open(newline="") as file:
                found = list(csv.DictReader(file))
            rows, complete = len(found), complete and len(found) >= 3 and all(row["taken"] for row in found)
    return {"first": statistics.median(firsts), "stop": statistics.median(stops), "rows": rows, "complete": complete}


def table(result: dict) -> str:
    here, c, p, s = (result[name] for name in ("machine", "crossing", "pace", "stream"))
    faults = ", ".join(f"{n} {kind}" for kind, n in c["faults"].items())
    lines = [
        f"{here['processor']}, {here['cores']} cores, Python {here['python']}",
        f"slide      {c['passed']} cells passed: {c['once']} counted once, {c['missed']} missed, {c['twice']} again, "
        f"{c['phantom']} phantoms, {c['debris']} specks taken for a cell; faults: {faults}",
        f"pace       1280x720 at 30 a second: {p['per_second']:.1f} a second answered, {p['p50']:.0f} ms old (median), "
        f"{p['p95']:.0f} ms (p95), {p['late']:.0f} ms (p95, last fifth); memory {p['growth']:+.1f} MB",
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
        f"process    first answer after {q['first']:.2f} s; ctrl-C to exit {q['stop']:.2f} s, its CSV "
        f"{'complete' if q['complete'] else 'INCOMPLETE'}"
    )
    if "memory" in result:
        m = result["memory"]
        lines.append(f"memory     {m['growth']:+.1f} MB in {m['minutes']:g} simulated minutes, {m['cells']} cells")
    return "\n".join(lines)
