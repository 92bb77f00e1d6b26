"""Which runtime is the fastest with the same network? Each at its own best, float and int8, answers compared.

Rivals live in environments of their own (`make rivals`) and run as processes (benchmarks/rival.py), of which one at a
time has work.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import click
import numpy as np

from benchmarks import machine
from benchmarks.interleaved import ROUNDS, figure, turns
from benchmarks.pictures import spread
from edge.errors import UserError
from edge.model import Model
from train import compare, data

RIVALS = Path(".rivals")
_CALIBRATION = 400  # training pictures, as many as `convert` takes
_HERE = Path(__file__).parent
UNITS = {"milliseconds": "a picture, median", "load": "seconds to open and the first picture", "megabytes": "peak"}


@dataclass
class Worker:
    """A runtime with a file, as a process that waits for work. environment: of RIVALS, "" for this one."""

    runtime: str
    environment: str
    file: Path
    load: float = 0.0
    version: str = ""
    process: Any = field(default=None, repr=False)
    talk: Any = field(default=None, repr=False)

    def start(self, rivals: Path, crops: Path, threads: int) -> Self:
        python = rivals / self.environment / "bin" / "python" if self.environment else Path(sys.executable)
        if not python.exists():
            raise Missing(f"{python.parent.parent} is missing: run `make rivals`")
        self.talk = tempfile.TemporaryFile("w+")  # noqa: SIM115
        # Not a pipe, which nobody reads, so that it would fill up and stop the process.
        self.process = subprocess.Popen(
            [python, "-I", _HERE / "rival.py", self.runtime, self.file, crops, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.talk, text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        told = self._answer()
        self.load, self.version = told["load"], told["version"]
        return self

    def run(self, some: range) -> list[float]:
        """-> the seconds of these crops."""
        self.process.stdin.write(f"{some.start} {some.stop}\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> tuple[float, np.ndarray]:
        """-> peak megabytes, probabilities float [n, classes]."""
        self.process.stdin.close()
        told = self._answer()
        return told["megabytes"], np.array(told["answers"])

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.talk.seek(0)
            words = self.talk.read().strip().splitlines() or ["it ended without a word"]
            raise Missing(words[-1][:200])
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout, self.talk):
                pipe.close()


class Missing(Exception):
    """Why a contender can't be measured."""


