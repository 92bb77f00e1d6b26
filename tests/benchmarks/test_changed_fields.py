"""`benchmark locating --changed` on drawn fields."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import fields_table
from PIL import Image

from benchmarks import changed_fields, cli
from edge.simulator import drawing


def test_fields_with_a_surround_and_mosaics_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for source in changed_fields.SOURCES:
        (tmp_path / "fields" / source).mkdir(parents=True)
        for number in range(6):  # halves() gives some of them to the learning half
            image, truth = drawing.field(rng, 2)
            path = f"fields/{source}/{number}.png"
            Image.fromarray(image).save(tmp_path / path)
            for t in truth:
                x, y, side = round(t.x - t.radius), round(t.y - t.radius), round(2 * t.radius)
                rows.append(f"{path},lymphocyte,{x},{y},{side},{side},{source}-{number},")
    fields_table(tmp_path, rows)
    monkeypatch.setattr(changed_fields, "_SIDES", (1, 3))
    monkeypatch.setattr(changed_fields, "_MOSAICS", 1)
    done = CliRunner().invoke(
        cli.main, ["locating", "--changed", "--data", str(tmp_path), "--json", str(tmp_path / "a.json")]
    )
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "a.json").read_text())["results"]["changed_fields"]
    assert set(result) == {*changed_fields.SOURCES, "bccd mosaics"}
    for source in changed_fields.SOURCES:
        plain, barred = (result[source][name] for name in ("nothing", "black bars of 5 %"))
        assert plain["recall"]["value"] >= 0.9 and barred["recall"]["value"] >= 0.9
        assert plain["recall"] == plain["at_once"] and 0 < barred["recall"]["count"] <= plain["recall"]["count"]
    [one, wide] = result["bccd mosaics"].values()
    assert wide["width"] == pytest.approx(3 * 640 / 37, rel=0.2) and wide["recall"]["value"] >= 0.9
    assert wide["recall"]["value"] > wide["at_once"]["value"] and one["recall"] == one["at_once"]
    assert "black bars of 5 %" in done.stdout and "3 x 3 fields" in done.stdout
