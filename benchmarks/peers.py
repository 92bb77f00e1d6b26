"""What would a user pick instead, and what does it cost: from cold, in pictures a second, and in memory?"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks import command, machine
from benchmarks.interleaved import ROUNDS
from benchmarks.runtimes import RIVALS
from edge.errors import UserError
from train import compare

UNITS = {"cold": "seconds to the first answer", "per_second": "pictures a second", "megabytes": "peak"}
_OURS = "edge-classify"
_SECONDS = 3.0  # that the pictures of the long process take
_FEWEST, _MOST = 50, 20_000
_LEFT_OUT = {
    "Ultralytics `yolo classify predict`": "it needs PyTorch, which comes with several GB of CUDA from PyPI on x86-64; "
    "not installed by `make rivals`"
}


def peers(pictures: Sequence[str], run: Path, rounds: int = ROUNDS, rivals: Path = RIVALS) -> dict:
    """Each a process that answers the same pictures, all on one core, taking turns: one picture, and then as many as
    it answers in some seconds, over and over the same where there are fewer.

    pictures: files; run: of `train`, with its model.keras and the int8 file that `convert` put beside it. ->
    {"settings", "contenders": {name: {"cold", "per_second" (what the pictures after the first add), "megabytes"
    (figures), "pictures" (in the long process), "answers" (what is answered)}}, "units", "missing", "against" (times
    edge-classify's, by peer), "state"}. Raises UserError where a file is missing or nothing can be run.
    """
    network = compare.read(run).network
    int8, keras = run / f"{network}-int8.tflite", run / "model.keras"
    if not int8.is_file():
        raise UserError(f"{int8} is missing; make it with `convert --int8 {run}`.")
    commands, missing = _commands(int8, keras, rivals)
    if len(commands) <= 2:
        raise UserError(f"{rivals} is missing: run `make rivals`, which installs the peers.")
    core = command.core()
    counts = {}
    for name, (line, _) in list(commands.items()):
        try:
            counts[name] = _enough(line, pictures, core)
        except UserError as error:
            missing[name] = error.message
            del commands[name]
    spent: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    with (
        machine.watched() as state,
        click.progressbar(range(rounds), label=f"Running {len(commands)} ways", file=sys.stderr) as bar,
    ):
        for _ in bar:
            for name, (line, _) in commands.items():
                one, _ = command.timed(line, _listed(pictures, 1), core)
                many, megabytes = command.timed(line, _listed(pictures, counts[name]), core)
                spent[name].append((one, many, megabytes))
    contenders = {
        name: _figures(spent[name], counts[name]) | {"pictures": counts[name], "answers": what}
        for name, (_, what) in commands.items()
    }
    return {
        "settings": {"rounds": rounds, "cores": 1, "pictures": len(pictures)},
        "contenders": contenders,
        "units": UNITS,
        "missing": missing | _LEFT_OUT,
        "against": _against(contenders),
        "state": state,
    }


def _enough(line: Sequence[str], pictures: Sequence[str], core: int | None) -> int:
    """How many pictures a command answers in _SECONDS: fewer, and its start's noise would hide them.

    Also warms the disk's cache. Raises UserError where the command fails.
    """
    command.timed(line, _listed(pictures, 1), core)
    one, _ = command.timed(line, _listed(pictures, 1), core)
    count = _FEWEST
    while True:
        many, _ = command.timed(line, _listed(pictures, count), core)
        if many - one > _SECONDS / 3 or count >= _MOST:
            return min(_MOST, max(_FEWEST, round(count * _SECONDS / max(many - one, 0.1))))
        count *= 4


def _listed(pictures: Sequence[str], count: int) -> str:
    return command.listed([pictures[i % len(pictures)] for i in range(count)])


def _commands(int8: Path, keras: Path, rivals: Path) -> tuple[dict[str, tuple[list[str], str]], dict[str, str]]:
    """-> {name: (command that reads a list of pictures, what it answers)}, and why some are missing."""
    ours = [sys.executable, "-m", "edge", "-", "--model", str(int8)]
    found = {_OURS: (ours, "every cell"), f"{_OURS} --whole-image": ([*ours, "--whole-image"], "the picture as it is")}
    missing = {}
    others = {
        "TensorFlow Lite, label_image": ("runtimes", "label_image", int8),
        "Keras, predict in a loop": ("runtimes", "keras", keras),
        "MediaPipe ImageClassifier": ("mediapipe", "mediapipe", int8),
    }
    for name, (environment, way, file) in others.items():
        python = rivals / environment / "bin" / "python"
        if python.exists():
            script = Path(__file__).with_name("peer.py")
            found[name] = ([str(python), "-I", str(script), way, str(file)], "the picture as it is")
        else:
            missing[name] = f"{python.parent.parent} is missing: run `make rivals`"
    return found, missing


def _figures(spent: Sequence[tuple[float, float, float]], count: int) -> dict:
    ones, alls, megabytes = zip(*spent, strict=True)
    rates = [(count - 1) / (many - one) for one, many in zip(ones, alls, strict=True) if many > one]
    return {"cold": _span(ones), "megabytes": _span(megabytes), **({"per_second": _span(rates)} if rates else {})}


def _span(values: Sequence[float]) -> dict:
    return {"value": statistics.median(values), "low": min(values), "high": max(values)}


def _against(contenders: Mapping[str, dict]) -> dict[str, dict[str, float]]:
    ours = contenders.get(_OURS, {})
    return {
        name: {key: each[key]["value"] / ours[key]["value"] for key in UNITS if key in each and key in ours}
        for name, each in contenders.items()
        if name != _OURS
    }


def table(result: dict) -> str:
    lines = [
        *machine.notes(result["state"]),
        f"one core, {result['settings']['rounds']} rounds, taking turns",
    ]
    lines.append(f"{'':32}{'s from cold':>24}{'pictures a second':>26}{'MB':>6}  answers")
    for name, each in result["contenders"].items():
        cold, rate = each["cold"], each.get("per_second")
        rated = f"{rate['value']:.0f} [{rate['low']:.0f}, {rate['high']:.0f}]" if rate else "-"
        seconds = f"{cold['value']:.2f} [{cold['low']:.2f}, {cold['high']:.2f}]"
        lines.append(f"{name:32}{seconds:>24}{rated:>26}{each['megabytes']['value']:>6.0f}  {each['answers']}")
    for name, each in result["against"].items():
        told = ", ".join(f"{ratio:.1f} times the {key.replace('_', ' ')}" for key, ratio in each.items())
        lines.append(f"{name}: {told} of {_OURS}")
    return "\n".join([*lines, *(f"{name}: not measured, {why}" for name, why in result["missing"].items())])
