"""Compares how fast the same network is in several runtimes, and whether the answers agree.

Each runtime gets the network in the formats that it reads. The other runtimes are installed in environments of their
own (`make rivals`). Each of them runs as a process (rival.py); only one process at a time has work to do.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.interleaved import ROUNDS, short_turns, timing, turn_count
from benchmarks.machine import Watch
from benchmarks.pictures import spread
from benchmarks.ranges import Range
from benchmarks.rivals.comparison import Comparison, Contender, Settings
from edge.errors import UserError
from edge.model import Model
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from train import compare
from train.data import crop_cache, dataset

RIVALS = Path(".rivals")
UNITS = {
    "milliseconds": "per picture, median",
    "load": "seconds to open and run the first picture",
    "megabytes": "peak",
}
_CALIBRATION = 400  # training pictures for int8's ranges, as many as `convert` uses
_KINDS = ("float32", "int8")
_HERE = Path(__file__).parent

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Runtimes(Comparison):
    """All figures of `benchmark runtimes`.

    Attributes:
        network: name of the network, such as "compact".
        pictures: number of pictures.
        fastest: the contender with the lowest median time, by kind of file.
    """

    network: str
    pictures: int
    fastest: dict[str, str]


class MissingError(Exception):
    """A contender can't be measured; the message says why."""


@dataclass
class Worker:
    """A process that has opened the network in one runtime, and waits for work.

    Attributes:
        runtime: a key of rival.RUNTIMES.
        environment: the runtime's folder in the folder of environments; "" for the environment of this process.
        file: the network in a format that the runtime reads.
        load: seconds to open the file and run the first picture.
        version: version of the runtime.
        process: the process; None before it is started.
        messages: a file that collects what the process prints on stderr. A pipe that nobody reads would fill up and
            block the process.
    """

    runtime: str
    environment: str
    file: Path
    load: float = 0.0
    version: str = ""
    process: Any = field(default=None, repr=False)
    messages: Any = field(default=None, repr=False)

    def start(self, rivals: Path, crops: Path, threads: int) -> Self:
        """Starts the process.

        Args:
            rivals: the folder that `make rivals` made, with the environments.
            crops: a .npy file, uint8 [n, size, size, 3].
            threads: number of threads of the network.

        Raises:
            MissingError: if the environment is missing, or if the runtime can't open the file.
        """
        python = rivals / self.environment / "bin" / "python" if self.environment else Path(sys.executable)
        if not python.exists():
            raise MissingError(f"{python.parent.parent} is missing: run `make rivals`")
        self.messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, "-I", _HERE / "rival.py", self.runtime, self.file, crops, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.messages, text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        started = self._answer()
        self.load, self.version = started["load"], started["version"]
        return self

    def run(self, crops: range) -> list[float]:
        """Runs the network on these crops, and returns the seconds of each."""
        self.process.stdin.write(f"{crops.start} {crops.stop}\n")
        self.process.stdin.flush()
        seconds: list[float] = self._answer()
        return seconds

    def end(self) -> tuple[float, np.ndarray]:
        """Ends the process.

        Returns:
            Its peak memory in units of 2^20 bytes, and the probabilities of all crops, float [n, classes].
        """
        self.process.stdin.close()
        last = self._answer()
        return last["megabytes"], np.array(last["answers"])

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.messages.seek(0)
            lines = self.messages.read().strip().splitlines() or ["it ended without a message"]
            raise MissingError(lines[-1][:200])
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            for file in (self.process.stdin, self.process.stdout, self.messages):
                file.close()


@dataclass(frozen=True)
class Options:
    """How runtimes are compared.

    Attributes:
        count: number of test pictures.
        threads: number of threads of the network.
        rounds: number of rounds in which the runtimes take turns.
        rivals: the folder that `make rivals` made, with the environments of the other runtimes.
    """

    count: int = 200
    threads: int = 1
    rounds: int = ROUNDS
    rivals: Path = RIVALS


def runtimes(folder: Path, run: Path, options: Options | None = None, progress: Progress = silent) -> Runtimes:
    """Compares runtimes on crops of test cells.

    Args:
        folder: a data set.
        run: a folder that `train` wrote, with the float32 and the int8 file that `convert` put into it.
        options: how they are compared; None for the defaults.
        progress: see edge.system.progress.

    Raises:
        UserError: if `run` isn't a training run, if one of the two files is missing, or if no other runtime is
            installed.
    """
    options = options or Options()
    network = compare.read(run).network
    files = {kind: run / f"{network}-{kind}.tflite" for kind in _KINDS}
    for kind, file in files.items():
        if not file.is_file():
            raise UserError(f"{file} is missing; make it with `convert --{kind} {run}`.")
    if not (options.rivals / "runtimes" / "bin" / "python").exists():
        raise UserError(
            f"{options.rivals / 'runtimes'} is missing: run `make rivals`, which installs the other runtimes."
        )
    own = Model(files["float32"])
    examples = dataset.read(folder)
    with tempfile.TemporaryDirectory(prefix="benchmark-runtimes-") as place, ExitStack() as stack:
        crops = Path(place) / "crops.npy"
        chosen = spread(dataset.only(examples, "test"), options.count)
        np.save(crops, crop_cache.crops(folder, chosen, own.size, own.policy, progress=progress))
        calibration = Path(place) / "calibration.npy"
        learned = spread(dataset.only(examples, "train"), _CALIBRATION)
        np.save(calibration, crop_cache.crops(folder, learned, own.size, own.policy, progress=progress))
        missing = _write_formats(options.rivals, run, calibration, Path(place))
        workers: dict[str, Worker] = {}
        for (title, kind), worker in _workers(files, Path(place)).items():
            try:
                started = stack.enter_context(worker).start(options.rivals, crops, options.threads)
                workers[f"{title} {started.version}, {kind}"] = started
            except MissingError as error:
                missing[f"{title}, {kind}"] = str(error)
        with Watch() as watch:
            seconds = _race(workers, len(chosen), options.rounds, progress)
        ended = {name: worker.end() for name, worker in workers.items()}
    return Runtimes(
        network=network,
        pictures=len(chosen),
        settings=Settings(threads=options.threads, rounds=options.rounds),
        contenders=_contenders(workers, seconds, ended),
        units=UNITS,
        missing=missing,
        fastest=_fastest(seconds),
        state=watch.conditions,
    )


