"""`convert --onnx`: the file answers like the Keras model, takes raw pictures, and says what it is."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke

from convert import onnx_file
from convert.source import of_run
from edge import contract as contracts
from train import run as runs

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")


@pytest.fixture(scope="module")
def written(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx")
    done = invoke("convert", "--onnx", tiny_run, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "for 16 of 16 pictures" in done.stdout and "differ by at most" in done.stdout
    [path] = out.iterdir()
    return path


def test_onnx_runtime_answers_raw_pictures(written: Path, tiny_run: Path) -> None:
    assert written.name == "baseline-float32.onnx"
    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("image", "tensor(uint8)", [1, 32, 32, 3])
    assert session.get_outputs()[0].name == "probabilities"
    pictures = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    found = np.concatenate([session.run(["probabilities"], {"image": picture[None]})[0] for picture in pictures])
    assert found == pytest.approx(runs.predict(of_run(tiny_run).model, pictures), abs=onnx_file.LARGEST)


def test_its_metadata_say_what_it_is(written: Path) -> None:
    model = onnx.load(written)
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["labels"].split("\n") == ["lymphocyte", "monocyte"] and "Not a medical device" in model.doc_string
    contract = contracts.read(json.loads(found["contract"]))
    assert contract.labels == ("lymphocyte", "monocyte") and contract.quantization.kind == "float32"
    assert contract.metrics and contract.metrics["float32"]["test"]["all"].count == 16
    compared = json.loads(found["compared"])
    assert compared["pictures"] == compared["same_answer"] == 16
    assert 0 <= compared["largest_difference"] <= onnx_file.LARGEST


def test_a_file_that_answers_otherwise_is_not_written(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = onnx_file.answers
    monkeypatch.setattr(onnx_file, "answers", lambda *given: answers(*given) + np.float32(0.001))
    done = invoke("convert", "--onnx", tiny_run, "--out", tmp_path)
    assert done.returncode == 3 and "differ by at most 1.0e-03. No file was written" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_its_libraries_it_says_so(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert_refused(invoke("convert", "--onnx", tiny_run, "--out", tmp_path), "pip install 'edge-classify[onnx]'")
