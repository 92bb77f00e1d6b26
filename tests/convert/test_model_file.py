"""The contract in the model file: `convert show` and `convert verify`, and other programs that read the file."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_refused, invoke
from model_files import unsealed
from PIL import Image

from convert import describe
from edge import __version__
from edge import contract as contracts
from edge.crop import POLICIES
from edge.model import Model
from train.data import crop_cache, dataset


def test_show(tiny_model: Path) -> None:
    done = invoke("convert", "show", tiny_model)
    assert done.returncode == 0, done.stderr
    contract, version = Model(tiny_model).contract, POLICIES["whole-image"]
    assert contract.calibration
    for words in (
        "uint8 RGB 32 x 32", "lymphocyte, monocyte", "int8, read back", "CONV_2D x 4",
        f"whole-image, version {version}",
        contract.keras_sha256, contract.calibration.sha256, f"edge-classify {__version__}", "gate on val",
    ):  # fmt: skip
        assert words and words in done.stdout, words
    whole = invoke("convert", "show", "--json", tiny_model)
    with zipfile.ZipFile(tiny_model) as archive:
        assert json.loads(whole.stdout) == json.loads(archive.read("contract.json")) == contracts.write(contract)


def test_show_of_a_locator() -> None:
    from edge import locate

    text = describe.text(locate.Locator().contract)
    assert "locator" in text and "nucleus" in text and "gate" not in text


def test_verify(tiny_model: Path, tmp_path: Path) -> None:
    done = invoke("convert", "verify", tiny_model)
    assert done.returncode == 0 and "All 4 sample answers are as expected" in done.stdout, done.stderr
    from convert import model_file

    model = Model(tiny_model)
    samples = model._arrays["samples"]
    with zipfile.ZipFile(tiny_model) as archive:
        graph = tiny_model.read_bytes()[: archive.infolist()[0].header_offset]
    other = tmp_path / "other.tflite"
    wrong = {"samples": samples | {"outputs": samples["outputs"] ^ 1}}
    other.write_bytes(model_file.pack(graph, model.contract, wrong))
    assert_refused(invoke("convert", "verify", other), "Only 0 of 4", "don't use")
    assert_refused(invoke("convert", "verify", tmp_path / "none.tflite"), "No such file")
    assert_refused(invoke("convert", "show", tmp_path / "none.tflite"), "No such file")


def test_show_and_verify_need_no_tensorflow(tiny_model: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['convert', sys.argv[1], {str(tiny_model)!r}]\n"
        "from convert.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    for name in ("show", "verify"):
        done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_the_first_command_need_not_be_named(tiny_run: Path, tmp_path: Path) -> None:
    for plain in (("make", tiny_run, "--data", tmp_path), ("--int8", tiny_run, "--data", tmp_path)):
        assert_refused(invoke("convert", *plain), "holds no pictures in folders of classes")
    assert "show" in invoke("convert", "--help").stdout
    assert "--rescue" in invoke("convert", "make", "--help").stdout


def test_the_file_names_the_code_that_made_it(tiny_model: Path) -> None:
    assert Model(tiny_model).contract.code_version == __version__


def test_tf_lite_and_litert_give_the_same_bytes(tiny_model: Path, pictures: np.ndarray) -> None:
    import tensorflow as tf

    model = Model(tiny_model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it is deprecated
        other = tf.lite.Interpreter(model_content=tiny_model.read_bytes(), num_threads=1)
    other.allocate_tensors()
    for picture in pictures:
        other.set_tensor(other.get_input_details()[0]["index"], picture[None])
        other.invoke()
        assert np.array_equal(other.get_tensor(other.get_output_details()[0]["index"])[0], model.raw(picture))


_MEDIAPIPE = """
import json, sys
import mediapipe, numpy
from mediapipe.tasks.python import BaseOptions, vision
options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=sys.argv[1]))
with vision.ImageClassifier.create_from_options(options) as classifier:
    for picture in sys.argv[2:]:
        found = classifier.classify(mediapipe.Image.create_from_file(picture)).classifications[0].categories
        print(json.dumps({each.category_name: each.score for each in found}))
"""


def test_mediapipe_opens_it(tiny_model: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    """MediaPipe shows the file's labels and gives the same probabilities.

    If this Python has no MediaPipe, the environment variable MEDIAPIPE_PYTHON may name one that has it.
    """
    python = os.environ.get("MEDIAPIPE_PYTHON") or (sys.executable if importlib.util.find_spec("mediapipe") else None)
    if not python:
        pytest.skip("mediapipe is not installed; name a Python that has it in MEDIAPIPE_PYTHON")
    names = []
    for i, picture in enumerate(pictures):
        names.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(picture).save(names[-1])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", _MEDIAPIPE, str(tiny_model), *names],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    model = Model(tiny_model)
    assert len(answers) == len(pictures)
    for answer, picture in zip(answers, pictures, strict=True):
        output = model.raw(picture) / 256  # its outputs' scale; MediaPipe doesn't bring the sum to 1
        assert answer == pytest.approx(dict(zip(model.labels, map(float, output), strict=True)), abs=1e-6)


def test_a_network_that_answers_nothing_gives_no_name(tmp_path: Path, drawn: Path) -> None:
    """Its weights are NaN, as after a training that failed; or its outputs are below 0, or far from a sum of 1."""
    import keras

    from convert import model_file, quantize
    from edge.contract import Contract, Crop, Decision, Input, Quantization

    inputs = keras.Input((16, 16, 3))
    dense = keras.layers.Dense(2)
    network = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(inputs)))
    contract = Contract(
        network="none",
        parameters=1,
        input=Input(16),
        labels=("lymphocyte", "monocyte"),
        crop=Crop("whole-image", POLICIES["whole-image"]),
        decision=Decision(temperature=1.0),
        licence="none",
        quantization=Quantization("float32"),
    )
    picture = next((drawn / "test").rglob("*.png"))
    for bias in ((np.nan, 1.0), (-1.0, 2.0), (0.0, 0.0), (np.inf, 1.0)):
        dense.set_weights([np.zeros((3, 2), np.float32), np.array(bias, np.float32)])
        file = tmp_path / "none.tflite"
        file.write_bytes(model_file.draft(quantize.quantize(network, "float32"), contract, Model).sealed(contract))
        for more in ((), ("--no-review",)):
            done = invoke("edge", picture, "--model", file, "--json", "-", *more)
            row = json.loads(done.stdout, parse_constant=pytest.fail)
            assert row["label"] == "review" and "no answer" in row["reason"]
            assert row["probabilities"] == {"lymphocyte": 0.0, "monocyte": 0.0}


def test_seal_protects_an_older_file_and_changes_nothing_else(tiny_model: Path, tmp_path: Path) -> None:
    old = unsealed(tiny_model, tmp_path / "old.tflite")
    assert "run `convert seal`" in invoke("convert", "verify", old).stdout
    done = invoke("convert", "seal", old)
    assert done.returncode == 0 and done.stdout == f"Sealed: {old}.\n"
    assert old.read_bytes() == tiny_model.read_bytes()
    assert "convert seal" not in invoke("convert", "verify", old).stdout
    assert_refused(invoke("convert", "seal", tmp_path / "none.tflite"), "No such file")


@pytest.fixture(scope="module")
def pictures(drawn: Path, cache: str) -> np.ndarray:
    chosen = dataset.only(dataset.read(drawn), "test")
    return np.array(crop_cache.crops(drawn, chosen, 32, "whole-image", Path(cache)))
