"""Compares edge-classify with other programs for the same task: time to the first answer, speed, and memory."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import command
from benchmarks.interleaved import ROUNDS
from benchmarks.machine import Watch
from benchmarks.ranges import spread
from benchmarks.rivals.comparison import Comparison, Contender, Settings
from benchmarks.rivals.runtimes import RIVALS
from edge.errors import UserError
from edge.output.tables import Table
from edge.system.progress import Progress, silent
from edge.workers.process import most
from train import compare

UNITS = {
    "cold": "seconds to the first answer",
    "per_second": "pictures per second",
    "whole": "pictures per second, start included",
    "megabytes": "peak",
}
_OURS = "edge-classify"
_SECONDS = 3.0  # about how long a program should be busy when it answers many pictures
_FEWEST, _MOST = 50, 20_000  # limits for the number of these pictures
# The other programs by name: the environment that `make rivals` made, and the way of peer.py.
_OTHERS = {
    "TensorFlow Lite, label_image": ("runtimes", "label_image"),
    "Keras, predict in a loop": ("runtimes", "keras"),
    "MediaPipe ImageClassifier": ("mediapipe", "mediapipe"),
}
_LEFT_OUT = {
    "Ultralytics `yolo classify predict`": "it needs PyTorch, which comes with several GB of CUDA from PyPI on x86-64; "
    "`make rivals` doesn't install it"
}


@dataclass(frozen=True, kw_only=True)
class Peers(Comparison):
    """All figures of `benchmark peers`.

    Attributes:
        against: each figure divided by that of edge-classify, by program and name of the figure.
    """

    against: dict[str, dict[str, float]]


@dataclass(frozen=True)
class _Way:
    """One program that answers pictures.

    Attributes:
        command: its command line; it reads the paths of the pictures from standard input.
        answers: what it classifies: every cell of a picture, or the picture as a whole.
        all_cores: whether it may use all cores; the others share one.
    """

    command: tuple[str, ...]
    answers: str
    all_cores: bool = False


@dataclass(frozen=True)
class _Spent:
    """What one program used in one round.

    Attributes:
        cold: seconds of a process that answers one picture.
        long: seconds of a process that answers many pictures.
        megabytes: peak memory of the process that answers many pictures, in units of 2^20 bytes.
    """

    cold: float
    long: float
    megabytes: float


def peers(
    pictures: Sequence[str], run: Path, rounds: int = ROUNDS, rivals: Path = RIVALS, progress: Progress = silent
) -> Peers:
    """Runs edge-classify and the other programs in turns, on the same pictures and on the same single core.

    edge-classify also runs once with a process for each core.

    In each round, each program answers one picture in one process, and then many pictures in another process. The
    number of these is chosen so that they take about three seconds. If there are fewer pictures, they are used
    repeatedly.

    Args:
        pictures: picture files.
        run: a folder that `train` wrote, with its model.keras and the int8 file that `convert` put beside it.
        rounds: number of rounds.
        rivals: the folder that `make rivals` made, with the environments of the other programs.
        progress: see edge.system.progress.

    Raises:
        UserError: if the int8 file is missing, or if none of the other programs is installed.
    """
    network = compare.read(run).network
    int8, keras = run / f"{network}-int8.tflite", run / "model.keras"
    if not int8.is_file():
        raise UserError(f"{int8} is missing; make it with `convert --int8 {run}`.")
    ways, missing = _ways(int8, keras, rivals)
    if not any(each in ways for each in _OTHERS):
        raise UserError(f"{rivals} holds none of the other programs; run `make rivals`, which installs them.")
    counts = {}
    for name, way in list(ways.items()):
        try:
            counts[name] = _enough(way, pictures)
        except UserError as error:
            missing[name] = str(error)
            del ways[name]
    spent: dict[str, list[_Spent]] = {name: [] for name in ways}
    with Watch() as watch:
        for number in range(rounds):
            for name, way in ways.items():
                one = _timed(way, pictures, 1)
                many = _timed(way, pictures, counts[name])
                spent[name].append(_Spent(one.seconds, many.seconds, many.megabytes))
            progress(f"Running {len(ways)} programs", number + 1, rounds)
    contenders = {name: _contender(spent[name], counts[name], way.answers) for name, way in ways.items()}
    return Peers(
        settings=Settings(rounds=rounds, cores=1, pictures=len(pictures)),
        contenders=contenders,
        units=UNITS,
        missing=missing | _LEFT_OUT,
        against=_against(contenders),
        state=watch.conditions,
    )


def _timed(way: _Way, pictures: Sequence[str], count: int) -> command.Process:
    core = None if way.all_cores else command.last_core()
    return command.timed(way.command, _listed(pictures, count), core)


def _enough(way: _Way, pictures: Sequence[str]) -> int:
    """How many pictures a program answers in _SECONDS.

    With fewer pictures, the time per picture would be lost in the noise of the program's start. The test runs also fill
    the disk cache. Raises UserError if the program fails.
    """
    _timed(way, pictures, 1)
    one = _timed(way, pictures, 1).seconds
    count = _FEWEST
    while True:
        many = _timed(way, pictures, count).seconds
        if many - one > _SECONDS / 3 or count >= _MOST:
            return min(_MOST, max(_FEWEST, round(count * _SECONDS / max(many - one, 0.1))))
        count *= 4


def _listed(pictures: Sequence[str], count: int) -> str:
    return command.listed([pictures[i % len(pictures)] for i in range(count)])


def _ways(int8: Path, keras: Path, rivals: Path) -> tuple[dict[str, _Way], dict[str, str]]:
    """The programs by name, and for each program that isn't installed, why it is missing."""
    ours = (sys.executable, "-m", "edge", "-", "--model", str(int8), "--jobs")
    whole, script = "the picture as it is", str(Path(__file__).with_name("peer.py"))
    ways = {
        _OURS: _Way((*ours, "1"), "every cell"),
        f"{_OURS}, {most()} processes": _Way((*ours, str(most())), "every cell", all_cores=True),
        f"{_OURS} --whole-image": _Way((*ours, "1", "--whole-image"), whole),
        "OpenCV, colour threshold and contours": _Way(
            (sys.executable, "-I", script, "opencv", "-"), "the number of purple regions"
        ),
    }
    missing = {}
    for name, (environment, way) in _OTHERS.items():
        python = rivals / environment / "bin" / "python"
        if python.exists():
            file = keras if way == "keras" else int8
            ways[name] = _Way((str(python), "-I", script, way, str(file)), whole)
        else:
            missing[name] = f"{python.parent.parent} is missing: run `make rivals`"
    return ways, missing


