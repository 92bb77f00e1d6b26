"""Damaged tables: results that a later run continues keep their rows, and a cells.csv is read or refused."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from attempts import classify, damaged, picture

from edge.errors import UserError
from edge.site import labelled

COUNT, SECONDS = 1000, 5


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    return (_continued if random.random() < 0.5 else _cells)(random, folder)


def _continued(random: np.random.Generator, folder: Path) -> str | None:
    picture(random).save(folder / "a.png")
    option = str(random.choice(["--csv", "--json"]))
    file = folder / "out.results"
    for _ in range(2):
        classify(folder, "a.png", option, file.name)
    before = damaged(file.read_bytes(), random, 3)
    file.write_bytes(before)
    code, _, broke = classify(folder, "a.png", option, file.name)
    kept = before if code else before[: before.rfind(b"\n") + 1]  # a torn last row may be cut off
    if not broke and not file.read_bytes().startswith(kept.rstrip(b"\0\r\n")):
        return f"rows of {option} were lost, exit code {code}"
    return broke


def _cells(random: np.random.Generator, folder: Path) -> str | None:
    rows = [f"{random.integers(9)}.png,{random.choice(['lymphocyte', 'mono', 'other'])},{i}" for i in range(8)]
    text = "\n".join(["path,label,cell", *rows]) + "\n"
    content = text.encode(str(random.choice(["utf-8", "utf-16", "utf-8-sig"])))
    (folder / "cells.csv").write_bytes(damaged(content, random, 4))
    with suppress(UserError):
        labelled.find(folder, ("lymphocyte", "monocyte", "other"), {})
    return None
