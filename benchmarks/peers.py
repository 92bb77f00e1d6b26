"""What would a user pick instead, and what does it cost: from cold, in pictures a second, and in memory?"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks import command, machine
from benchmarks.runtimes import RIVALS
from benchmarks.turns import ROUNDS
from edge.errors import UserError
from train import compare

UNITS = {"cold": "seconds to the first answer", "per_second": "pictures a second", "megabytes": "peak"}
_OURS = "edge-classify"
_LEFT_OUT = {
    "Ultralytics `yolo classify predict`": "it needs PyTorch, which comes with several GB of CUDA from PyPI on x86-64; "
    "not installed by `make rivals`"
}


def peers(pictures: Sequence[str], run: Path, count: int = 200, rounds: int = ROUNDS, rivals: Path = RIVALS) -> dict:
    """Each a process that answers the same pictures, all on one core, taking turns: one picture, then `count` of them.

    pictures: files; run: of `train`, with its model.keras and the int8 file that `convert` put beside it. ->
    {"pictures", "settings", "contenders": {name: {"cold", "per_second" (what the pictures after the first add, None
    where noise hides it), "megabytes" (figures), "answers" (what is answered)}}, "units", "missing", "against" (times
    edge-classify's, by peer), "state"}. Raises UserError where a file is missing or nothing can be run.
    """
    network = compare.read(run)["network"]
    int8, keras = run / f"{network}-int8.tflite", run / "model.keras"
    if not int8.is_file():
        raise UserError(f"{int8} is missing; make it with `convert --int8 {run}`.")
    many = [pictures[i % len(pictures)] for i in range(count)]
    commands, missing = _commands(int8, keras, rivals)
    if len(commands) <= 2:
        raise UserError(f"{rivals} is missing: run `make rivals`, which installs the peers.")
    core = command.core()
    spent: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    with (
        machine.watched() as state,
        click.progressbar(range(rounds + 1), label=f"Running {len(commands)} ways", file=sys.stderr) as bar,
    ):
        for number in bar:
            for name, (line, _) in list(commands.items()):
                try:
                    one, _ = command.timed(line, command.listed(many[:1]), core)
                    if number:  # the first warms the disk's cache
                        all_of_them, megabytes = command.timed(line, command.listed(many), core)
                        spent[name].append((one, all_of_them, megabytes))
                except UserError as error:
                    missing[name] = error.message
                    del commands[name], spent[name]
    contenders = {name: _figures(spent[name], count) | {"answers": what} for name, (_, what) in commands.items()}
    return {
        "pictures": count,
        "settings": {"rounds": rounds, "cores": 1},
        "contenders": contenders,
        "units": UNITS,
        "missing": missing | _LEFT_OUT,
        "against": _against(contenders),
        "state": state,
    }


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
        f"{result['pictures']} pictures, one core, {result['settings']['rounds']} rounds",
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
