"""How much memory training takes on very many pictures. They are generated, since only their number matters."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine
from edge.errors import UserError, reason
from edge.simulator import drawing
from edge.system.progress import Progress, silent
from train.data.dataset import LABELS, SPLITS

_DRAWN = 100  # of each class; all other pictures are made of these
_SHARES = (0.70, 0.15, 0.15)  # of the splits
_A_FOLDER = 1000  # pictures
_EVERY = 0.2  # seconds between two readings of a process's memory


@dataclass(frozen=True)
class Generated:
    """The generated data set.

    Attributes:
        seconds: that generating it took.
        megabytes: on disk, of 2^20 bytes.
    """

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Training:
    """One run of a training command. A megabyte is 2^20 bytes.

    Attributes:
        seconds: of the whole process, reading included.
        peak_megabytes: most memory that was resident at once (ru_maxrss of getrusage). It includes libraries, and pages
            of memory-mapped crops that the kernel takes back where memory is short.
        own_megabytes: most memory that belonged to the process alone (RssAnon in /proc, read five times a second); None
            where there is no /proc.
    """

    seconds: float
    peak_megabytes: float
    own_megabytes: float | None


@dataclass(frozen=True)
class Memory:
    """All figures of `benchmark memory`.

    Attributes:
        pictures: how many, by split.
        size: width of a picture and of the network's input, pixels.
        epochs: of training.
        data: the generated data set.
        training: the run.
    """

    pictures: dict[str, int]
    size: int
    epochs: int
    data: Generated
    training: Training


def memory(pictures: int = 100_000, size: int = 64, epochs: int = 1, progress: Progress = silent) -> Memory:
    """Runs `train baseline` as a user does, in a process of its own, on generated pictures.

    All is written to a temporary folder (TMPDIR) and deleted: about 4 kB a picture, and size x size x 3 bytes for its
    crop. What the kernel keeps of files that were read or written isn't counted as memory.

    Args:
        pictures: how many.
        size: width of a picture and of the network's input, pixels.
        epochs: of training.
        progress: see edge.system.progress.

    Raises:
        UserError: where the temporary folder has no room, or where training fails.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-memory-") as place:
        folder, out, cache = (Path(place) / name for name in ("data", "out", "cache"))
        started = time.perf_counter()
        try:
            counts, written = generate(folder, pictures, size, progress=progress)
        except OSError as error:
            raise UserError(f"{folder} can't be written: {reason(error)}; set TMPDIR to a folder with room.") from error
        generated = Generated(time.perf_counter() - started, written / 2**20)
        options = ["--data", folder, "--out", out, "--crop", "whole-image", "--size", size, "--epochs", epochs]
        training = _run(["train", "baseline", *map(str, options)], {"XDG_CACHE_HOME": str(cache)})
    return Memory(counts, size, epochs, generated, training)


def generate(
    folder: Path, pictures: int, size: int, seed: int = 0, progress: Progress = silent
) -> tuple[dict[str, int], int]:
    """Writes a data set of generated pictures, half of each class, no two alike.

    A few are drawn. All others are these, turned, mirrored and in other stains, which takes 0.1 ms each.

    Args:
        folder: a new one; cells.csv and JPEG files are written there.
        pictures: how many.
        size: width and height in pixels.
        seed: the same one gives the same pictures.
        progress: see edge.system.progress.

    Returns:
        How many pictures are in each split, and how many bytes all of them have.

    Raises:
        OSError: where the folder can't be written.
    """
    rng = np.random.default_rng(seed)
    look = drawing.Look(red_cell=0.22 * size)  # as in the demo
    drawn = {kind: [drawing.picture(kind, rng, size, look) for _ in range(_DRAWN)] for kind in LABELS}
    ends = np.round(np.cumsum(_SHARES) * pictures)
    counts = dict.fromkeys(SPLITS, 0)
    written = 0
    folder.mkdir(parents=True)
    with (folder / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", "split", "source"])
        for i in range(pictures):
            label = LABELS[i % len(LABELS)]
            split = SPLITS[int(np.searchsorted(ends, i, side="right"))]
            content = _varied(drawn[label], rng)
            path = f"{i // _A_FOLDER:03}/{i:06}.jpg"
            if i % _A_FOLDER == 0:
                (folder / path).parent.mkdir()
            (folder / path).write_bytes(content)
            table.writerow([path, label, split, "generated"])
            counts[split] += 1
            written += len(content)
            progress("Writing pictures", i + 1, pictures)
    return counts, written


def _varied(drawn: Sequence[np.ndarray], rng: np.random.Generator) -> bytes:
    """One of the drawn pictures in another stain, turned and perhaps mirrored, as JPEG."""
    stain = np.exp(rng.normal(0, 0.15, 3))  # a power of the light is a factor of the optical density
    levels = np.round(255 * (np.arange(256)[:, None] / 255) ** stain).astype(np.uint8)
    picture = np.rot90(drawn[int(rng.integers(_DRAWN))], int(rng.integers(4)))
    picture = cv2.LUT(np.ascontiguousarray(picture), levels[:, None, :])
    if rng.random() < 0.5:
        picture = cv2.flip(picture, 1)
    return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _run(command: Sequence[str], environment: dict[str, str]) -> Training:
    """Runs a command of this project in a process of its own; what it prints goes to stderr.

    Raises:
        UserError: where it fails.
    """
    own: list[int] = []
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", *command], stdout=2, env=os.environ | environment) as process:
        ended = 0
        while not ended:
            own.append(_own_kilobytes(process.pid))
            time.sleep(_EVERY)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        how = f"was ended by signal {-process.returncode}" if process.returncode < 0 else "failed"
        raise UserError(f"`{' '.join(command[:2])}` {how}; see its messages above.")
    return Training(
        seconds=time.perf_counter() - started,
        # Never below what this process held when it started the other: some 100 MB, far below what TensorFlow takes.
        peak_megabytes=usage.ru_maxrss / 1024,
        own_megabytes=max(own) / 1024 or None,
    )


def _own_kilobytes(pid: int) -> int:
    """The memory of a process that is no copy of a file (RssAnon); 0 where the system doesn't tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


def table(result: Memory) -> str:
    """The result as text for a terminal."""
    training, data, own = result.training, result.data, result.training.own_megabytes
    counts = ", ".join(f"{n} {split}" for split, n in result.pictures.items())
    return "\n".join(
        [
            str(machine()),
            f"generated pictures      {counts}; {data.megabytes:.0f} MB in {data.seconds:.0f} s",
            f"train baseline          --size {result.size} --epochs {result.epochs}, {training.seconds:.0f} s",
            f"peak resident memory    {training.peak_megabytes:.0f} MB, with libraries and mapped files",
            f"the process's own part  {own:.0f} MB" if own else "the process's own part  unknown on this system",
        ]
    )
