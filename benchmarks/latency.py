"""How fast is each step of a picture's way, and the command from cold, and how much memory does it take?"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import command, machine
from benchmarks.interleaved import ROUNDS, figure, turns
from edge import classify, frames
from edge.decide import RISK, Decision, decide
from edge.errors import UserError
from edge.model import Model
from edge.quality import doubt

STEPS = ("decode", "locate", "crop", "invoke", "decide")
TOGETHER = "together"
WARM_UP = 20
_FRESH = 5  # times that files are opened anew, for the first call
_LEVELS = np.linspace(0, 100, 41)  # percentiles that are kept for the plot
_MANY = 1000  # pictures that the command answers in one process, for its memory


@dataclass(frozen=True)
class Contender:
    """A model file and the locator, opened for so many threads."""

    file: Path
    threads: int
    model: Model
    find: classify.Finder

    @property
    def name(self) -> str:
        return f"{self.file.stem}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def opened(file: Path, threads: int, run: Sequence[str] = ()) -> Contender:
    """run: the pictures that go through it, measured by one ruler."""
    model = Model(file, threads)
    return Contender(file, threads, model, classify.finder(model.policy, threads=threads, run=run))


def latency(
    sets: Mapping[str, Sequence[str]],
    files: Sequence[Path],
    threads: Sequence[int] = (1,),
    rounds: int = ROUNDS,
    warm_up: int = WARM_UP,
    many: int = _MANY,
) -> dict:
    """Pictures through the steps that `edge-classify` takes, and through the command itself.

    sets: picture files by name; files: models. -> {"settings", "models": {name: {"sha256", "bytes"}}, "sets": {name:
    {"pictures", "size", "runs": {"MODEL, N threads": {"steps": {step: turns.figure()}, "per_second", "cells",
    "open", "first" (milliseconds), "quantiles" (of the whole way)}}}}, "command": {"cold", "many"} (of the first set,
    one thread), "state": machine.watched()'s}. Raises UserError where a set is empty or holds what can't be read.
    """
    for name, each in sets.items():
        if not each:
            raise UserError(f"{name} holds no pictures.")
    first = next(iter(sets.values()))
    with machine.watched() as state:
        measured = {name: _set(each, files, threads, rounds, warm_up) for name, each in sets.items()}
        whole: dict = {"cold": command.cold(files, first[0])}
        if many:
            whole["many"] = {"pictures": many, **command.many(files, first, many)}
    return {
        "settings": {"rounds": rounds, "warm_up": warm_up, "threads": list(threads), "fresh": _FRESH},
        "models": {file.stem: {"sha256": Model(file).sha256, "bytes": file.stat().st_size} for file in files},
        "sets": measured,
        "command": whole,
        "state": state,
    }


def way(file: str, model: Model, find: classify.Finder) -> tuple[list[float], list[Decision]]:
    """One picture's way, as classify.answer() goes it -> (seconds of each of STEPS and of all together, Decisions)."""
    rules = model.rules(RISK)
    clock = [time.perf_counter()]
    frame = frames.load(file)
    clock.append(time.perf_counter())
    cells = find(frame)
    clock.append(time.perf_counter())
    crops = [classify.crops(model, frame, cell) for cell in cells]
    clock.append(time.perf_counter())
    seen = [classify.mean([model.predict(each) for each in some]) for some in crops]
    clock.append(time.perf_counter())
    decisions = [
        decide(each.kinds, rules, distance=each.distance, doubt=partial(doubt, frame, cell))
        for each, cell in zip(seen, cells, strict=True)
    ]
    clock.append(time.perf_counter())
    return [*np.diff(clock).tolist(), clock[-1] - clock[0]], decisions


def _set(pictures: Sequence[str], files: Sequence[Path], threads: Sequence[int], rounds: int, warm_up: int) -> dict:
    sizes = Counter("x".join(map(str, frames.load(file).image.shape[1::-1])) for file in pictures)  # warms the disk
    contenders = [opened(file, n, pictures) for file in files for n in threads]
    for contender in contenders:
        for i in range(warm_up):
            way(pictures[i % len(pictures)], contender.model, contender.find)
    seconds = {each.name: np.zeros((rounds, len(pictures), len(STEPS) + 1)) for each in contenders}
    cells = Counter[str]()
    for number, contender, some in turns(contenders, len(pictures), rounds):
        for i in some:
            spent, decisions = way(pictures[i], contender.model, contender.find)
            seconds[contender.name][number, i] = spent
            cells[contender.name] += len(decisions)
    fresh = {each.name: _first(pictures[0], each) for each in contenders}
    return {
        "pictures": len(pictures),
        "size": sizes.most_common(1)[0][0],
        "runs": {
            each.name: {
                "steps": {
                    step: figure(seconds[each.name][..., i]) for i, step in enumerate((*STEPS, TOGETHER))
                },
                "per_second": _rate(seconds[each.name][..., -1]),
                "cells": cells[each.name] // rounds,
                **fresh[each.name],
                "quantiles": np.percentile(1e3 * seconds[each.name][..., -1], _LEVELS).round(4).tolist(),
            }
            for each in contenders
        },
    }  # fmt: skip


def _rate(seconds: np.ndarray) -> dict:
    """float [rounds, pictures] -> pictures a second: of a round's mean the median, the lowest and the highest."""
    rates = 1 / seconds.mean(axis=1)
    return {"value": float(np.median(rates)), "low": float(rates.min()), "high": float(rates.max())}


def _first(picture: str, contender: Contender) -> dict:
    """Opening the model and the locator anew, and the first picture after it, in milliseconds."""
    spent = []
    for _ in range(_FRESH):
        start = time.perf_counter()
        fresh = opened(contender.file, contender.threads)
        ready = time.perf_counter()
        way(picture, fresh.model, fresh.find)
        spent.append((ready - start, time.perf_counter() - ready))
    opening, first = np.array(spent).T
    return {"open": figure(opening[:, None]), "first": figure(first[:, None])}


def table(result: dict) -> str:
    lines = [*machine.notes(result["state"])]
    settings = result["settings"]
    lines.append(f"{settings['rounds']} rounds taking turns after {settings['warm_up']} pictures; milliseconds")
    for name, each in result["sets"].items():
        lines.append(f"\n{name}: {each['pictures']} pictures, {each['size']}")
        lines.append(f"{'':30}" + "".join(f"{step:>10}" for step in (*STEPS, TOGETHER)) + f"{'a second':>10}")
        for run, found in each["runs"].items():
            for key, label in (("value", "median"), ("p95", "p95"), ("p99", "p99")):
                cells = "".join(f"{found['steps'][step][key]:>10.2f}" for step in (*STEPS, TOGETHER))
                rate = f"{found['per_second']['value']:>10.0f}" if key == "value" else ""
                lines.append(f"{run if key == 'value' else '':24}{label:>6}{cells}{rate}")
            lines.append(f"{'':24} first {found['first']['value']:.2f}, opening {found['open']['value']:.2f}")
    lines.append("\nthe command, one thread")
    for name, found in result["command"]["cold"].items():
        seconds, megabytes = found["seconds"], found["megabytes"]
        lines.append(
            f"{name:22} one picture from cold {seconds['value']:.2f} s [{seconds['low']:.2f}, {seconds['high']:.2f}], "
            f"{megabytes['value']:.0f} MB; file {result['models'][name]['bytes'] / 1e3:.0f} kB"
        )
    if "many" in result["command"]:
        for name in result["models"]:
            found = result["command"]["many"][name]
            lines.append(
                f"{name:22} {result['command']['many']['pictures']} pictures {found['seconds']['value']:.2f} s, "
                f"{found['megabytes']['value']:.0f} MB"
            )
    return "\n".join(lines)
