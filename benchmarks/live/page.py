"""Measures the page: how old its pictures are in a browser, and what people who look on cost the count."""

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live import mjpeg_sender
from benchmarks.live.frame_age import sending
from benchmarks.machine import machine
from edge.errors import UserError
from edge.output.tables import Table
from edge.system.progress import Progress, silent

VIEWERS = (0, 1, 5)
_SENT = 1280, 720, 15.0  # width, height and frames per second of the stream
_BEGIN, _END = 60.0, 10.0  # seconds that a run may take to show its first picture, and to end
_WARM = 5.0  # seconds before memory or rate are measured
_POLL = 0.25  # seconds between two questions for the state, as the page asks
# As fast as the run takes frames: at a camera's rate, a run that can take more wouldn't slow down.
_FAST = "sim:seed=1,faults=0,defocus=0,fps=200"
# Notes when each picture was drawn, what time its pixels say, and the age that the page says; and when it turned grey.
_WATCH = f"""
window.seen = []; window.grey = 0;
const now = () => performance.timeOrigin + performance.now();
addEventListener("shown", ({{ target, detail }}) => {{
  const pixels = target.getContext("2d").getImageData({mjpeg_sender.BLOCK // 2}, 0, 1, {mjpeg_sender.BLOCK * mjpeg_sender.BITS}).data;
  let sent = 0;
  for (let bit = 0; bit < {mjpeg_sender.BITS}; bit++) if (pixels[4 * ({mjpeg_sender.BLOCK} * bit + {mjpeg_sender.BLOCK // 2}) + 1] > 127) sent |= 1 << bit;
  seen.push([now(), sent, detail]);
}});
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {{
  if (document.getElementById("view").classList.contains("stale")) grey ||= now(); else grey = 0;
}}).observe(document.getElementById("view"), {{ attributes: true }}));
"""  # noqa: E501


@dataclass(frozen=True)
class AgeFigures:
    """Pictures of a stream with 1280 x 720 pixels and 15 frames per second, in a browser on this machine.

    Attributes:
        pictures: number of pictures that the browser drew.
        p50, p95: median and 95th percentile of the time from the moment before the sender encodes a picture to the
            moment when the browser has drawn it, milliseconds. The pixels hold the time.
        said, said95: median and 95th percentile of the age that the page says, milliseconds. It begins when the picture
            arrives at the program.
        first: from the program's first picture to the browser's, seconds. The browser opens the page once it is served.
        grey: from the end of the stream to a grey picture, seconds.
    """

    pictures: int
    p50: float
    p95: float
    said: float
    said95: float
    first: float
    grey: float


@dataclass(frozen=True)
class CostFigures:
    """What people who look on cost. They ask as the page does, but show nothing.

    Attributes:
        rate: frames that the run answers per second, by the number of people; medians of the rounds.
        lowest, highest: of the rounds.
        cores: processor time of the program per second, by the number of people; medians of the rounds.
        memory: resident memory in units of 2^20 bytes, by the number of people; medians.
        without: the same of a run without a page, at the same times.
    """

    rate: dict[str, float]
    lowest: dict[str, float]
    highest: dict[str, float]
    cores: dict[str, float]
    memory: dict[str, float]
    without: dict[str, float]


@dataclass(frozen=True)
class PageFigures:
    """All figures of `benchmark page`.

    Attributes:
        age: how old pictures are in a browser.
        cost: what people who look on cost.
        load: processes that wanted a core, mean of the last 5 minutes of the measurement.
    """

    age: AgeFigures
    cost: CostFigures
    load: float


def measure(seconds: float = 30.0, rounds: int = 6, progress: Progress = silent) -> PageFigures:
    """Measures the page.

    Args:
        seconds: how long the browser looks, and how long each memory is watched; a round of the rate takes a third.
        rounds: number of rounds in which 0, 1 and 5 people look on, in turns.
        progress: see edge.system.progress.

    Raises:
        UserError: if Playwright or Chromium is missing.
    """
    progress("benchmark page", 0, 3)
    age = browser(seconds)
    progress("benchmark page", 1, 3)
    rates, cores = rate(seconds / 3, rounds)
    progress("benchmark page", 2, 3)
    with_page, without = memory(seconds, page=True), memory(seconds, page=False)
    progress("benchmark page", 3, 3)
    middle, low, high = (
        {str(count): float(each(values)) for count, values in rates.items()} for each in (statistics.median, min, max)
    )
    busy = {str(count): statistics.median(values) for count, values in cores.items()}
    return PageFigures(age, CostFigures(middle, low, high, busy, with_page, without), os.getloadavg()[1])