def runtimes(
    folder: Path, run: Path, count: int = 200, threads: int = 1, rounds: int = ROUNDS, rivals: Path = RIVALS
) -> dict:
    """A run of `train` whose float32 and int8 files `convert` has put beside it, on crops of test cells.

    -> {"network", "pictures", "settings", "contenders": {"LiteRT 2.3.0, int8": {"milliseconds", "load", "megabytes"
    (figures), "answers" (how many are LiteRT float32's)}}, "units", "missing": {name: why}, "fastest" (of each
    kind), "state"}. Raises UserError for what isn't a run, lacks these files, or where no rival can be run.
    """
    network = compare.read(run).network
    files = {kind: run / f"{network}-{kind}.tflite" for kind in ("float32", "int8")}
    for kind, file in files.items():
        if not file.is_file():
            raise UserError(f"{file} is missing; make it with `convert --{kind} {run}`.")
    if not (rivals / "runtimes" / "bin" / "python").exists():
        raise UserError(f"{rivals / 'runtimes'} is missing: run `make rivals`, which installs the other runtimes.")
    own = Model(files["float32"])
    examples = data.read(folder)
    with tempfile.TemporaryDirectory(prefix="benchmark-runtimes-") as place, ExitStack() as stack:
        crops = Path(place) / "crops.npy"
        chosen = spread(data.only(examples, "test"), count)
        np.save(crops, data.crops(folder, chosen, own.size, own.policy))
        made, missing = _made(rivals, run, folder, examples, own, Path(place))
        workers: dict[str, Worker] = {}
        for (title, kind), worker in _contenders(files, made).items():
            try:
                started = stack.enter_context(worker).start(rivals, crops, threads)
                workers[f"{title} {started.version}, {kind}"] = started
            except Missing as error:
                missing[f"{title}, {kind}"] = str(error)
        with machine.watched() as state:
            seconds = {name: np.zeros((rounds, len(chosen))) for name in workers}
            with click.progressbar(
                turns(list(workers), len(chosen), rounds), rounds * len(workers) * -(-len(chosen) // 16),
                label="Taking turns", file=sys.stderr,
            ) as bar:  # fmt: skip
                for number, name, some in bar:
                    seconds[name][number, some.start : some.stop] = workers[name].run(some)
        ended = {name: worker.end() for name, worker in workers.items()}
    return {
        "network": network,
        "pictures": len(chosen),
        "settings": {"threads": threads, "rounds": rounds},
        "contenders": _told(workers, seconds, ended),
        "units": UNITS,
        "missing": missing,
        "fastest": _fastest(seconds),
        "state": state,
    }


def _made(
    rivals: Path, run: Path, folder: Path, examples: list[data.Example], own: Model, place: Path
) -> tuple[Path, dict[str, str]]:
    """The other formats -> where they are, and why some aren't."""
    pictures = place / "calibration.npy"
    chosen = spread(data.only(examples, "train"), _CALIBRATION)
    np.save(pictures, data.crops(folder, chosen, own.size, own.policy))
    click.echo("Converting for the other runtimes", err=True)
    python = rivals / "runtimes" / "bin" / "python"
    done = subprocess.run(
        [python, "-I", _HERE / "rival_files.py", run / "model.keras", pictures, place], capture_output=True, text=True
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise UserError(f"The other runtimes' files can't be made: {words[-1]}; run `make rivals` again.")
    return place, json.loads(done.stdout)


def _contenders(files: Mapping[str, Path], made: Path) -> dict[tuple[str, str], Worker]:
    """By (runtime, kind of file). What a runtime can't read says so itself when it is started."""
    result = {("LiteRT", kind): Worker("litert", "", file) for kind, file in files.items()}
    result |= {("tflite-runtime", kind): Worker("tflite-runtime", "tflite", file) for kind, file in files.items()}
    names = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino", "OpenCV dnn": "opencv"}
    for title, runtime in names.items():
        for kind in files:
            result[title, f"{kind} ONNX"] = Worker(runtime, "runtimes", made / f"{kind}.onnx")
            if runtime != "onnxruntime":
                result[title, f"{kind} TFLite"] = Worker(runtime, "runtimes", files[kind])
    result["ncnn", "float32"] = Worker("ncnn", "runtimes", made / "float32.ncnn.param")
    return {name: worker for name, worker in result.items() if worker.file.is_file()}


def _told(
    workers: Mapping[str, Worker], seconds: Mapping[str, np.ndarray], ended: Mapping[str, tuple[float, np.ndarray]]
) -> dict[str, dict]:
    reference = next(iter(ended.values()))[1].argmax(axis=1)
    result = {}
    for name, worker in sorted(workers.items(), key=lambda item: float(np.median(seconds[item[0]]))):
        megabytes, answers = ended[name]
        same = int((answers.argmax(axis=1) == reference).sum())
        result[name] = {
            "milliseconds": figure(seconds[name]),
            "load": dict.fromkeys(("value", "low", "high"), worker.load),
            "megabytes": dict.fromkeys(("value", "low", "high"), megabytes),
            "answers": f"{same} of {len(reference)} as LiteRT's float32",
        }
    return result


def _fastest(seconds: Mapping[str, np.ndarray]) -> dict[str, str]:
    result = {}
    for kind in ("float32", "int8"):
        those = {name: float(np.median(each)) for name, each in seconds.items() if f", {kind}" in name}
        if those:
            result[kind] = min(those, key=lambda name: those[name])
    return result


def table(result: dict) -> str:
    lines = [*machine.notes(result["state"])]
    told = f"{result['network']}, {result['pictures']} pictures, {result['settings']['threads']} thread(s)"
    lines += [told, f"{'':40}{'ms':>8}{'low to high':>18}{'p95':>8}{'open s':>8}{'MB':>6}  answers"]
    for name, each in result["contenders"].items():
        time = each["milliseconds"]
        span = f"{time['low']:.3f} to {time['high']:.3f}"
        lines.append(
            f"{name:40}{time['value']:>8.3f}{span:>18}{time['p95']:>8.3f}{each['load']['value']:>8.2f}"
            f"{each['megabytes']['value']:>6.0f}  {each['answers']}"
        )
    lines += [f"{name}: not measured, {why}" for name, why in result["missing"].items()]
    return "\n".join([*lines, *(f"Fastest {kind}: {name}" for kind, name in result["fastest"].items())])
