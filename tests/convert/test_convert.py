"""Converting a finished training run to a file with its contract."""

import io
import json
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import assert_refused, command, invoke

from convert import model_file, quantize, representative
from convert import run as runs
from edge import contract as contracts
from edge.contract import Contract, Input, Quantization
from edge.errors import UserError
from edge.model import Model, Prediction
from train import report as reports
from train.data.dataset import Example


def test_the_file_is_integer_from_end_to_end(tiny_model: Path) -> None:
    quantization = quantize.emitted(tiny_model.read_bytes())
    assert quantization.kind == "int8" and set(quantization.tensors) == {"int8", "int32", "uint8"}
    assert quantization.operators["CONV_2D"] == 4
    model = Model(tiny_model)
    assert model.contract.quantization == quantization
    # The input takes raw bytes: with scale 1 and zero point 0, nothing is rounded.
    assert model._input["quantization"] == (1.0, 0)


def test_the_contract_is_complete(tiny_model: Path, tiny_run: Path) -> None:
    with zipfile.ZipFile(tiny_model) as archive:
        document = json.loads(archive.read("contract.json"))
    assert contracts.write(Model(tiny_model).contract) == document
    report = json.loads((tiny_run / "run.json").read_text())
    assert document["labels"] == ["lymphocyte", "monocyte"]
    assert document["network"] == "baseline" and document["licence"] == "Apache-2.0"
    assert document["calibration"]["count"] == 48 and len(document["calibration"]["sha256"]) == 64
    assert document["data"]["split_sha256"] == report["data"]["split_sha256"]
    assert document["metrics"]["float"] == report["metrics"]
    assert document["metrics"]["int8"]["test"]["all"]["count"] == 16
    assert "folder" not in document["data"]  # the path on the training machine is private
    assert {"contract", "code_version", "graph_sha256", "keras_sha256", "crop", "decision", "attributions"} <= set(
        document
    )


def test_any_unzip_shows_the_contract(tiny_model: Path) -> None:
    with zipfile.ZipFile(tiny_model) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt") == b"lymphocyte\nmonocyte\n"
        assert {e.compress_type for e in archive.infolist()} == {
            zipfile.ZIP_STORED
        }  # MediaPipe reads no compressed archive