def browser(seconds: float) -> AgeFigures:
    """Shows a stream in Chromium, and ends it."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise UserError("benchmark page needs Playwright: pip install playwright.") from None
    chromium = shutil.which("chromium")
    if not chromium:
        raise UserError("benchmark page needs Chromium: apt-get install chromium.")
    with sending(*_SENT) as (source, sender), sync_playwright() as driver:
        shown = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = shown.new_page(viewport={"width": _SENT[0], "height": _SENT[1]})
        page.add_init_script(_WATCH)
        clock = 1000 * (time.time() - time.monotonic())  # the browser's clock less the monotonic one, milliseconds
        with _running(source) as (_, port):
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_function("() => seen.length", timeout=1000 * _BEGIN)
            first_taken = _state(port)["began"]
            page.wait_for_timeout(1000 * seconds)
            seen = np.array(page.evaluate("() => seen"), float)
            page.wait_for_function("() => !grey", timeout=1000 * _END)
            sender.kill()
            ended = time.monotonic()
            page.wait_for_function("() => grey", timeout=1000 * _END)
            grey = (page.evaluate("() => grey") - clock) / 1000 - ended
        shown.close()
    ages = (seen[:, 0] - clock - seen[:, 1]) % (1 << mjpeg_sender.BITS)
    first = (seen[0, 0] - clock) / 1000 - first_taken
    p50, p95 = np.percentile(ages, (50, 95))
    said, said95 = np.percentile(seen[:, 2], (50, 95))
    return AgeFigures(len(seen), *map(float, (p50, p95, said, said95, first, grey)))


def rate(seconds: float, rounds: int) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Frames per second and processor time per second while people look on, by their number, each round.

    seconds: of a turn.
    """
    rates: dict[int, list[float]] = {count: [] for count in VIEWERS}
    cores: dict[int, list[float]] = {count: [] for count in VIEWERS}
    with _running(_FAST) as (process, port):
        time.sleep(_WARM)
        for number in range(rounds):
            for count in VIEWERS[:: 1 if number % 2 else -1]:
                with _looking(port, count):
                    time.sleep(1)
                    before, worked = _state(port), _worked(process.pid)
                    time.sleep(seconds)
                    after = _state(port)
                    past = after["now"] - before["now"]
                    rates[count].append((after["frames"] - before["frames"]) / past)
                    cores[count].append((_worked(process.pid) - worked) / past)
    return rates, cores


def memory(seconds: float, page: bool) -> dict[str, float]:
    """Resident memory of one run in units of 2^20 bytes: while 0, 1 and 5 people look on, one after another.

    Args:
        seconds: for each number of people.
        page: whether there is a page; without it, nobody looks on, and the same times are measured.
    """
    found = {}
    # A stream, because drawing a slide takes memory of its own; slow, so that a busy machine makes no difference.
    with sending(*_SENT[:2], 10.0) as (source, _), _running(source, page) as (process, port):
        time.sleep(_WARM)
        for count in VIEWERS:
            with _looking(port, count if page else 0):
                values = []
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    time.sleep(0.5)
                    values.append(_resident(process.pid))
            found[str(count)] = statistics.median(values)
    return found


@contextmanager
def _running(source: str, page: bool = True) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`edge-count start` in a process of its own, and the port of its page; 0 without one."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edge.count.cli", "start", f"{folder}/slide.session", "--camera", source]
        command += ["--target", "1000000", *(["--page", "127.0.0.1:0"] if page else [])]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        try:
            lines = iter(process.stderr)
            found = next((line for line in lines if line.startswith("The page: ")), "") if page else ":0"
            threading.Thread(target=lambda: list(lines), daemon=True).start()  # so that it never has to wait
            yield process, int(found.rpartition(":")[2].rstrip("/\n"))
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _looking(port: int, count: int) -> Iterator[None]:
    """So many people look on inside of the block."""
    ended = threading.Event()

    def watch() -> None:
        connection, number = http.client.HTTPConnection("127.0.0.1", port), 0
        while not ended.is_set():
            answer = _asked(connection, f"/live/picture?after={number}")
            number = int(answer.getheader("x-number") or number)

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while not ended.wait(_POLL):
            _asked(connection, "/live/state")

    threads = [threading.Thread(target=each) for each in (watch, ask) for _ in range(count)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        ended.set()
        for each in threads:
            each.join()


def _asked(connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer


def _state(port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/live/state")
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    return found


def _worked(process: int) -> float:
    """The processor time that a process has used, seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(process: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def table(found: PageFigures) -> str:
    """The figures as text for a terminal."""
    age, cost = found.age, found.cost
    nobody = cost.rate["0"]
    rows = [
        [
            count,
            f"{cost.rate[count]:.1f} [{cost.lowest[count]:.1f}, {cost.highest[count]:.1f}]",
            f"{100 * (1 - cost.rate[count] / nobody):.0f} %" if nobody else "-",
            f"{cost.cores[count]:.2f}",
            f"{cost.memory[count]:.0f}",
            f"{cost.memory[count] - cost.without[count]:.0f}",
        ]
        for count in cost.rate
    ]
    heads = ["people who look on", "frames a second", "fewer", "cores", "MB", "MB more than without the page"]
    return "\n".join(
        [
            f"{machine()}; load {found.load:.1f}.",
            f"In the browser: {age.pictures} pictures, {age.p50:.0f} ms old (median), {age.p95:.0f} ms (p95), from "
            "before they are encoded.",
            f"The page says {age.said:.0f} ms, {age.said95:.0f} ms (p95), from when they have arrived.",
            f"The first {age.first:.2f} s after the program's own; grey {age.grey:.2f} s after the stream has ended.",
            "",
            Table(heads, rows).text(),
        ]
    )