def _write_formats(rivals: Path, run: Path, calibration: Path, place: Path) -> dict[str, str]:
    """Writes the network in the other runtimes' formats.

    Args:
        rivals: the folder that `make rivals` made.
        run: a folder that `train` wrote.
        calibration: a .npy file with crops of training pictures, from which int8's ranges are chosen.
        place: folder for the new files.

    Returns:
        For each file that could not be written, why.

    Raises:
        UserError: if no file could be written at all.
    """
    logger.info("Converting for the other runtimes")
    python = rivals / "runtimes" / "bin" / "python"
    done = subprocess.run(
        [python, "-I", _HERE / "rival_files.py", run / "model.keras", calibration, place],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a message"]
        raise UserError(f"The other runtimes' files can't be made: {lines[-1]}; run `make rivals` again.")
    missing: dict[str, str] = json.loads(done.stdout)
    return missing


def _workers(files: Mapping[str, Path], place: Path) -> dict[tuple[str, str], Worker]:
    """The workers by (runtime, kind of file). If a runtime can't read its file, its worker fails when it is started.

    files: the .tflite files, by kind; place: the folder with the other formats.
    """
    result = {("LiteRT", kind): Worker("litert", "", file) for kind, file in files.items()}
    result |= {("tflite-runtime", kind): Worker("tflite-runtime", "tflite", file) for kind, file in files.items()}
    names = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "OpenCV dnn": "opencv"}
    for title, runtime in names.items():
        for kind in files:
            result[title, f"{kind} ONNX"] = Worker(runtime, "runtimes", place / f"{kind}.onnx")
            if runtime != "onnxruntime":
                result[title, f"{kind} TFLite"] = Worker(runtime, "runtimes", files[kind])
    result["ncnn", "float32"] = Worker("ncnn", "runtimes", place / "float32.ncnn.param")
    return {name: worker for name, worker in result.items() if worker.file.is_file()}


def _race(workers: Mapping[str, Worker], count: int, rounds: int, progress: Progress) -> dict[str, np.ndarray]:
    """Lets the workers take turns, and returns the seconds per picture of each worker, float [rounds, count]."""
    seconds = {name: np.zeros((rounds, count)) for name in workers}
    turns = turn_count(len(workers), count, rounds)
    for done, (number, name, crops) in enumerate(short_turns(list(workers), count, rounds)):
        seconds[name][number, crops.start : crops.stop] = workers[name].run(crops)
        progress("Taking turns", done + 1, turns)
    return seconds


def _contenders(
    workers: Mapping[str, Worker], seconds: Mapping[str, np.ndarray], ended: Mapping[str, tuple[float, np.ndarray]]
) -> dict[str, Contender]:
    """The figures of each runtime, the fastest first. ended: peak memory and probabilities, by name."""
    reference = next(iter(ended.values()))[1].argmax(axis=1)
    result = {}
    for name, worker in sorted(workers.items(), key=lambda item: float(np.median(seconds[item[0]]))):
        megabytes, answers = ended[name]
        same = int((answers.argmax(axis=1) == reference).sum())
        result[name] = Contender(
            milliseconds=timing(seconds[name]),
            load=Range(worker.load, worker.load, worker.load),
            megabytes=Range(megabytes, megabytes, megabytes),
            answers=f"{same} of {len(reference)} as LiteRT's float32",
        )
    return result


def _fastest(seconds: Mapping[str, np.ndarray]) -> dict[str, str]:
    result = {}
    for kind in _KINDS:
        medians = {name: float(np.median(each)) for name, each in seconds.items() if f", {kind}" in name}
        if medians:
            result[kind] = min(medians, key=lambda name: medians[name])
    return result


def table(result: Runtimes) -> str:
    """The result as text for a terminal."""
    heads = ["", "ms", "low to high", "p95", "open s", "MB", "answers"]
    rows: list[Sequence[str]] = []
    for name, each in result.contenders.items():
        time, load, megabytes = each.milliseconds, each.load, each.megabytes
        assert time and load and megabytes
        rows.append(
            [
                name,
                f"{time.value:.3f}",
                f"{time.low:.3f} to {time.high:.3f}",
                f"{time.p95:.3f}",
                f"{load.value:.2f}",
                f"{megabytes.value:.0f}",
                each.answers,
            ]
        )
    threads = result.settings.threads
    return "\n".join(
        [
            *result.state.notes(),
            f"{result.network}, {result.pictures} pictures, {threads} thread{'' if threads == 1 else 's'}",
            Table(heads, rows).text(),
            *(f"{name}: not measured, {why}" for name, why in result.missing.items()),
            *(f"Fastest {kind}: {name}" for kind, name in result.fastest.items()),
        ]
    )
