"""Do the documents that commands write fit their schemas? Each command's own tests look at more of its documents."""

import copy
import json
import runpy
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from conftest import ROOT, assert_fits, assert_refused, invoke
from PIL import Image

from benchmarks.report import readme, result
from edge import contract, model
from edge.errors import UserError
from edge.simulator import drawing

FILES = sorted((ROOT / "edge" / "schema").glob("*.json"))


def refused(document: Any, schema: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        assert_fits(document, schema)


def test_the_files_follow_from_the_dataclasses() -> None:
    """If this fails after a change of a dataclass, run `python docs/schemas.py`."""
    texts = runpy.run_path(str(ROOT / "docs" / "schemas.py"))["texts"]()
    assert {file.name for file in FILES} == {*texts, "result-line.schema.json", "session-report.schema.json"}
    for name, text in texts.items():
        assert (ROOT / "edge" / "schema" / name).read_text() == text, name


def test_lines_of_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(drawing.picture("monocyte", rng)).save(tmp_path / "cell.png")
    pages = [drawing.picture("lymphocyte", rng), np.full((256, 256, 3), 250, np.uint8)]
    first, blank = map(Image.fromarray, pages)
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[first.resize((64, 64)), blank])
    blank.save(tmp_path / "empty.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    done = invoke("edge", tmp_path, "--json", "-")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        assert_fits(line, "result-line")
    assert {key for line in lines for key in ("cell", "cells", "error") if key in line} == {"cell", "cells", "error"}
    [cell, *_] = (line for line in lines if "cell" in line)
    for wrong in ({"schema": "edge-classify/result/2"}, {"error": "no"}, {"box": [1, 2, 3]}, {"model": "abc"}):
        refused(cell | wrong, "result-line")
    refused({"source": "a.png"}, "result-line")
    (tmp_path / "later.json").write_text(json.dumps(cell | {"schema": "edge-classify/result/2"}) + "\n")
    done = invoke("edge", tmp_path / "cell.png", "--json", tmp_path / "later.json")
    assert_refused(done, "holds something other than these results")


def test_lines_of_a_camera(tmp_path: Path) -> None:
    file = tmp_path / "cells.json"
    simulated = "sim:width=640,height=480,red_cell=40,fps=8,every=1"
    invoke("edge", "--camera", simulated, "--cells", "2", "--json", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines and all({"frames", "taken", "id", "seconds"} <= line.keys() for line in lines)
    for line in lines:
        assert_fits(line, "result-line")


@pytest.mark.parametrize("file", sorted(model.SHIPPED.parent.glob("*.tflite")), ids=lambda file: file.stem)
def test_contracts(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        document = json.loads(archive.read("contract.json"))
    assert_fits(document, "contract")
    assert_fits(contract.write(contract.read(document)), "contract")
    refused(document | {"contract": contract.VERSION + 1}, "contract")
    wrong = copy.deepcopy(document)
    wrong["input"]["size"] = 0
    refused(wrong, "contract")


def test_results_of_benchmarks(tmp_path: Path) -> None:
    for file in readme.REFERENCE.glob("*.json"):
        assert_fits(json.loads(file.read_text()), "benchmark")
    file = tmp_path / "new.json"
    result.save(result.document("benchmark parity", {"parity": {"answers": 3}}, "2026-11-26"), file)
    document = json.loads(file.read_text())
    assert document["schema"] == result.SCHEMA
    assert_fits(document, "benchmark")
    newer = document | {"schema": "benchmark/results/2"}
    refused(newer, "benchmark")
    file.write_text(json.dumps(newer))
    with pytest.raises(UserError, match="doesn't know; update"):
        result.read(file)
