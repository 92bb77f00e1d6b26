"""Does `edge-archive` lose a picture, or answer one twice, when processes and machines are killed? And how fast is it?

Pictures are repeated under other names, which needs no disk. They are answered three times: by one process of this
machine, by a cluster of Ray of three nodes, which are processes of this machine, too, and by such a cluster of which a
worker, a node and at last the command itself are killed at random moments; then the command is given again.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edge
from benchmarks.machine import machine
from edge.archive import table as rows
from edge.archive.run import LOG, ROWS
from edge.errors import UserError
from edge.output.tables import Table
from edge.system.apart import crash
from edge.system.progress import Progress, silent

NODES = 3
_SLIDES = 40  # folders of pictures
_STORE = 100_000_000  # bytes of Ray's store on each node
_PATIENCE = 0.2  # seconds between two looks at a run


@dataclass(frozen=True)
class Speed:
    """How fast a run was. Without the start of Ray and of the models, and without the first look at the site.

    Attributes:
        pictures: that were answered in that time.
        rate: pictures a second, of all processes together.
        own: the sum of what each process did a second while it worked.
        memory: by process, the megabytes that it held in the first and in the last third of its tasks (medians).
    """

    pictures: int
    rate: float
    own: float
    memory: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Archive:
    """All figures of `benchmark archive`.

    Attributes:
        pictures: number of pictures.
        seconds: of each run, from the start of the command to its end.
        speed: of each run without kills.
        kills: what was killed, and after how many pictures.
        lost: pictures that have no row after the kills.
        twice: rows that are there more than once.
        same: by run, whether its rows are those of one machine, to the byte.
        left: processes of a run that were still there after its end.
    """

    pictures: int
    seconds: dict[str, float]
    speed: dict[str, Speed]
    kills: list[tuple[str, int]]
    lost: int
    twice: int
    same: dict[str, bool]
    left: int


def archive(
    pictures: Sequence[str], count: int, seed: int = 0, whole: bool = False, progress: Progress = silent
) -> Archive:
    """Runs `edge-archive` as a user does, in a temporary folder (TMPDIR), which is removed at the end.

    Args:
        pictures: paths of pictures, which are repeated.
        count: number of pictures of the archive.
        seed: of the random moments.
        whole: each picture is taken as one cell, which is faster.
        progress: see edge.system.progress.

    Raises:
        UserError: if a run fails.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-archive-") as place:
        source = Path(place) / "fields"
        repeated(pictures, count, source)
        seconds: dict[str, float] = {}
        outs = {name: Path(place) / name.replace(" ", "-") for name in ("one process", "cluster", "with kills")}

        def clocked(name: str, address: str | None, kills: "Kills | None" = None) -> None:
            began, line = time.monotonic(), [str(source), "--out", str(outs[name])]
            line += ["--ray", address] if address else ["--jobs", "1"]
            line += ["--whole-image"] if whole else []
            _finish(line, outs[name], kills, lambda done: progress(f"Answering: {name}", done, count))
            seconds[name] = time.monotonic() - began

        clocked("one process", None)
        with cluster() as (address, _):
            clocked("cluster", address)
        with cluster() as (address, nodes):
            kills = Kills(count, random.Random(seed), nodes)
            clocked("with kills", address, kills)
        found = Counter(
            (row["source"], row.get("frame"), row.get("cell"))
            for folder in sorted((outs["with kills"] / ROWS).iterdir())
            for row in rows.read(folder, ["source", "frame", "cell"])
        )
        named = {str(path) for path in source.rglob("*.*")}
        return Archive(
            count,
            seconds,
            {name: speed(out / LOG) for name, out in outs.items() if name != "with kills"},
            kills.done,
            len(named - {source for source, _, _ in found}),
            sum(number - 1 for number in found.values()),
            {
                name: _same(outs["one process"] / ROWS, out / ROWS)
                for name, out in outs.items()
                if name != "one process"
            },
            len(_children(b"ray::")),
        )


def repeated(pictures: Sequence[str], count: int, target: Path) -> None:
    """Makes a folder with `count` pictures in some slides: links to copies of the given ones. Raises OSError."""
    originals = target.with_name("originals")
    originals.mkdir(parents=True)
    copies = [
        Path(shutil.copy(path, originals / f"{number}{Path(path).suffix}")) for number, path in enumerate(pictures)
    ]
    for slide in range(min(_SLIDES, count)):
        (target / f"slide-{slide:02}").mkdir(parents=True)
    for number in range(count):
        copy = copies[number % len(copies)]
        os.link(copy, target / f"slide-{number % _SLIDES:02}" / f"{number:07}{copy.suffix}")


