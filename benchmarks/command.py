"""`edge-classify` as a user runs it, a process of its own: how long, and how much memory?"""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import UserError

RUNS = 7


def run(model: Path, files: Sequence[str], threads: int = 1) -> tuple[float, float]:
    """One process that reads the list on its standard input -> (seconds from start to end, peak megabytes).

    Raises UserError where it fails.
    """
    command = [
        sys.executable,
        "-m",
        "edge",
        "-",
        "--model",
        str(model),
        "--json",
        os.devnull,
        "--threads",
        str(threads),
    ]
    return timed(command, listed(files))


def timed(command: Sequence[str], stdin: str = "", core: int | None = None) -> tuple[float, float]:
    """A command from start to end -> (seconds, peak megabytes of it alone). core: the only one that it may use.

    Raises UserError where it fails.
    """
    read, write = os.pipe()
    clocked = [sys.executable, "-I", "-S", str(Path(__file__).with_name("clocked.py")), str(write)]
    clocked += ["-" if core is None else str(core), *command]
    try:
        done = subprocess.run(clocked, input=stdin.encode(), capture_output=True, pass_fds=(write,))
        os.close(write)
        seconds, kilobytes = os.read(read, 100).split() or (b"0", b"0")
    finally:
        os.close(read)
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip() or "without a word"
        raise UserError(f"`{' '.join(command[:3])}` failed: {message.splitlines()[-1]}")
    return float(seconds), int(kilobytes) / 1024


def cold(models: Sequence[Path], file: str, runs: int = RUNS) -> dict[str, dict]:
    """One picture from cold, the disk's cache warm; the models take turns -> {name: {"seconds", "megabytes"}}.

    Each a figure of "value" (median; of megabytes the highest), "low" and "high".
    """
    found: dict[str, list[tuple[float, float]]] = {model.stem: [] for model in models}
    for i in range(runs + 1):
        for model in models:
            measured = run(model, [file])
            if i:  # the first warms the disk's cache
                found[model.stem].append(measured)
    return {name: _figures(each) for name, each in found.items()}


def many(models: Sequence[Path], files: Sequence[str], count: int, runs: int = 3) -> dict[str, dict]:
    """`count` pictures in one process, over and over the same where there are fewer; the models take turns.

    -> {name: {"seconds", "megabytes"}} as cold(); seconds with the start.
    """
    pictures = [files[i % len(files)] for i in range(count)]
    found: dict[str, list[tuple[float, float]]] = {model.stem: [] for model in models}
    for _ in range(runs):
        for model in models:
            found[model.stem].append(run(model, pictures))
    return {name: _figures(each) for name, each in found.items()}


def _figures(measured: Sequence[tuple[float, float]]) -> dict:
    seconds, megabytes = zip(*measured, strict=True)
    return {
        "seconds": {"value": statistics.median(seconds), "low": min(seconds), "high": max(seconds)},
        "megabytes": {"value": max(megabytes), "low": min(megabytes), "high": max(megabytes)},
        "runs": len(measured),
    }


def core() -> int | None:
    """A core that a command can be bound to; None where the system binds none."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def listed(files: Sequence[str]) -> str:
    """A list for standard input. The runner answers a picture once, so a second naming gets another spelling."""
    seen: dict[str, int] = {}
    result = []
    for file in files:
        seen[file] = seen.get(file, -1) + 1
        path = Path(file).resolve()
        result.append(f"{path.parent}{'/.' * seen[file]}/{path.name}")
    return "\n".join(result) + "\n"
