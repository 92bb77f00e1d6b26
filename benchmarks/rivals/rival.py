"""`PYTHON rival.py RUNTIME FILE CROPS THREADS`: runs a network in one runtime, as a process of its own.

RUNTIME is a key of RUNTIMES, FILE the network, and CROPS a .npy file, uint8 [n, size, size, 3]. All output is JSON, one
value per line:

1. At the start {"load", "version"}: seconds to open the file and run the first crop, and the runtime's version.
2. For each line "FIRST LAST" on standard input: a list with the seconds of each of the crops FIRST to LAST - 1.
3. At the end of standard input {"megabytes", "answers"}: peak resident memory, and the probabilities of all crops.

PYTHON needs numpy and the runtime. It may be the Python of another environment, so this file imports nothing from this
project.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Answer = Callable[[np.ndarray], np.ndarray]  # uint8 [size, size, 3] -> probabilities [classes]


def _tflite(interpreter: Any) -> Answer:
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = target["quantization"]

    def answer(crop: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], crop[None])
        interpreter.invoke()
        output = interpreter.get_tensor(target["index"])[0]
        return (output.astype(np.float32) - zero) * scale if scale else output

    return answer


def litert(file: str, threads: int) -> Answer:
    from ai_edge_litert.interpreter import Interpreter

    return _tflite(Interpreter(model_content=Path(file).read_bytes(), num_threads=threads))


def tflite_runtime(file: str, threads: int) -> Answer:
    from tflite_runtime.interpreter import Interpreter

    return _tflite(Interpreter(model_content=Path(file).read_bytes(), num_threads=threads))


def onnxruntime(file: str, threads: int) -> Answer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda crop: session.run(None, {name: crop[None].astype(np.float32)})[0][0]


def openvino(file: str, threads: int) -> Answer:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(file), "CPU", settings).create_infer_request()
    kind = np.uint8 if file.endswith(".tflite") else np.float32
    return lambda crop: request.infer([crop[None].astype(kind, copy=False)])[0][0]


def opencv(file: str, threads: int) -> Answer:
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNet(file)

    def answer(crop: np.ndarray) -> np.ndarray:
        net.setInput(crop[None].astype(np.float32))
        return net.forward()[0]

    return answer


def ncnn(file: str, threads: int) -> Answer:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.load_param(file)
    net.load_model(str(Path(file).with_suffix(".bin")))

    def answer(crop: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        pixels = ncnn.Mat(crop.astype(np.float32)).clone()  # a copy, because a Mat doesn't keep the array in memory
        extractor.input("in0", pixels)
        return np.array(extractor.extract("out0")[1]).ravel()

    return answer


# By runtime: the function that opens a file, and the package whose version is reported.
RUNTIMES: dict[str, tuple[Callable[[str, int], Answer], str]] = {
    "litert": (litert, "ai-edge-litert"),
    "tflite-runtime": (tflite_runtime, "tflite-runtime"),
    "onnxruntime": (onnxruntime, "onnxruntime"),
    "openvino": (openvino, "openvino"),
    "opencv": (opencv, "opencv-python-headless"),
    "ncnn": (ncnn, "ncnn"),
}


def _peak_megabytes() -> float:
    """The peak resident memory of this process, in units of 2^20 bytes; 0 if it is unknown."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main(runtime: str, file: str, place: str, threads: str) -> None:
    """See the top of this file."""
    output = sys.stdout
    sys.stdout = sys.stderr  # so that text printed by libraries doesn't mix with the JSON

    def write(value: object) -> None:
        output.write(json.dumps(value) + "\n")
        output.flush()

    crops = np.load(place)
    start = time.perf_counter()
    make, package = RUNTIMES[runtime]
    answer = make(file, int(threads))
    answer(crops[0])
    write({"load": time.perf_counter() - start, "version": metadata.version(package)})
    for line in sys.stdin:
        first, last = map(int, line.split())
        spent = []
        for crop in crops[first:last]:
            began = time.perf_counter()
            answer(crop)
            spent.append(time.perf_counter() - began)
        write(spent)
    answers = [np.asarray(answer(crop), float).ravel().tolist() for crop in crops]
    write({"megabytes": _peak_megabytes(), "answers": answers})


if __name__ == "__main__":
    main(*sys.argv[1:])
