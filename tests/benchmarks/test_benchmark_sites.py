"""`benchmark sites`: a model is adapted with some cells of a site and measured on other cells."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import invoke

from benchmarks import sites
from edge import model
from edge.site.labelled import Cells


@pytest.fixture
def few(data: Path, tmp_path: Path) -> Path:
    """Eight test cells of each label of one source, and two of each in the other splits."""
    rows, counts = ["path,label,source,split,cell"], dict[tuple[str, str], int]()
    with (data / "cells.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["label"], row["split"]
            if row["source"] != "raabin" or counts.get(key, 0) >= (8 if row["split"] == "test" else 2):
                continue
            counts[key] = counts.get(key, 0) + 1
            rows.append(f"{data / row['path']},{row['label']},raabin,{row['split']},{row['cell']}")
    (tmp_path / "cells.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_a_curve_of_real_cells(few: Path) -> None:
    out = few / "out.json"
    done = invoke(
        "benchmarks", "sites", model.SHIPPED, "--data", few, "--cells", 5, "--cells", 20, "--draws", 2, "--json", out
    )
    assert done.returncode == 0, done.stderr
    [model_figures] = json.loads(out.read_text())["results"]["sites"]["models"].values()
    found = model_figures["sources"]["raabin"]
    assert found["cells"]["monocyte"] == 8 and set(found["points"]) == {"0", "5"} and found["left_out"] == [20]
    point = found["points"]["5"]
    assert 0 <= point["written"] <= 2 and 0.5 < point["alone"]["balanced_accuracy"]["value"] <= 1
    assert "raabin has too few cells (8 lymphocyte, 8 monocyte) for 20 per class." in done.stdout
    assert done.stdout.splitlines()[0].count("|") == done.stdout.splitlines()[2].count("|")


def test_no_physical_cell_is_both_labelled_and_measured() -> None:
    physical = np.random.default_rng(0).integers(0, 40, 300)
    truth = physical % 3
    cells = Cells(np.zeros((300, 3)), np.zeros((300, 0)), np.zeros(300), truth, physical, ("",) * 300)
    for seed in range(5):
        drawn = sites._draw(cells, 6, np.random.default_rng(seed))
        assert not set(physical[drawn]) & set(physical[~drawn])
        assert [len(set(physical[drawn & (truth == label)])) for label in range(3)] == [6, 6, 6]
