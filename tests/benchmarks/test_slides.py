"""`benchmark slides`: slides have the cells that are planned, and a person puts right what was doubtful."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke

from benchmarks import slides
from edge import model

TEST = {"lymphocyte": 8, "monocyte": 8, "neutrophil": 6, "eosinophil": 3, "basophil": 2}


@pytest.fixture
def few(data: Path, tmp_path: Path) -> Path:
    """A data set with a few real test cells of raabin."""
    counts: dict[tuple[str, str], int] = {}
    rows = ["path,label,source,split,cell"]
    with (data / "cells.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["label"], row["split"]
            if row["source"] == "raabin" and counts.get(key, 0) < (TEST[row["label"]] if row["split"] == "test" else 2):
                counts[key] = counts.get(key, 0) + 1
                rows.append(f"{data / row['path']},{row['label']},raabin,{row['split']},{row['cell']}")
    (tmp_path / "cells.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_slides_of_real_cells(few: Path) -> None:
    out = few / "out.json"
    done = invoke("benchmarks", "slides", model.SHIPPED, "--data", few, "--slides", 3, "--json", out)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(out.read_text())["results"]["slides"]["models"].values()
    raabin = found["sources"]["raabin"]
    assert raabin["learned"] and raabin["cells"] == TEST and not found["left_out"]
    assert raabin["repeated"] == [name for name in TEST if name != "basophil"], "a slide needs 2 basophils only"
    assert set(raabin["compositions"]) == {"the two alone", "all types"}
    for counted in raabin["compositions"].values():
        assert 0 <= counted["looked_at"] <= counted["most_looked_at"] < 0.75
        machine, alone, person = (counted["ways"][way] for way in slides.WAYS)
        assert machine["slides"] == alone["slides"] == person["slides"] == 3
        assert abs(person["bias"]["value"]) <= 5 and person["icc"]["value"] > 0.8
    lines = done.stdout.splitlines()
    assert len(lines) == 2 + 2 * 3 + 2 and len({line.count("|") for line in lines[:8]}) == 1
    assert "raabin has only 8 lymphocytes, 8 monocytes, 6 neutrophils" in lines[-1]


def test_a_plan_has_the_share_and_the_number_of_cells() -> None:
    assert slides._plan(0.02, {}) == {"lymphocyte": 196, "monocyte": 4}
    for share in np.linspace(slides.LEAST, slides.MOST, 7):
        plan = slides._plan(float(share), slides.OTHERS["all types"])
        assert sum(plan.values()) == slides.CELLS and plan["neutrophil"] == 112
        assert plan["monocyte"] == round(share * (plan["lymphocyte"] + plan["monocyte"]))


def test_no_cell_is_twice_on_a_slide_unless_there_are_too_few() -> None:
    pools = {"lymphocyte": [np.array([2 * i, 2 * i + 1]) for i in range(196)], "monocyte": [np.array([400])]}
    rows = slides._draw(pools, {"lymphocyte": 196, "monocyte": 4}, seed=3)
    assert sorted(rows[:196] // 2) == list(range(196)), "one picture of each"
    assert list(rows[196:]) == [400] * 4
    assert np.array_equal(rows, slides._draw(pools, {"lymphocyte": 196, "monocyte": 4}, seed=3))


def test_a_slide_without_a_name_has_no_share() -> None:
    assert slides._percentage(np.array(["monocyte", "lymphocyte", "other", "review", "lymphocyte"])) == pytest.approx(
        100 / 3
    )
    assert np.isnan(slides._percentage(np.array(["other", "review"])))


def test_a_model_without_other_is_refused(few: Path, tiny_model: Path) -> None:
    assert_refused(invoke("benchmarks", "slides", tiny_model, "--data", few), "knows no other cells")
