"""Counting and reviewing that are ended by kill -9: what was shown as taken is in the session, and nothing twice."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from edge.count.journal import Journal
from edge.count.outcome import outcome
from edge.count.records import Settings
from edge.count.signing import altered_pictures

COUNT, SECONDS = 500, 60
_HELPERS = str(Path(__file__).parents[1] / "edge" / "count")
_LATER = 0.5  # seconds after the first line, at most

_COUNTS = """
import sys
sys.path.append(sys.argv[3])
from count_helpers import fill, run
from edge.count.journal import Journal
with Journal.open(sys.argv[1]) as journal:
    journal.begin(run(sys.argv[2]))
    while True:
        for cell in fill(journal, ["review", "lymphocyte"], sys.argv[2]):
            print("cell", cell, flush=True)
"""
_REVIEWS = """
import sys
from edge.count.journal import Journal
from edge.count.review import Review
from edge.count.verdicts import Verdict
with Journal.open(sys.argv[1]) as journal:
    review = Review(journal, sys.argv[2])
    print("ready 0", flush=True)
    while True:
        for cell in review.waiting()[:9]:
            review.judge([cell.id], Verdict("monocyte"))
            print("verdict", cell.id, flush=True)
"""


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    path = str(folder / "a.session")
    Journal.create(path, Settings(readers=2)).close()
    shown: dict[str, set[int]] = {"cell": set(), "Ada": set(), "Bo": set()}
    for turn in range(2):
        work = [(_COUNTS, f"run {turn}"), (_REVIEWS, "Ada"), (_REVIEWS, "Bo")]
        children = [
            subprocess.Popen([sys.executable, "-c", code, path, name, _HELPERS], stdout=subprocess.PIPE, text=True)
            for code, name in work
        ]
        first = [child.stdout.readline() if child.stdout else "" for child in children]
        for child in children:
            threading.Timer(random.uniform(0, _LATER), child.kill).start()
        for (_, name), child, line in zip(work, children, first, strict=True):
            for said in (line + child.communicate()[0]).splitlines(keepends=True):
                if said.endswith("\n") and not said.startswith("ready"):
                    shown["cell" if said.startswith("cell") else name].add(int(said.split()[1]))
    with Journal.open(path) as journal:
        held = [cell.id for cell in journal.cells()]
        if len(held) != len(set(held)) or not shown["cell"] <= set(held):
            return f"{len(shown['cell'] - set(held))} cells that were shown are lost"
        verdicts = journal.verdicts()
        for reader in ("Ada", "Bo"):
            if lost := shown[reader] - set(verdicts.get(reader, {})):
                return f"{len(lost)} verdicts of {reader} that were shown are lost"
        if altered_pictures(journal):
            return "a picture isn't the one that was taken"
        outcome(journal)
    return None
