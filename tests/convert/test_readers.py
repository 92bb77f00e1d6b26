"""Other programs that read .tflite files: which of them can open ours, and whether they give the same answers."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import model
from edge.model import Model

FLOAT = model.SHIPPED.with_name("compact-float32.tflite")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """The samples in the shipped file, and noise: uint8 [n, height, width, 3]."""
    opened = Model()
    noise = np.random.default_rng(0).integers(0, 256, (4, *opened.shape)).astype(np.uint8)
    return np.concatenate([opened._arrays["samples"]["inputs"], noise])


def python_with(package: str) -> str:
    """A Python with this package: this one, or one named by PACKAGE_PYTHON. Skips the test if there is none."""
    variable = f"{package.upper()}_PYTHON"
    found = os.environ.get(variable) or (sys.executable if importlib.util.find_spec(package) else None)
    if not found:
        pytest.skip(f"{package} is not installed; name a Python that has it in {variable}")
    return found


def run(*command: object) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("file", [model.SHIPPED, FLOAT], ids=["int8", "float32"])
def test_opencv_gives_the_same_answers(file: Path, pictures: np.ndarray) -> None:
    opened = Model(file)
    try:
        net = cv2.dnn.readNetFromTFLite(str(file))
    except cv2.error as error:
        assert file == model.SHIPPED, error
        pytest.skip(f"OpenCV {cv2.__version__} can't read int8: {str(error).strip()}")
    for picture in pictures:
        net.setInput(picture.transpose(2, 0, 1)[None].astype(np.float32))
        assert net.forward().ravel() == pytest.approx(opened.predict(picture).kinds, abs=1e-4)


_OPENVINO = """
import json, sys
import numpy, openvino
try:
    model = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
except RuntimeError as error:
    print(json.dumps(f"OpenVINO {openvino.__version__} can't read it: {str(error).strip().splitlines()[-1]}"))
else:
    print(json.dumps([model(picture[None])[0][0].tolist() for picture in numpy.load(sys.argv[2])]))
"""


@pytest.mark.parametrize("file", [model.SHIPPED, FLOAT], ids=["int8", "float32"])
def test_openvino_gives_the_same_answers(file: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    python = python_with("openvino")
    np.save(tmp_path / "pictures.npy", pictures)
    answers = json.loads(run(python, "-c", _OPENVINO, file, tmp_path / "pictures.npy"))
    if isinstance(answers, str):
        assert file == model.SHIPPED, answers
        pytest.skip(answers)
    opened = Model(file)
    for answer, picture in zip(answers, pictures, strict=True):
        assert answer == pytest.approx(opened.predict(picture).kinds, abs=1e-3)


# Runs Netron's own reader without its window: it needs little more than a stream of bytes.
_NETRON = """
import * as fs from 'fs';
import * as base from './base.js';
import * as flatbuffers from './flatbuffers.js';
import * as tflite from './tflite.js';
const stream = new base.BinaryStream(new Uint8Array(fs.readFileSync(process.argv[2])));
const reader = flatbuffers.BinaryReader.open(stream);
const context = {
    identifier: 'model.tflite', stream,
    async peek(type) { return type === 'flatbuffers.binary' ? reader : null; },
    set(type, value) { this.type = type; this.value = value; return type; },
    async require(name) { return await import(name + '.js'); },
    async metadata() { return { type: (name) => ({ name }), attribute: () => null }; }
};
const factory = new tflite.ModelFactory();
await factory.match(context);
const model = await factory.open(context);
const graph = model.modules[0];
const end = (each) => ({ type: each.value[0].type.toString(), description: each.value[0].description });
console.log(JSON.stringify({
    name: model.name, version: model.version, description: model.description,
    metadata: model.metadata.map((each) => [each.name, each.value]), nodes: graph.nodes.length,
    inputs: graph.inputs.map(end), outputs: graph.outputs.map(end)
}));
"""


def test_netron_shows_the_metadata(tmp_path: Path) -> None:
    python, node = python_with("netron"), shutil.which("node")
    if not node:
        pytest.skip("node is not installed, which runs Netron's reader")
    package = Path(run(python, "-c", "import netron; print(netron.__path__[0])").strip())
    for file in package.glob("*.js"):
        shutil.copy(file, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "look.js").write_text(_NETRON)
    shown = json.loads(run(node, tmp_path / "look.js", model.SHIPPED))
    contract = Model().contract
    assert shown["name"] == "compact (int8)" and shown["version"] == contract.code_version
    assert "Not a medical device" in shown["description"] and ["license", "Apache-2.0"] in shown["metadata"]
    assert shown["nodes"] == sum(contract.quantization.operators.values())
    size = contract.input.size
    assert shown["inputs"][0]["type"] == f"uint8[1,{size},{size},3]" and "RGB" in shown["inputs"][0]["description"]
    assert shown["outputs"][0]["type"] == "uint8[1,2]" and "probability" in shown["outputs"][0]["description"]
