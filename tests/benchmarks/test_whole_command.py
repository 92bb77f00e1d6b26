"""The whole command is measured, in this checkout and in another one, and energy where the machine tells it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from benchmarks import command, machine, whole
from benchmarks.rivals import peers
from edge.errors import UserError
from edge.simulator import drawing


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    for number in range(3):
        image = drawing.picture("lymphocyte", np.random.default_rng(number), 128)
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    return [str(each) for each in sorted(tmp_path.glob("*.png"))]


def test_the_command_is_measured_in_turns_with_another_checkout(pictures: list[str]) -> None:
    found = whole.whole({"cells": pictures}, ROOT, ["--whole-image"], rounds=1)
    ways = found["sets"]["cells"]
    assert len(ways) >= 2 and str(ROOT) in ways
    for each in ways.values():
        assert each["pictures"] == 3 and each["megabytes"] > 20
        assert each["per_second"]["value"] > 0 and each["cpu"]["value"] > 0
    assert f"3 cells  {whole.THIS}" in whole.table(found)
    with pytest.raises(UserError, match="no checkout"):
        whole.whole({"cells": pictures}, Path(pictures[0]).parent)


def test_a_command_starts_with_its_byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    command.timed([sys.executable, "-c", "import sys; sys.exit(sys.dont_write_bytecode)"])


def test_the_cost_grows_with_the_pictures(pictures: list[str]) -> None:
    found = whole.cost(pictures, (1, 5))
    assert set(found["cost"]["1"]) == {"1", "5"} and json.dumps(found)
    assert len(whole.cost_rows(found).text().splitlines()) >= 3


def test_energy_is_read_where_there_is_a_meter(tmp_path: Path) -> None:
    assert machine.joules(tmp_path) is None
    for name, energy in (("intel-rapl:0", 2_000_000), ("intel-rapl:1", 500_000), ("intel-rapl:0:0", 999_000_000)):
        folder = tmp_path / "sys/class/powercap" / name
        folder.mkdir(parents=True)
        (folder / "energy_uj").write_text(f"{energy}\n")
    assert machine.joules(tmp_path) == 2.5


def test_the_plain_opencv_pipeline_answers_each_picture(pictures: list[str]) -> None:
    script = Path(peers.__file__).with_name("peer.py")
    done = subprocess.run(
        [sys.executable, "-I", str(script), "opencv", "-"], input="\n".join(pictures), capture_output=True, text=True
    )
    assert [line.rpartition(" ")[0] for line in done.stdout.splitlines()] == pictures
