"""How long `edge-classify` takes as a user runs it, in a process of its own, and how much memory."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ranges import Range, spread
from edge.errors import UserError

COLD_RUNS, MANY_RUNS = 7, 3  # how often the command is run on one picture, and on many


@dataclass(frozen=True)
class Process:
    """One process, from its start to its end.

    Attributes:
        seconds: that it took.
        megabytes: of its memory that were in use at once, at most.
    """

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Processes:
    """The same command several times.

    Attributes:
        seconds: from start to end.
        megabytes: peak memory; here `value` is the highest.
        runs: how many times.
    """

    seconds: Range
    megabytes: Range
    runs: int


def classify(model: Path, files: Sequence[str], threads: int = 1) -> Process:
    """Runs `edge-classify` on a list of pictures. Raises UserError where it fails."""
    command = [sys.executable, "-m", "edge", "-", "--model", str(model), "--json", os.devnull]
    return timed([*command, "--threads", str(threads)], listed(files))


def timed(command: Sequence[str], stdin: str = "", core: int | None = None) -> Process:
    """Runs a command from start to end, alone (see timed_child.py).

    Args:
        command: the program and its arguments.
        stdin: what it reads from standard input.
        core: the only one that it may use; None for all.

    Raises:
        UserError: where the command fails.
    """
    read, write = os.pipe()
    child = [sys.executable, "-I", "-S", str(Path(__file__).with_name("timed_child.py")), str(write)]
    child += ["-" if core is None else str(core), *command]
    try:
        done = subprocess.run(child, input=stdin.encode(), capture_output=True, pass_fds=(write,))
        os.close(write)
        seconds, kilobytes = os.read(read, 100).split() or (b"0", b"0")
    finally:
        os.close(read)
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip() or "it printed nothing"
        raise UserError(f"`{' '.join(command[:3])}` failed: {message.splitlines()[-1]}")
    return Process(float(seconds), int(kilobytes) / 1024)


def cold(models: Sequence[Path], file: str) -> dict[str, Processes]:
    """One picture from a cold start, with the disk's cache warm; the models take turns. Result by model."""
    found: dict[str, list[Process]] = {model.stem: [] for model in models}
    for i in range(COLD_RUNS + 1):
        for model in models:
            process = classify(model, [file])
            if i:  # the first fills the disk's cache
                found[model.stem].append(process)
    return {name: _summary(each) for name, each in found.items()}


def many(models: Sequence[Path], files: Sequence[str], count: int) -> dict[str, Processes]:
    """`count` pictures in one process, start included; the models take turns. Result by model.

    Where there are fewer files, they are answered again and again.
    """
    pictures = [files[i % len(files)] for i in range(count)]
    found: dict[str, list[Process]] = {model.stem: [] for model in models}
    for _ in range(MANY_RUNS):
        for model in models:
            found[model.stem].append(classify(model, pictures))
    return {name: _summary(each) for name, each in found.items()}


def _summary(processes: Sequence[Process]) -> Processes:
    megabytes = [each.megabytes for each in processes]
    return Processes(
        seconds=spread([each.seconds for each in processes]),
        megabytes=Range(max(megabytes), min(megabytes), max(megabytes)),
        runs=len(processes),
    )


def last_core() -> int | None:
    """A core that a command can be bound to; None where the system can't bind it."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def listed(files: Sequence[str]) -> str:
    """A list of pictures for standard input. `edge-classify` answers each path once, so a picture that is wanted again
    is named by another spelling of its path.
    """
    seen: dict[str, int] = {}
    lines = []
    for file in files:
        seen[file] = seen.get(file, -1) + 1
        path = Path(file).resolve()
        lines.append(f"{path.parent}{'/.' * seen[file]}/{path.name}")
    return "\n".join(lines) + "\n"
