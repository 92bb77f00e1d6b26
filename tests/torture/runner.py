"""`make torture`: programs that try to break the commands. Each attempt is made by a seed, so that it can be repeated.

Attempts run in child processes, many in each, so that hangs and crashes of native code are seen. To repeat one:

    python tests/torture/runner.py --seed SEED --kind KIND --only NUMBER
"""

import argparse
import importlib
import json
import os
import platform
import select
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.system.apart import crash

# A new one comes last, because an attempt's seed holds the place of its kind.
KINDS = (
    "pictures",
    "models",
    "profiles",
    "tables",
    "kills",
    "counts",
    "sessions",
    "streams",
    "soak",
    "pages",
    "faults",
    "archives",
)
_EACH = 200  # attempts of one child, unless the kind has a number of its own
_START = 60  # seconds that a child may take for its imports


@dataclass
class Outcome:
    """What became of the attempts of one kind.

    Attributes:
        attempts: how many were made.
        seconds: how long they took.
        slowest: seconds of the slowest.
        broke: by the number of the attempt, what broke.
    """

    attempts: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    broke: dict[int, str] = field(default_factory=dict)


def torture(kind: str, seed: int, numbers: range, patience: float) -> Outcome:
    """Makes the attempts of one kind. patience: how many times the kind's own deadline an attempt may take."""
    outcome, began = Outcome(), time.monotonic()
    module = importlib.import_module(kind)
    deadline, each = module.SECONDS * patience, getattr(module, "EACH", _EACH)
    first = numbers.start
    while first < numbers.stop:
        first = _child(kind, seed, range(first, min(first + each, numbers.stop)), deadline, outcome)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def _child(kind: str, seed: int, numbers: range, deadline: float, outcome: Outcome) -> int:
    """Makes attempts in a child process until one ends it. Returns the number of the next attempt."""
    command = [sys.executable, __file__, "--child", "--kind", kind, "--seed", str(seed)]
    command += ["--first", str(numbers.start), "--count", str(len(numbers))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as child:
        assert child.stdout
        next_one, limit = numbers.start, float(_START)
        while True:
            began = time.monotonic()
            if not select.select([child.stdout], [], [], limit)[0]:
                child.kill()
                outcome.broke[next_one] = f"didn't end within {limit:g} s"
                break
            line = child.stdout.readline()
            limit = deadline
            if line == "ready\n":
                continue
            if not line:
                if next_one < numbers.stop:
                    code = child.wait()
                    outcome.broke[next_one] = f"ended the process: {crash(code) or f'exit code {code}'}"
                    break
                return next_one
            if broke := json.loads(line):
                outcome.broke[next_one] = broke
            outcome.slowest = max(outcome.slowest, round(time.monotonic() - began, 2))
            outcome.attempts += 1
            next_one += 1
    outcome.attempts += 1
    return next_one + 1


def _attempts(kind: str, seed: int, numbers: range) -> None:
    """The work of a child: prints a line of JSON for each attempt. What an attempt itself prints goes to stderr."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module = importlib.import_module(kind)
    report.write("ready\n")
    home = Path.cwd()
    for number in numbers:
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            try:
                broke = module.attempt(np.random.default_rng([seed, KINDS.index(kind), number]), Path(folder))
            except Exception as error:  # an attempt that itself fails is a failure, too
                broke = f"{type(error).__name__}: {error}"
            os.chdir(home)
        report.write(json.dumps(broke) + "\n")


def _about() -> dict[str, Any]:
    """What was tortured, when, and on what."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", here, *arguments], capture_output=True, text=True).stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return {
        "commit": f"{git('rev-parse', '--short=10', 'HEAD') or 'unknown'}{changed}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def _in_words(about: dict[str, Any], outcomes: dict[str, Outcome]) -> str:
    """The report as Markdown: what was tried, and what failed."""
    failed = [
        f"- `--seed {about['seed']} --kind {kind} --only {number}`: {' '.join(what.split())[:500]}"
        for kind, each in outcomes.items()
        for number, what in each.broke.items()
    ]
    rows = []
    for kind, each in outcomes.items():
        tried = (importlib.import_module(kind).__doc__ or "").strip().splitlines()[0].rstrip(".")
        rows.append(
            f"| {kind} | {tried} | {each.attempts:,} | {len(each.broke):,} | {each.slowest:g} | {each.seconds:,} |"
        )
    whole = "whole" if about["share"] == 1 else f"{about['share']:g} of the attempts of the whole"
    return "\n".join(
        [
            "# Torture",
            "",
            f"`make torture`, {whole}: commit {about['commit']}, {about['date']}, seed {about['seed']}, "
            f"{about['machine']}.",
            "",
            "| kind | what was tried, and what has to hold | attempts | failed | slowest, s | all, s |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "An attempt of the kind `pages` is ten requests, one of `faults` ten faults, one of `soak` a minute.",
            "",
            *(["What failed, and what repeats it:", "", *failed] if failed else ["Nothing failed."]),
            "",
        ]
    )


def _numbers(kind: str, share: float, only: int | None) -> range:
    """The numbers of the attempts of a kind."""
    module = importlib.import_module(kind)
    count = max(getattr(module, "FEWEST", 1), round(module.COUNT * share))
    return range(count) if only is None else range(only, only + 1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Tries to break the commands; see tests/torture.")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be given several times")
    parser.add_argument("--share", type=float, default=1.0, help="of the attempts, above 0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat this attempt alone")
    parser.add_argument("--patience", type=float, default=1.0, help="factor for deadlines, on a slow machine")
    parser.add_argument("--jobs", type=int, default=1, help="kinds that are tried at the same time")
    parser.add_argument("--json", type=Path, help="write the report here, as JSON")
    parser.add_argument("--report", type=Path, help="write the report here, in words (Markdown)")
    for name in ("--first", "--count"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        _attempts(asked.kind[0], asked.seed, range(asked.first, asked.first + asked.count))
        return 0
    about = _about() | {"seed": asked.seed, "share": asked.share}
    kinds = asked.kind or KINDS
    numbers = {kind: _numbers(kind, asked.share, asked.only) for kind in kinds}
    print(f"{'kind':10}{'attempts':>10}{'broke':>8}{'slowest':>10}{'seconds':>10}")
    with ThreadPoolExecutor(asked.jobs) as pool:
        running = {}
        for kind in sorted(kinds, key=lambda kind: -len(numbers[kind]) * importlib.import_module(kind).SECONDS):
            running[pool.submit(torture, kind, asked.seed, numbers[kind], asked.patience)] = kind
        done = {}
        for each in as_completed(running):
            kind = running[each]
            done[kind] = found = each.result()
            columns = found.attempts, len(found.broke), found.slowest, found.seconds
            print(f"{kind:10}{columns[0]:>10}{columns[1]:>8}{columns[2]:>10}{columns[3]:>10}", flush=True)
            for number, what in found.broke.items():
                print(f"  --seed {asked.seed} --kind {kind} --only {number}: {what.strip()}", flush=True)
    outcomes = {kind: done[kind] for kind in kinds}
    if asked.json:
        report = about | {"kinds": {kind: asdict(each) for kind, each in outcomes.items()}}
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    if asked.report:
        asked.report.write_text(_in_words(about, outcomes))
    return int(any(each.broke for each in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
