"""The .tflite file: read its contract, check it, run it.

The file is a TFLite flatbuffer with a zip archive behind it, as TFLite metadata prescribes. In the archive,
uncompressed: labels.txt, contract.json (see convert/model_file.py, which writes it), samples.npz, a few inputs with the
outputs expected of them, and distance.npz (see edge/mahalanobis.py), where the network shows its last features.
`unzip -p MODEL contract.json` shows the contract on any machine.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge import crop
from edge.decide import PLAIN_OTHER, Rules, merged
from edge.errors import UserError, reason
from edge.mahalanobis import Distance
from edge.softmax import softmax
from edge.system.quiet import quiet

CONTRACT_VERSION = 2
_KNOWN = (1, 2)  # the first had no kinds, risks and features, and is read as it always was
SHIPPED = Path(__file__).parent / "models" / "compact-int8.tflite"


class File:
    """An opened model file of any kind, checked against its contract. Not for use from several threads at once."""

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        """Raises UserError where it isn't a model file with a contract that this code knows, or doesn't run here."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"The model {path} can't be read: {reason(error)}.") from error
        self.path = path
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.document, self._arrays = _open(content, path)[:2]
        del content  # the runtime maps the file itself
        try:
            with quiet():
                self._interpreter = _interpreter(path, threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"The model {path} doesn't run here: {str(error).splitlines()[0]}") from error
        self._input = self._interpreter.get_input_details()[0]
        self._softmax = softmax(self._interpreter)
        self._output, *self._more = self._interpreter.get_output_details()
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
        expected, inputs = self._arrays["samples"]["outputs"], self._arrays["samples"]["inputs"]
        limit = 1e-4 if expected.dtype.kind == "f" else 0
        differences = [np.abs(self.raw(x).astype(np.float64) - y).max() for x, y in zip(inputs, expected, strict=True)]
        return sum(bool(d <= limit) for d in differences), len(inputs)


@dataclass(frozen=True)
class Seen:
    """What a network sees in a crop. kinds: probabilities, float32 [kinds], summing to 1; features: what its last
    layer tells them by, float32 [n], n 0 where the file doesn't show them; distance: from all that it was trained on,
    see edge.mahalanobis; 0 likewise.
    """

    kinds: np.ndarray
    features: np.ndarray
    distance: float = 0.0


class Model(File):
    """A classifier.

    labels: what it tells apart; kinds: the same in the order of the outputs, see edge.decide; size: the input's width
    and height in pixels; policy: the crop that it was trained on; distance: from all that it was trained on, None where
    the file doesn't show its features, or not where they lie.
    """

    def __init__(self, path: str | Path = SHIPPED, threads: int = 1) -> None:
        super().__init__(path, threads)
        document = self.document
        try:
            self.labels = tuple(document["labels"])
            self.size: int = document["input"]["size"]
            self.policy: str = document["crop"]["policy"]
            self.kinds = tuple(document.get("kinds", self.labels))
            self._decision = dict(document["decision"])
            self.rules(None)
            made, known = document["crop"]["version"], crop.POLICIES.get(self.policy)
            self.distance = Distance(self._arrays["distance"]) if "distance" in self._arrays else None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} has an incomplete contract; convert the model again.") from error
        if made != known:
            raise UserError(
                f"{path} was trained on crops {self.policy!r} version {made}, which this edge-classify doesn't make; "
                "convert a newer run."
            )
        if tuple(self._output["shape"]) != (1, len(self.kinds)):
            raise UserError(f"The model {path} contradicts its contract: its outputs are not its labels.")

    @property
    def risks(self) -> tuple[float, ...]:
        """The shares of wrong answers among those given that it can be held to, in ascending order."""
        return _risks(self._decision)

    def rules(self, risk: float | None) -> Rules:
        """How its answers are made: so that at most that share of those given is wrong, of None the plain ones.

        A risk between two that it knows is held to the smaller, one below all of them to none.
        """
        return self.ruled(self._decision, risk)

    def ruled(self, told: Mapping[str, Any], risk: float | None) -> Rules:
        """The same by another "decision" than its contract's."""
        rest = told.get("rest", {"scale": 1.0, "shift": 0.0})
        plain = Rules(self.labels, self.kinds, told["temperature"], (rest["scale"], rest["shift"]), other=PLAIN_OTHER)
        known = [each for each in _risks(told) if risk is not None and each <= risk + 1e-9]
        return replace(plain, reviews=True, **told["risks"][f"{known[-1]:g}"]) if known else plain

    def run(self, crop: np.ndarray) -> np.ndarray:
        """RGB uint8 [size, size, 3] -> probabilities, float32 [labels], summing to 1."""
        return merged(self._kinds(crop), len(self.labels))

    def see(self, crop: np.ndarray) -> Seen:
        """The same with all that the file shows."""
        kinds = self._kinds(crop)
        if not self._more:
            return Seen(kinds, np.zeros(0, np.float32))
        features = _real(self._interpreter.get_tensor(self._more[0]["index"])[0], self._more[0])
        return Seen(kinds, features, self.distance.of(features) if self.distance else 0.0)

    def _kinds(self, crop: np.ndarray) -> np.ndarray:
        shares = _real(self.raw(crop), self._output)
        return shares / max(float(shares.sum()), 1e-6)


def _risks(decision: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(sorted(float(risk) for risk in decision.get("risks", {})))


def _real(output: np.ndarray, told: dict[str, Any]) -> np.ndarray:
    """An output in numbers, float32, of the levels that int8 has."""
    scale, zero = told["quantization"]
    return (output.astype(np.float32) - zero) * np.float32(scale) if scale else output.astype(np.float32)


def _open(content: bytes, path: str | Path) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]], bytes]:
    """The file's bytes -> contract, arrays and the flatbuffer alone, checked against the contract's hash."""
    if content[4:8] != b"TFL3":
        raise UserError(f"{path} is not a TFLite model.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            graph = content[: min(entry.header_offset for entry in archive.infolist())]
            document = json.loads(archive.read("contract.json"))
            version = document.get("contract")
            if version in _KNOWN:
                names = {"samples"} | {"distance"}.intersection(Path(name).stem for name in archive.namelist())
                arrays = {
                    name: dict(np.load(io.BytesIO(archive.read(f"{name}.npz")), allow_pickle=False)) for name in names
                }
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UserError(
            f"{path} carries no readable contract (not made by `convert`, or damaged); make it with `convert --int8`."
        ) from error
    if version not in _KNOWN:
        raise UserError(f"{path} has contract version {version}; this edge-classify knows up to {CONTRACT_VERSION}.")
    try:
        intact = hashlib.sha256(graph).hexdigest() == document["graph_sha256"]
        int(document["input"]["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} has an incomplete contract; convert the model again.") from error
    if not intact:
        raise UserError(f"{path} is damaged: its graph is not the one that its contract names; copy it again.")
    return document, arrays, graph


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
