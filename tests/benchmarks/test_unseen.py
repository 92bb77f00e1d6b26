"""`benchmark unseen`: what models never learned goes the whole way of the runner."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke
from PIL import Image

from benchmarks import unseen
from edge.errors import UserError
from edge.model import SHIPPED
from edge.simulator import drawing


@pytest.fixture
def folder(two_sources: Path) -> Path:
    """Two sources of drawn cells, and two drawn fields: of one, no cell is marked."""
    (two_sources / "fields" / "three").mkdir(parents=True)
    rows = ["path,label,x,y,width,height"]
    for i in range(2):
        image, truth = drawing.field(np.random.default_rng(i), 4, 0, (480, 640))
        path = f"fields/three/{i}.png"
        Image.fromarray(image).save(two_sources / path)
        for cell in truth:
            x, y, side = (round(v) for v in (cell.x - cell.radius, cell.y - cell.radius, 2 * cell.radius))
            rows.append(f"{path},none,,,," if i else f"{path},{cell.kind},{x},{y},{side},{side}")
    (two_sources / "fields.csv").write_text("\n".join(rows) + "\n")
    return two_sources


def test_sources_fields_and_more_pictures(folder: Path, drawn: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    for name, kind in (("Lymphocytes", "lymphocyte"), ("blast", "monocyte")):
        shutil.copytree(drawn / "test" / kind, more / name)
    done = invoke(
        "benchmarks", "unseen", SHIPPED, "--data", folder, "--cells", f"more={more}",
        "--fields", f"again={folder / 'fields.csv'}", "--json", tmp_path / "result.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [found] = json.loads((tmp_path / "result.json").read_text())["results"]["unseen"]["models"].values()
    sources = found["sources"]
    assert set(sources) == {"one", "two", "three", "more", "again"} and {"pbc", "raabin"} <= set(found["learned"])
    assert sources["one"]["coverage"]["count"] == sources["two"]["coverage"]["count"] == 8
    assert sources["more"]["named"]["blast"]["count"] == 8 and sources["more"]["recalls"]["monocyte"]["count"] == 0
    outside = sources["three"]["outside"]
    # The shipped file has learned from one half of the fields of fields.csv; only the other is measured.
    assert outside["fields"] == 1 and sources["again"]["outside"]["fields"] == 2
    assert sources["again"]["outside"]["marks"] >= 3, "in the second field nothing is marked"
    text = done.stdout
    assert "| blast " in text and "never learned" in text
    for wrong in ("more", "=x", "more="):
        assert_refused(invoke("benchmarks", "unseen", "--data", folder, "--cells", wrong), "is not NAME=PATH")


def test_what_can_not_be_measured(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="knows no other cells"):
        unseen.measure(folder, [tiny_model])
    with pytest.raises(UserError, match="is not a folder"):
        unseen.measure(folder, [SHIPPED], {"none": tmp_path / "none"})
    with pytest.raises(UserError, match="is missing or empty"):
        unseen.measure(folder, [SHIPPED], {}, {"none": tmp_path / "none.csv"})
    with pytest.raises(UserError, match="Nothing to measure"):
        unseen.measure(folder, [])
