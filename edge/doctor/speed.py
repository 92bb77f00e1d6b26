"""How fast the whole command `edge-classify` is on this machine, in a file that a person can send to us.

Drawn pictures are answered, so that nothing but the installed package is needed, and every machine answers the same.
"""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge import __version__
from edge.errors import UserError
from edge.simulator import drawing
from edge.system import apart, board, memory
from edge.workers.process import most

FORMAT = 1  # of the file: to be raised when its figures mean something else
_PACKAGES = ("ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless", "pillow", "simplejpeg")
_FIELDS, _CELLS = 12, 24  # different pictures that are drawn
_FEWEST, _MOST = 48, 960  # pictures that are answered at once
_SECONDS = 7.0  # about how long each of the measurements of many pictures takes
_COLD = 3  # how often the command is started for one picture


@dataclass(frozen=True)
class Rate:
    """Many pictures, answered by one command; its start and the measuring of red cells are included.

    Attributes:
        pictures: number of pictures.
        seconds: from the start of the command to its end.
        per_second: pictures a second.
        megabytes: peak memory of the largest of its processes, in units of 2^20 bytes.
    """

    pictures: int
    seconds: float
    per_second: float
    megabytes: float


@dataclass(frozen=True)
class BoardSpeed:
    """What is written about one machine.

    Attributes:
        board: its name, as it gives it itself.
        raspberry_pi: whether it says that it is a Raspberry Pi.
        cores: number of cores that may be used.
        megabytes: memory that may be used.
        system: operating system and architecture.
        python: version of Python.
        version: of edge-classify.
        packages: versions of the packages that matter for speed, by name.
        celsius: temperature before and after; None if the machine doesn't say.
        cold: seconds from the start of the command to its end, for one field; the median of three.
        fields: fields of 640x480 pixels, by one process.
        fields_all_cores: the same by a process for each core.
        whole_image: pictures of one cell, 256x256, with --whole-image, by one process.
        format: FORMAT.
    """

    board: str
    raspberry_pi: bool
    cores: int
    megabytes: int
    system: str
    python: str
    version: str
    packages: dict[str, str]
    celsius: tuple[float | None, float | None]
    cold: float
    fields: Rate
    fields_all_cores: Rate
    whole_image: Rate
    format: int = field(default=FORMAT)

    @property
    def file_name(self) -> str:
        return f"edge-speed-{board.file_name(self.board)}"

    def document(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def speed(tell: Callable[[str], None] = lambda _: None) -> BoardSpeed:
    """Measures this machine, in about a minute. tell: gets a sentence before each part.

    Raises:
        UserError: if edge-classify doesn't work here.
    """
    before = _celsius()
    with tempfile.TemporaryDirectory() as folder:
        tell("Drawing pictures.")
        fields, cells = _drawn(Path(folder))
        tell("Starting edge-classify for one picture.")
        _timed(fields[:1], 1)  # fills the disk cache
        cold = statistics.median(_timed(fields[:1], 1)[0] for _ in range(_COLD))
        count = _enough(fields, cold)
        tell(f"Answering {count} fields by one process.")
        one = _rate(fields, count, 1)
        tell(f"Answering {count} fields by {most()}.")
        every = _rate(fields, count, most())
        single = _enough(cells, cold, "--whole-image")
        tell(f"Answering {single} pictures of one cell with --whole-image.")
        whole = _rate(cells, single, 1, "--whole-image")
    pi = board.raspberry_pi()
    return BoardSpeed(
        board=pi or board.processor(),
        raspberry_pi=bool(pi),
        cores=most(),
        megabytes=int(min(memory.limit(), 2**60) // 2**20),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        version=__version__,
        packages=dict(_versions()),
        celsius=(before, _celsius()),
        cold=round(cold, 3),
        fields=one,
        fields_all_cores=every,
        whole_image=whole,
    )


def _drawn(folder: Path) -> tuple[list[str], list[str]]:
    """Writes the pictures: fields with two or three white cells, and single cells."""
    rng = np.random.default_rng(0)
    fields, cells = [], []
    for number in range(_FIELDS):
        fields.append(str(folder / f"field-{number}.jpg"))
        Image.fromarray(drawing.field(rng, 2 + number % 2)[0]).save(fields[-1], quality=90)
    for number in range(_CELLS):
        cells.append(str(folder / f"cell-{number}.jpg"))
        kind = drawing.WHITE[number % len(drawing.WHITE)]
        Image.fromarray(drawing.picture(kind, rng)).save(cells[-1], quality=90)
    return fields, cells


def _enough(pictures: Sequence[str], cold: float, *options: str) -> int:
    """How many pictures are answered in about _SECONDS. cold: seconds that one picture takes."""
    seconds = _timed(_repeated(pictures, _FEWEST), 1, *options)[0]
    return round(min(_MOST, max(_FEWEST, _FEWEST * (_SECONDS - cold) / max(seconds - cold, 0.05))))


def _rate(pictures: Sequence[str], count: int, jobs: int, *options: str) -> Rate:
    seconds, megabytes = _timed(_repeated(pictures, count), jobs, *options)
    return Rate(count, round(seconds, 3), round(count / seconds, 2), round(megabytes, 1))


def _repeated(pictures: Sequence[str], count: int) -> list[str]:
    """So many paths: each path is answered once, so those that are repeated are spelled differently."""
    paths = [Path(each) for each in pictures]
    return [
        f"{paths[i % len(paths)].parent}{'/.' * (i // len(paths))}/{paths[i % len(paths)].name}" for i in range(count)
    ]


def _timed(pictures: Sequence[str], jobs: int, *options: str) -> tuple[float, float]:
    """Seconds and peak megabytes of edge-classify for these pictures. Raises UserError if it fails."""
    command = [*apart.command("edge", "-", "--json", os.devnull, "--jobs", str(jobs)), *options]
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=apart.environment()
    ) as child:
        assert child.stdin and child.stderr
        child.stdin.write("\n".join(pictures).encode())
        child.stdin.close()
        said = child.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = said.strip().splitlines()[-1:] or ["it said nothing."]
        raise UserError(f"edge-classify doesn't work here, so its speed can't be measured: {last[0]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def _celsius() -> float | None:
    """The temperature of the hottest sensor; None if there is none."""
    found = (board.text(zone / "temp") for zone in Path("/sys/class/thermal").glob("thermal_zone*"))
    return max((int(each) / 1000 for each in found if each and each.lstrip("-").isdigit()), default=None)


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
