"""How much memory does training take on very many pictures? They are generated: it's their number that counts."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.machine import machine, title
from edge.errors import UserError, reason
from edge.simulator import drawing
from train.data import LABELS, SPLITS

_DRAWN = 100  # of each class; the others are these in other stains and turned
_SHARES = (0.70, 0.15, 0.15)
_A_FOLDER = 1000  # pictures
_EVERY = 0.2  # seconds from one look at the process to the next


def memory(pictures: int = 100_000, size: int = 64, epochs: int = 1) -> dict:
    """`train baseline` as a user runs it, in a process of its own, on generated pictures of size x size pixels.

    -> {"pictures": counts by split, "size", "epochs", "data": {seconds, megabytes}, "training": {seconds,
    peak_megabytes, own_megabytes}}. A megabyte is 2^20 bytes. Seconds are the whole process's, reading included.

    peak_megabytes: the most that was resident at once, getrusage's ru_maxrss: libraries, and the pages of memory-mapped
    crops that happened to be in memory, among it; these the kernel takes back where memory is short. own_megabytes:
    the most that was the process's own (RssAnon of /proc, looked at five times a second), None where there is no /proc.
    What the kernel keeps of files that were read or written isn't counted.

    Everything is written to a temporary folder (TMPDIR) and deleted: about 4 kB a picture and size x size x 3 bytes for
    its crop. Raises UserError where that has no room, or where training fails.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-memory-") as place:
        folder, out, cache = (Path(place) / name for name in ("data", "out", "cache"))
        started = time.perf_counter()
        try:
            counts, written = generate(folder, pictures, size)
        except OSError as error:
            raise UserError(f"{folder} can't be written: {reason(error)}; set TMPDIR to a folder with room.") from error
        generated = time.perf_counter() - started
        options = ["--data", folder, "--out", out, "--crop", "whole-image", "--size", size, "--epochs", epochs]
        training = _run(["train", "baseline", *map(str, options)], {"XDG_CACHE_HOME": str(cache)})
    return {
        "pictures": counts,
        "size": size,
        "epochs": epochs,
        "data": {"seconds": generated, "megabytes": written / 2**20},
        "training": training,
    }


def generate(folder: Path, pictures: int, size: int, seed: int = 0) -> tuple[dict[str, int], int]:
    """Writes FOLDER/cells.csv and so many JPEG files of size x size pixels, no two alike; half of each class.

    A few are drawn; the others are these turned, mirrored, and in another stain, at 0.1 ms each. -> counts by split,
    bytes of all files. Raises OSError.
    """
    rng = np.random.default_rng(seed)
    look = drawing.Look(red_cell=0.22 * size)  # as in the demo
    drawn = {kind: [drawing.picture(kind, rng, size, look) for _ in range(_DRAWN)] for kind in LABELS}
    ends = np.round(np.cumsum(_SHARES) * pictures)
    levels = np.arange(256)[:, None] / 255
    counts = dict.fromkeys(SPLITS, 0)
    written = 0
    folder.mkdir(parents=True)
    with (
        (folder / "cells.csv").open("w", newline="", encoding="utf-8") as file,
        click.progressbar(range(pictures), label="Writing pictures", file=sys.stderr) as bar,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", "split", "source"])
        for i in bar:
            label = LABELS[i % len(LABELS)]
            split = SPLITS[int(np.searchsorted(ends, i, side="right"))]
            stain = np.exp(rng.normal(0, 0.15, 3))  # a power of the light is a factor of the density
            tables = np.round(255 * levels**stain).astype(np.uint8)
            picture = np.rot90(drawn[label][rng.integers(_DRAWN)], int(rng.integers(4)))
            picture = cv2.LUT(np.ascontiguousarray(picture), tables[:, None, :])
            if rng.random() < 0.5:
                picture = cv2.flip(picture, 1)
            data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
            path = f"{i // _A_FOLDER:03}/{i:06}.jpg"
            if i % _A_FOLDER == 0:
                (folder / path).parent.mkdir()
            (folder / path).write_bytes(data)
            table.writerow([path, label, split, "generated"])
            counts[split] += 1
            written += len(data)
    return counts, written


def _run(command: list[str], environment: dict[str, str]) -> dict:
    """A command of this project in a process of its own, its talk on stderr -> seconds and megabytes."""
    own: list[int] = []
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", *command], stdout=2, env=os.environ | environment) as process:
        ended = 0
        while not ended:
            own.append(_own(process.pid))
            time.sleep(_EVERY)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        how = f"was ended by signal {-process.returncode}" if process.returncode < 0 else "failed"
        raise UserError(f"`{' '.join(command[:2])}` {how}; what it said stands above.")
    return {
        "seconds": time.perf_counter() - started,
        # Never below what this process held when it started the other: some 100 MB, far below TensorFlow's.
        "peak_megabytes": usage.ru_maxrss / 1024,
        "own_megabytes": max(own) / 1024 or None,
    }


def _own(pid: int) -> int:
    """Kilobytes of a process that no file stands behind (RssAnon), 0 where that isn't told."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


def table(result: dict) -> str:
    training, data = result["training"], result["data"]
    own = training["own_megabytes"]
    counts = ", ".join(f"{n} {split}" for split, n in result["pictures"].items())
    return "\n".join(
        [
            title(machine()),
            f"generated pictures      {counts}; {data['megabytes']:.0f} MB in {data['seconds']:.0f} s",
            f"train baseline          --size {result['size']} --epochs {result['epochs']}, {training['seconds']:.0f} s",
            f"peak resident memory    {training['peak_megabytes']:.0f} MB, libraries and mapped files included",
            f"of it the process's own {own:.0f} MB" if own else "of it the process's own not told by this system",
        ]
    )