def test_standard_metadata(tiny_model: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf(tiny_model.read_bytes(), 0)
    entry = next(m for m in model.metadata if m.name == b"TFLITE_METADATA")
    buffer = bytes(model.buffers[entry.buffer].data)
    assert buffer[4:8] == b"M001"
    for text in (b"labels.txt", b"baseline (int8)", b"Apache-2.0", b"image", b"probability"):
        assert text in buffer


def test_same_run_same_bytes(tiny_run: Path, tiny_model: Path, tmp_path: Path) -> None:
    runs.convert(tiny_run, "int8", tmp_path)
    assert (tmp_path / "baseline-int8.tflite").read_bytes() == tiny_model.read_bytes()


def test_a_candidate_is_opened_once_and_answers_each_picture_once(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Model] = []
    answered: Counter[tuple[int, bytes]] = Counter()
    open_model, predict = Model.__init__, Model.predict

    def counting_open(self: Model, path: Path) -> None:
        opened.append(self)
        open_model(self, path)

    def counting_predict(self: Model, crop: np.ndarray) -> Prediction:
        answered[opened.index(self), crop.tobytes()] += 1
        return predict(self, crop)

    monkeypatch.setattr(Model, "__init__", counting_open)
    monkeypatch.setattr(Model, "predict", counting_predict)
    report = runs.convert(tiny_run, "int8", tmp_path).report
    candidates = len(report.calibration.compared)
    assert len(opened) == candidates + 2, "the float model comes first and the finished file last"
    assert {model for model, _ in answered} == set(range(candidates + 1)), "the finished file answers its samples only"
    assert all(count == 1 for (model, _), count in answered.items() if model)


def test_the_command_says_what_it_did(tiny_run: Path, tmp_path: Path) -> None:
    done = command("convert", tiny_run, "--out", tmp_path, "--method", "min-max")
    assert done.returncode == 0, done.stderr
    assert "float, all" in done.stdout and "int8, all" in done.stdout and "kB" in done.stdout
    assert "XNNPACK" not in done.stderr and "Captures" not in done.stdout
    card = (tmp_path / "baseline-int8.md").read_text()
    assert (
        "Not a medical device" in card
        and "monocyte recall" in card
        and Model(tmp_path / "baseline-int8.tflite").sha256 in card
    )


def test_calibration_is_balanced_and_takes_training_pictures_only() -> None:
    def many(count: int, label: str, source: str, split: str = "train") -> list[Example]:
        return [Example(f"{source}{label}{i}", label, split, source) for i in range(count)]

    training = many(500, "lymphocyte", "a") + many(50, "monocyte", "a") + many(9, "monocyte", "b")
    chosen = representative.chosen(training, 90)
    groups = [sum(e.label == label and e.source == source for e in chosen) for label, source in
              (("lymphocyte", "a"), ("monocyte", "a"), ("monocyte", "b"))]  # fmt: skip
    assert groups == [30, 30, 9]
    with pytest.raises(UserError, match="Only training pictures"):
        representative.chosen(many(3, "monocyte", "a", "val"), 2)


def test_the_kind_is_read_back_from_the_file() -> None:
    import keras

    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    pictures = np.zeros((4, 8, 8, 3), np.uint8)
    graph = quantize.quantize(model, "int8", pictures)
    assert quantize.emitted(graph).kind == "int8"
    assert quantize.emitted(quantize.quantize(model, "float32")).kind == "float32"
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [
        tf.lite.Optimize.DEFAULT
    ]  # users often mistake this for int8, but it only quantizes weights
    converter.representative_dataset = lambda: ([p[None].astype(np.float32)] for p in pictures)
    assert quantize.emitted(converter.convert()).kind == "mixed"
    with pytest.raises(UserError, match="training pictures to calibrate"):
        quantize.quantize(model, "int8", pictures[:0])


def test_refusals_leave_nothing_behind(tiny_run: Path, tmp_path: Path) -> None:
    assert_refused(invoke("convert", tmp_path / "none"), "not a finished training run")
    broken = tmp_path / "broken"
    shutil.copytree(tiny_run, broken)
    (broken / "model.keras").write_text("no model")
    assert_refused(invoke("convert", broken), "damaged")
    (broken / "run.json").write_text("{}")
    assert_refused(invoke("convert", broken), "not a finished training run")
    other = tmp_path / "other"
    assert_refused(invoke("convert", tiny_run, "--data", tmp_path, "--out", other), "holds no lymphocyte")
    assert not other.exists()
    (tmp_path / "file").touch()
    assert_refused(invoke("convert", tiny_run, "--out", tmp_path / "file"), "can't be written")


def test_a_failed_write_leaves_the_old_file(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tflite").write_text("the old one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        reports.write(tmp_path, {"a.tflite": tiny_model.read_bytes()})
    assert [p.name for p in tmp_path.iterdir()] == ["a.tflite"] and (tmp_path / "a.tflite").read_text() == "the old one"


def test_samples_are_drawn_not_photographed() -> None:
    samples = model_file.sample_inputs(48)
    assert samples.shape == (4, 48, 48, 3) and samples.dtype == np.uint8
    assert np.array_equal(samples, model_file.sample_inputs(48))
    packed = model_file.pack(
        b"GRAPHTFL3",
        Contract(
            network="a", parameters=1, input=Input(48), labels=("a",), licence="", quantization=Quantization("int8")
        ),
        {"samples": {"inputs": samples, "outputs": np.zeros((4, 1), np.uint8)}},
    )
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert np.array_equal(np.load(io.BytesIO(archive.read("samples.npz")))["inputs"], samples)