@contextmanager
def cluster(nodes: int = NODES) -> Iterator[tuple[str, Any]]:
    """A cluster of Ray on this machine: its address, and what ends its nodes. Each node has a core for one worker."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(edge.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    )
    from ray.cluster_utils import Cluster

    each = {"num_cpus": 1, "object_store_memory": _STORE, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=each)
    try:
        for _ in range(nodes - 1):
            made.add_node(**each)
        yield made.address, made
    finally:
        made.shutdown()


class Kills:
    """Kills a worker, a node and the command at random moments, each once.

    Attributes:
        done: what was killed, and after how many pictures.
    """

    def __init__(self, count: int, rng: random.Random, nodes: Any) -> None:
        """count: number of pictures; nodes: from `cluster`."""
        # The first 1000 pictures of a site are one task; when they come back, the others begin.
        first = min(1000, count // 2)
        self._at = sorted(rng.randint(first, first + (count - first) * 8 // 10) for _ in range(2))
        self._rng, self._nodes, self._count = rng, nodes, count
        self.done: list[tuple[str, int]] = []

    def strike(self, pictures: int, command: subprocess.Popen[str]) -> None:
        """Called again and again. pictures: how many are answered."""
        step = len(self.done)
        if step == 0 and (workers := _children(b"ray::MapWorker")):  # at its first look, or while it opens the model
            self._killed("worker", pictures, self._rng.choice(workers))
        elif step == 1 and pictures >= self._at[0]:
            others = [node for node in self._nodes.list_all_nodes() if not node.head]
            self._nodes.remove_node(self._rng.choice(others), allow_graceful=False)
            self.done.append(("node", pictures))
        elif step == 2 and pictures >= self._at[0] and (workers := _children(b"ray::MapWorker")):
            self._killed("worker", pictures, self._rng.choice(workers))
        elif step == 3 and pictures >= self._at[1]:
            command.kill()
            self.done.append(("command", pictures))

    def _killed(self, what: str, pictures: int, process: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            self.done.append((what, pictures))


def _finish(line: Sequence[str], out: Path, kills: Kills | None, progress: Any) -> None:
    """Runs the command, again if it was killed. Raises UserError if it fails."""
    command = [sys.executable, "-m", "edge.archive", "run", *line]
    while True:
        killed = len(kills.done) if kills else 0
        with tempfile.TemporaryFile("w+") as said:
            with subprocess.Popen(command, stdout=said, stderr=said, text=True) as process:
                while process.poll() is None:
                    time.sleep(_PATIENCE)
                    done = sum(line["pictures"] for line in _lines(out / LOG))
                    progress(done)
                    if kills:
                        kills.strike(done, process)
            if process.returncode == 0:
                return
            said.seek(0)
            was_killed = kills is not None and len(kills.done) > killed and process.returncode == -signal.SIGKILL
            if not was_killed:
                how = crash(process.returncode) or f"exit code {process.returncode}"
                raise UserError(f"edge-archive failed ({how}): {said.read()[-2000:]}")


def speed(log: Path) -> Speed:
    """How fast a run was, by what each of its processes did. log: the file that edge-archive writes."""
    lines = [line for line in _lines(log) if not line["first_look"]]
    if not lines:
        return Speed(0, 0.0, 0.0, {})
    by_process = defaultdict(list)
    for line in lines:
        by_process[line["process"]].append(line)
    pictures = sum(line["pictures"] for line in lines)
    seconds = max(line["at"] for line in lines) - min(line["at"] - line["seconds"] for line in lines)
    own = sum(
        sum(line["pictures"] for line in each) / sum(line["seconds"] for line in each) for each in by_process.values()
    )
    memory = {name: _thirds([line["memory"] for line in each]) for name, each in by_process.items()}
    memory["edge-archive"] = _thirds([line["memory_here"] for line in lines])
    return Speed(pictures, pictures / seconds, own, memory)


def _thirds(values: Sequence[int]) -> tuple[float, float]:
    """The medians of the first and of the last third, megabytes."""
    some = max(1, len(values) // 3)
    return statistics.median(values[:some]) / 2**20, statistics.median(values[-some:]) / 2**20


def _lines(log: Path) -> list[dict[str, Any]]:
    try:
        text = log.read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files."""
    here, there = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*.parquet")} for top in (one, other)
    )
    return here == there


def _children(name: bytes) -> list[int]:
    """The processes of a name below this one."""
    parents, names = {}, {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            number = int(folder.name)
            parents[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[number] = (folder / "cmdline").read_bytes()

    def below(number: int) -> bool:
        while number > 1 and number != os.getpid():
            number = parents.get(number, 0)
        return number == os.getpid()

    return [number for number, said in names.items() if said.startswith(name) and below(number)]


def table(found: Archive) -> str:
    """The result as text for a terminal."""
    lines = []
    for name, seconds in found.seconds.items():
        line = [name, f"{seconds:.0f} s", f"{found.pictures / seconds:.0f}"]
        each = found.speed.get(name)
        share = (
            [f"{each.rate:.0f}", f"{each.own:.0f}", f"{100 * each.rate / each.own:.0f} %"] if each and each.own else []
        )
        lines.append([*line, *(share or ["-"] * 3)])
    heads = ["run", "whole", "pictures/s", "at work", "sum of the workers' own", "share"]
    memory = [
        [name if name == "edge-archive" else f"worker {number}", f"{first:.0f} MB", f"{last:.0f} MB"]
        for number, (name, (first, last)) in enumerate(found.speed["cluster"].memory.items(), 1)
    ]
    kills = ", ".join(f"a {what} after {pictures} pictures" for what, pictures in found.kills)
    same = all(found.same.values())
    return "\n".join(
        [
            str(machine()),
            f"{found.pictures} pictures, {NODES} nodes. Killed: {kills}.",
            f"{found.lost} lost, {found.twice} twice, {found.left} processes left; the rows are "
            f"{'those' if same else 'NOT those'} of one process, to the byte.",
            Table(heads, lines).text(),
            Table(["memory on the cluster", "first third", "last third"], memory).text(),
        ]
    )
