"""`benchmark ruler`, on drawn pictures with red cells of known size."""

import json
from pathlib import Path

import pytest
from conftest import invoke


def test_a_run_measures_what_was_drawn(drawn: Path, tmp_path: Path) -> None:
    done = invoke("benchmarks", "ruler", "--data", drawn, "--json", tmp_path / "ruler.json")
    assert done.returncode == 0, done.stderr
    (run,) = json.loads((tmp_path / "ruler.json").read_text())["results"]["ruler"]["cells"].values()
    assert run["pictures"] == 16 and run["red_cell"] == pytest.approx(0.92 * 28 / 128, rel=0.07)
    assert 0 < run["apart"] < 0.3
    sizes = {label: by["run"]["median"] for label, by in run["nuclei"].items()}
    assert sizes["monocyte"] > 1.2 * sizes["lymphocyte"]
    assert "lymphocyte" in done.stdout and "| --- |" in done.stdout
