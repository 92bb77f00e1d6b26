"""The .tflite file: read its contract, check it, run it.

The file is a TFLite flatbuffer with a zip archive behind it, as TFLite metadata prescribes. In the archive,
uncompressed: labels.txt, contract.json (see convert/contract.py, which writes it) and samples.npz, a few inputs with
the outputs expected of them. `unzip -p MODEL contract.json` shows the contract on any machine.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edge import crop
from edge.errors import UserError, reason
from edge.quiet import quiet
from edge.softmax import softmax

CONTRACT_VERSION = 1
SHIPPED = Path(__file__).parent / "models" / "compact-int8.tflite"


class File:
    """An opened model file of any kind, checked against its contract. Not for use from several threads at once."""

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        """Raises UserError where it isn't a model file with a contract that this code knows, or doesn't run here."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"The model {path} can't be read: {reason(error)}.") from error
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.document, self._samples = _open(content, path)[:2]
        del content  # the runtime maps the file itself
        try:
            with quiet():
                self._interpreter = _interpreter(path, threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"The model {path} doesn't run here: {str(error).splitlines()[0]}") from error
        self._input = self._interpreter.get_input_details()[0]
        self._softmax = softmax(self._interpreter)
        self._output = self._interpreter.get_output_details()[self._softmax.output if self._softmax else 0]
        size = self.document["input"]["size"]
        if tuple(self._input["shape"]) != (1, size, size, 3) or self._input["dtype"] != np.uint8:
            raise UserError(f"The model {path} contradicts its contract: its input is not uint8 {[1, size, size, 3]}.")

    def raw(self, crop: np.ndarray) -> np.ndarray:
        """RGB uint8 [size, size, 3] -> the graph's output without its batch: uint8 of an int8 model, or float32.

        Of uint8 the same bytes on every machine.
        """
        self._interpreter.set_tensor(self._input["index"], crop[None])
        self._interpreter.invoke()
        return self._softmax.answer() if self._softmax else self._interpreter.get_tensor(self._output["index"])[0]

    def verify(self) -> tuple[int, int]:
        """Runs the samples in the file -> (answers as expected, samples).

        Integer outputs must be the same to the byte; of floats, whose sums may be taken in another order here,
        1e-4 is asked.
        """
        expected, inputs = self._samples["outputs"], self._samples["inputs"]
        limit = 1e-4 if expected.dtype.kind == "f" else 0
        differences = [np.abs(self.raw(x).astype(np.float64) - y).max() for x, y in zip(inputs, expected, strict=True)]
        return sum(bool(d <= limit) for d in differences), len(inputs)


class Model(File):
    """A classifier.

    labels: in the order of the outputs; size: the input's width and height in pixels; policy: the crop that it was
    trained on; temperature: divides the logits before softmax (Guo et al., ICML 2017).
    """

    def __init__(self, path: str | Path = SHIPPED, threads: int = 1) -> None:
        super().__init__(path, threads)
        document = self.document
        try:
            self.labels = tuple(document["labels"])
            self.size: int = document["input"]["size"]
            self.policy: str = document["crop"]["policy"]
            self.temperature: float = document["decision"]["temperature"]
            made, known = document["crop"]["version"], crop.POLICIES.get(self.policy)
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} has an incomplete contract; convert the model again.") from error
        if made != known:
            raise UserError(
                f"{path} was trained on crops {self.policy!r} version {made}, which this edge-classify doesn't make; "
                "convert a newer run."
            )
        if tuple(self._output["shape"]) != (1, len(self.labels)):
            raise UserError(f"The model {path} contradicts its contract: its outputs are not its labels.")

    def run(self, crop: np.ndarray) -> np.ndarray:
        """RGB uint8 [size, size, 3] -> probabilities, float32 [labels], summing to 1."""
        output = self.raw(crop).astype(np.float32)
        scale, zero = self._output["quantization"]
        if scale:
            output = (output - zero) * np.float32(scale)
        return output / max(float(output.sum()), 1e-6)


def _open(content: bytes, path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray], bytes]:
    """The file's bytes -> contract, samples and the flatbuffer alone, checked against the contract's hash."""
    if content[4:8] != b"TFL3":
        raise UserError(f"{path} is not a TFLite model.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            graph = content[: min(entry.header_offset for entry in archive.infolist())]
            document = json.loads(archive.read("contract.json"))
            version = document.get("contract")
            if version == CONTRACT_VERSION:
                samples = dict(np.load(io.BytesIO(archive.read("samples.npz")), allow_pickle=False))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UserError(
            f"{path} carries no readable contract (not made by `convert`, or damaged); make it with `convert --int8`."
        ) from error
    if version != CONTRACT_VERSION:
        raise UserError(f"{path} has contract version {version}; this edge-classify knows {CONTRACT_VERSION}.")
    try:
        intact = hashlib.sha256(graph).hexdigest() == document["graph_sha256"]
        int(document["input"]["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} has an incomplete contract; convert the model again.") from error
    if not intact:
        raise UserError(f"{path} is damaged: its graph is not the one that its contract names; copy it again.")
    return document, samples, graph


def _interpreter(path: str | Path, threads: int) -> Any:
    """Of the file itself, mapped into memory; the runtime takes no notice of the archive behind the graph."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:  # the only runtime on 32-bit Raspberry Pi OS
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise UserError("No TFLite runtime is installed; run `pip install ai-edge-litert`.") from error
    return Interpreter(model_path=str(path), num_threads=threads)
