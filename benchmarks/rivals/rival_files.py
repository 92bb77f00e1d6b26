"""`PYTHON rival_files.py MODEL.keras CROPS DIR`: writes the network in the other runtimes' formats.

CROPS is a .npy file of training pictures, uint8 [n, size, size, 3], from which int8's ranges are chosen. These files
are written:

- DIR/float32.onnx, with Keras's own export,
- DIR/int8.onnx, with ONNX Runtime's own quantizer, as its documentation recommends (QDQ, per channel),
- DIR/float32.ncnn.param and .bin, with pnnx.

The script prints which files it could not write, and why, as JSON: {file: reason}. PYTHON must be that of the
environment `runtimes` that `make rivals` makes. The script imports nothing from this project.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def float_onnx(model: Path, crops: np.ndarray, folder: Path) -> None:
    """Exports with Keras and simplifies with ONNX Runtime; otherwise pnnx leaves operators that ncnn can't run."""
    import keras
    from onnxruntime.quantization.shape_inference import quant_pre_process

    network = keras.models.load_model(model, compile=False)
    inputs = keras.Input(batch_shape=(1, *crops.shape[1:]))
    fixed = keras.Model(inputs, network(inputs))
    fixed(np.zeros((1, *crops.shape[1:]), np.float32))  # Keras exports a model only after it was called once
    fixed.export(str(folder / "keras.onnx"), format="onnx", verbose=False)
    quant_pre_process(folder / "keras.onnx", folder / "float32.onnx", skip_symbolic_shape=True)


def int8_onnx(model: Path, crops: np.ndarray, folder: Path) -> None:
    """Quantizes float32.onnx with ONNX Runtime."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    name = onnx.load(folder / "float32.onnx").graph.input[0].name

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            self._crops: Iterator[np.ndarray] = iter(crops)

        def get_next(self) -> dict | None:
            crop = next(self._crops, None)
            return None if crop is None else {name: crop[None].astype(np.float32)}

    quantize_static(
        folder / "float32.onnx",
        folder / "int8.onnx",
        Pictures(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def ncnn(model: Path, crops: np.ndarray, folder: Path) -> None:
    """Converts float32.onnx with the program pnnx.

    The Python package pnnx can't be imported without PyTorch, but the program that it contains runs without it.
    """
    spec = util.find_spec("pnnx")
    if spec is None or not spec.origin:
        raise ModuleNotFoundError("No module named 'pnnx'")
    program = Path(spec.origin).with_name("pnnx")
    subprocess.run([program, "float32.onnx"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


# The function that makes each file, by the file's name.
MAKERS: dict[str, Callable[[Path, np.ndarray, Path], None]] = {
    "float32.onnx": float_onnx,
    "int8.onnx": int8_onnx,
    "float32.ncnn.param": ncnn,
}


def main(model: str, place: str, folder: str) -> None:
    """See the top of this file."""
    output = os.dup(1)
    os.dup2(2, 1)  # so that libraries, including native ones, print to standard error
    failed = {}
    for name, make in MAKERS.items():
        try:
            make(Path(model), np.load(place), Path(folder))
        except Exception as error:  # a converter may raise any type; the error is reported as its result
            failed[name] = f"{type(error).__name__}: {(str(error).strip() or 'no reason').splitlines()[0][:160]}"
    os.write(output, json.dumps(failed).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