def _contender(spent: Sequence[_Spent], count: int, answers: str) -> Contender:
    """The figures of one program. count: number of pictures of the process that answers many."""
    rates = [(count - 1) / (each.long - each.cold) for each in spent if each.long > each.cold]
    return Contender(
        cold=spread([each.cold for each in spent]),
        per_second=spread(rates) if rates else None,
        whole=spread([count / each.long for each in spent]),
        megabytes=spread([each.megabytes for each in spent]),
        pictures=count,
        answers=answers,
    )


def _against(contenders: Mapping[str, Contender]) -> dict[str, dict[str, float]]:
    if _OURS not in contenders:
        return {}
    result: dict[str, dict[str, float]] = {}
    for name, each in contenders.items():
        pairs = {unit: (each.figure(unit), contenders[_OURS].figure(unit)) for unit in UNITS}
        if name != _OURS:
            result[name] = {
                unit: theirs.value / ours.value for unit, (theirs, ours) in pairs.items() if theirs and ours
            }
    return result


def table(result: Peers) -> str:
    """The result as text for a terminal."""
    rows = []
    for name, each in result.contenders.items():
        assert each.cold and each.megabytes and each.whole
        rate = each.per_second.text(0) if each.per_second else "-"
        rows.append([name, each.cold.text(), rate, each.whole.text(0), f"{each.megabytes.value:.0f}", each.answers])
    lines = [
        *result.state.notes(),
        f"one core, {result.settings.rounds} rounds in which the programs take turns",
        Table(["", "s from cold", "pictures a second", "start included", "MB", "answers"], rows).text(),
    ]
    for name, ratios in result.against.items():
        parts = ", ".join(f"{ratio:.1f} times the {unit.replace('_', ' ')}" for unit, ratio in ratios.items())
        lines.append(f"{name}: {parts} of {_OURS}")
    return "\n".join([*lines, *(f"{name}: not measured, {why}" for name, why in result.missing.items())])
