"""Measures how much memory training takes on very many pictures. They are generated, as only their number matters."""

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

_DRAWN = 100  # pictures of each class that are drawn; all others are variations of these
_SHARES = (0.70, 0.15, 0.15)  # of the train, val and test splits
_PER_FOLDER = 1000  # pictures
_EVERY = 0.2  # seconds between two readings of a process's memory


@dataclass(frozen=True)
class Generated:
    """The generated data set.

    Attributes:
        seconds: time to generate it.
        megabytes: size of all pictures, in units of 2^20 bytes.
    """

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Training:
    """One run of a training command. A megabyte is 2^20 bytes.

    Attributes:
        seconds: duration of the whole process, including the reading of pictures.
        peak_megabytes: peak resident memory (ru_maxrss of getrusage). It includes libraries, and those parts of
            memory-mapped crops that the kernel frees if memory is short.
        own_megabytes: peak memory that isn't a copy of a file (RssAnon in /proc, read five times per second); None on
            systems without /proc.
    """

    seconds: float
    peak_megabytes: float
    own_megabytes: float | None


@dataclass(frozen=True)
class Memory:
    """All figures of `benchmark memory`.

    Attributes:
        pictures: number of pictures, by split.
        size: width of the pictures and of the network's input, in pixels.
        epochs: number of training epochs.
        data: the generated data set.
        training: the training run.
    """

    pictures: dict[str, int]
    size: int
    epochs: int
    data: Generated
    training: Training


def memory(pictures: int = 100_000, size: int = 64, epochs: int = 1, progress: Progress = silent) -> Memory:
    """Runs `train baseline` as a user does, in a process of its own, on generated pictures.

    Everything is written to a temporary folder (TMPDIR) and deleted at the end. Each picture takes about 4 kB, and its
    crop size x size x 3 bytes. The kernel's cache of files isn't counted as memory.

    Args:
        pictures: number of pictures.
        size: width of the pictures and of the network's input, in pixels.
        epochs: number of training epochs.
        progress: see edge.system.progress.

    Raises:
        UserError: if the temporary folder has no room, or if training fails.
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

    _DRAWN cells of each class are drawn. All pictures are these, turned, mirrored and in other stains, which takes
    0.1 ms per picture.

    Args:
        folder: the new folder for the data set: cells.csv and JPEG files.
        pictures: number of pictures.
        size: width and height in pixels.
        seed: seed of the random numbers; the same seed gives the same pictures.
        progress: see edge.system.progress.

    Returns:
        The number of pictures in each split, and the total size of the pictures in bytes.

    Raises:
        OSError: if the folder can't be written.
    """
    rng = np.random.default_rng(seed)
    look = drawing.Look(red_cell=0.22 * size)  # the usual proportion of drawn pictures: red cells of 56 in 256 pixels
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
            path = f"{i // _PER_FOLDER:03}/{i:06}.jpg"
            if i % _PER_FOLDER == 0:
                (folder / path).parent.mkdir()
            (folder / path).write_bytes(content)
            table.writerow([path, label, split, "generated"])
            counts[split] += 1
            written += len(content)
            progress("Writing pictures", i + 1, pictures)
    return counts, written


def _varied(drawn: Sequence[np.ndarray], rng: np.random.Generator) -> bytes:
    """One of the drawn pictures in another stain, turned and perhaps mirrored, as JPEG."""
    stain = np.exp(rng.normal(0, 0.15, 3))  # raising light to a power multiplies the optical density by that power
    levels = np.round(255 * (np.arange(256)[:, None] / 255) ** stain).astype(np.uint8)
    picture = np.rot90(drawn[int(rng.integers(_DRAWN))], int(rng.integers(4)))
    picture = cv2.LUT(np.ascontiguousarray(picture), levels[:, None, :])
    if rng.random() < 0.5:
        picture = cv2.flip(picture, 1)
    return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _run(command: Sequence[str], environment: dict[str, str]) -> Training:
    """Runs a command of this project in a process of its own. Its output goes to stderr.

    Args:
        command: a package of this project and its arguments.
        environment: environment variables to set.

    Raises:
        UserError: if the command fails.
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
        # This can't be less than the memory of this process when it started the other: some 100 MB. TensorFlow takes
        # far more.
        peak_megabytes=usage.ru_maxrss / 1024,
        own_megabytes=max(own) / 1024 or None,
    )


def _own_kilobytes(pid: int) -> int:
    """The memory of a process that isn't a copy of a file (RssAnon), in kilobytes; 0 if it is unknown."""
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
