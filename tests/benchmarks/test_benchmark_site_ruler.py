"""`benchmark site-ruler`, on drawn fields."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import fields_table, invoke
from PIL import Image

from edge.simulator import drawing


def test_draws_of_ten_fields_are_near_what_was_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "fields" / "drawn"
    folder.mkdir(parents=True)
    for i in range(12):
        image, _ = drawing.field(np.random.default_rng(i), 4, shape=(360, 480), look=drawing.Look(red_cell=30))
        Image.fromarray(image).save(folder / f"{i}.png")
    fields_table(tmp_path, [f"fields/drawn/{i}.png,none,,,,,film," for i in range(12)])
    done = invoke("benchmarks", "site-ruler", "--data", tmp_path, "--draws", 2, "--json", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["results"]["site_ruler"]["drawn"]
    assert found["ruler"]["red_cell"] == pytest.approx(0.92 * 30, rel=0.05) and found["fields"] == 12
    assert found["given"] == found["held"] == 2 and max(map(abs, found["off"])) < 0.05
    assert found["noticed"] == [2, 2] and found["suspected"] == 0
    assert "| drawn | 12 |" in done.stdout
