"""Measures the time and memory of `edge-classify` as a user runs it: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ranges import Range, spread
from edge.errors import UserError
from edge.system.progress import Progress, followed, silent

COLD_RUNS, MANY_RUNS = 7, 3  # how often the command is measured with one picture, and with many


@dataclass(frozen=True)
class Process:
    """One process, from its start to its end.

    Attributes:
        seconds: duration.
        megabytes: peak memory, in units of 2^20 bytes; of the largest, if it started others.
        cpu: seconds of processor time, with those of the processes that it started.
    """

    seconds: float
    megabytes: float
    cpu: float = 0.0


@dataclass(frozen=True)
class Processes:
    """Several runs of the same command.

    Attributes:
        seconds: duration from start to end.
        megabytes: peak memory in units of 2^20 bytes; `value` is the highest of all runs, not the median.
        runs: number of runs.
    """

    seconds: Range
    megabytes: Range
    runs: int


def classify(model: Path, files: Sequence[str], threads: int = 1, jobs: int = 1) -> Process:
    """Runs `edge-classify` on a list of pictures. Raises UserError if it fails."""
    command = [sys.executable, "-m", "edge", "-", "--model", str(model), "--json", os.devnull, "--jobs", str(jobs)]
    return timed([*command, "--threads", str(threads)], listed(files))


def timed(command: Sequence[str], stdin: str = "", core: int | None = None, checkout: Path | None = None) -> Process:
    """Runs a command and measures its time and memory, without those of this process (see timed_child.py).

    Args:
        command: the program and its arguments.
        stdin: text for its standard input.
        core: number of the only core that it may use; None for all cores.
        checkout: another checkout of this project, whose modules it imports; None for this one.

    Raises:
        UserError: if the command fails.
    """
    read, write = os.pipe()
    child = [sys.executable, "-I", "-S", str(Path(__file__).with_name("timed_child.py")), str(write)]
    child += ["-" if core is None else str(core), *command]
    try:
        root = checkout or Path(__file__).parents[1]
        paths = os.pathsep.join(filter(None, [str(root.resolve()), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": paths}
        # So that the first run leaves the byte code that an installation has; without it, each start compiles the code.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(
            child,
            input=stdin.encode(),
            capture_output=True,
            pass_fds=(write,),
            env=environment,
            cwd=checkout,
        )
        os.close(write)
        seconds, kilobytes, cpu = os.read(read, 100).split() or (b"0", b"0", b"0")
    finally:
        os.close(read)
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip() or "it printed nothing"
        raise UserError(f"`{' '.join(command[:3])}` failed: {message.splitlines()[-1]}")
    return Process(float(seconds), int(kilobytes) / 1024, float(cpu))


def cold(models: Sequence[Path], file: str, progress: Progress = silent) -> dict[str, Processes]:
    """Runs the command on one picture, with the files already in the disk cache.

    The models take turns. The result is by name of the model.
    """
    found: dict[str, list[Process]] = {model.stem: [] for model in models}
    for i in followed(range(COLD_RUNS + 1), "The command on one picture", progress):
        for model in models:
            process = classify(model, [file])
            if i:  # the first run only fills the disk cache
                found[model.stem].append(process)
    return {name: _summary(each) for name, each in found.items()}


def many(
    models: Sequence[Path], files: Sequence[str], count: int, progress: Progress = silent, jobs: int = 1
) -> dict[str, Processes]:
    """Runs the command on `count` pictures by `jobs` processes; the time includes its start.

    If there are fewer files, they are used repeatedly. The models take turns. The result is by name of the model.
    """
    pictures = [files[i % len(files)] for i in range(count)]
    found: dict[str, list[Process]] = {model.stem: [] for model in models}
    for _ in followed(range(MANY_RUNS), "The command on many pictures", progress):
        for model in models:
            found[model.stem].append(classify(model, pictures, jobs=jobs))
    return {name: _summary(each) for name, each in found.items()}


def _summary(processes: Sequence[Process]) -> Processes:
    megabytes = [each.megabytes for each in processes]
    return Processes(
        seconds=spread([each.seconds for each in processes]),
        megabytes=Range(max(megabytes), min(megabytes), max(megabytes)),
        runs=len(processes),
    )


def last_core() -> int | None:
    """The highest-numbered core that this process may use; None if the system can't bind processes to cores."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def listed(files: Sequence[str]) -> str:
    """A list of pictures for the standard input of `edge-classify`, one path per line.

    `edge-classify` answers each path once. If a picture is listed several times, its path is therefore spelled in
    another way each time ("folder/a.jpg", "folder/./a.jpg").
    """
    seen: dict[str, int] = {}
    lines = []
    for file in files:
        seen[file] = seen.get(file, -1) + 1
        path = Path(file).resolve()
        lines.append(f"{path.parent}{'/.' * seen[file]}/{path.name}")
    return "\n".join(lines) + "\n"
