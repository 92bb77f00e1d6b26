"""Runs at the camera that are ended by kill -9: nothing that was shown is lost, and no row is torn."""

import csv
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

COUNT, SECONDS = 1000, 60
_LATER = 1.5  # seconds after the first cell, at most


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    camera = f"sim:seed={random.integers(1000)},width=480,height=360,red_cell=30,fps=30,white=8,dwell=0.5,move=0.3"
    arguments = ["--camera", camera, "--csv", "a.csv", "--json", "a.json", "--save", "saved", "--no-review"]
    run = subprocess.Popen(
        [sys.executable, "-m", "edge", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder,
    )  # fmt: skip
    assert run.stdout
    shown = [run.stdout.readline(), run.stdout.readline()]  # the head of the table and the first cell
    threading.Timer(random.uniform(0, _LATER), run.kill).start()
    shown += run.stdout.readlines()
    run.wait()
    cells = len([line for line in shown[1:] if line.endswith("\n")])
    table, lines = (folder / "a.csv").read_text(), (folder / "a.json").read_text()
    rows, objects = list(csv.DictReader(table.splitlines())), [json.loads(line) for line in lines.splitlines()]
    if not table.endswith("\n") or not lines.endswith("\n") or any(None in (*row, *row.values()) for row in rows[:-1]):
        return "a torn row"
    saved = len(list((folder / "saved").glob("*.field.jpg")))
    if min(len(rows), len(objects), saved) < cells:
        return f"{cells} cells were shown, but {len(rows)} rows, {len(objects)} objects and {saved} pictures were kept"
    return None
