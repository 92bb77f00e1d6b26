"""Sessions that tests count, review and sign."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from edge.count.journal import Journal
from edge.count.recorder import jpeg
from edge.count.records import CountedCell, Field, Run, Settings
from edge.decide import REVIEW


def new_session(folder: Path, **settings: object) -> Journal:
    """An empty session with one run, "r1", that has begun."""
    values: dict[str, Any] = {"slide": "7", "operator": "Ada"} | settings
    made = Journal.create(folder / "slide.session", Settings(**values))
    made.begin(run("r1"))
    return made


def run(name: str) -> Run:
    return Run(name, time.time(), "sim", "compact-int8.tflite", "0" * 64)


def fill(journal: Journal, answers: list[str], run: str = "r1") -> list[int]:
    """Adds a field and a cell for each answer of the machine; returns the numbers of the cells."""
    random = np.random.default_rng(journal.count())
    field = journal.add_field(
        Field(run, "sim", journal.count(), 1.0, 640, 480), jpeg(np.zeros((480, 640, 3), np.uint8), 640, 80)
    )
    numbers = []
    for number, answer in enumerate(answers):
        likely = 0.6 if answer == REVIEW else 0.95
        shares = {"lymphocyte": likely, "monocyte": 1 - likely, "other": 0.0}
        if answer == "monocyte":
            shares = {"lymphocyte": 1 - likely, "monocyte": likely, "other": 0.0}
        cell = CountedCell(
            field=field,
            number=number,
            x=40.0 * number + 20,
            y=100.0,
            box=(40 * number, 80, 40, 40),
            red_cell=30.0,
            answer=answer,
            reason="close call 60:40" if answer == REVIEW else "",
            probabilities=shares,
            run=run,
        )
        picture = jpeg(random.integers(0, 255, (150, 150, 3), np.uint8), 150, 90)
        numbers.append(journal.add_cell(cell, picture))
    return numbers
