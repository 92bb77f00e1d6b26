"""The .tflite file: opens it, checks it against its contract, and runs it.

The file is a TFLite flatbuffer followed by a zip archive, as TFLite metadata prescribes. The archive is uncompressed
and holds:

- labels.txt
- contract.json (edge/contract.py); `unzip -p MODEL contract.json` shows it on any machine
- samples.npz: a few inputs with their expected outputs
- distance.npz (edge/mahalanobis.py), if the network also outputs its features, the inputs of its last layer

The archive's comment, which ends the file, is the seal: "sha256:" and the hash of all bytes before its digits. So one
hash covers the whole file; it is checked before anything in it is read. `head -c -64 MODEL | sha256sum` computes it.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np

from edge import contract as contracts
from edge import crop
from edge.contract import Contract
from edge.decide import OTHER, RISK, Rules, merged
from edge.errors import UserError, reason
from edge.mahalanobis import Distance
from edge.softmax import softmax
from edge.system import apart
from edge.system.quiet import quiet

if TYPE_CHECKING:
    from edge.red_cells import KnownRuler

SEAL, DIGITS = b"sha256:", 64  # how the seal begins, and the number of its hexadecimal digits
_PATIENCE = 300  # seconds that it may take to try out a file; the slowest Pi needs a minute for VGG16
SHIPPED = Path(__file__).parent / "models" / "compact-int8.tflite"


class File:
    """An opened model file of any kind, checked against its contract. Not for use from several threads at once.

    Attributes:
        path: where the file is.
        sha256: hash of its content, in hexadecimal digits.
        contract: what the file says about itself.
        sealed: whether the whole file is under one hash; older files aren't.
        announced: whether the runtime has written to the terminal how it runs graphs, which it does once in a process.
    """

    announced: ClassVar[bool] = False

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        """Opens the file. threads: how many run the network. OpenCV gets as many.

        Raises:
            UserError: if it isn't a model file with a contract that this code knows, or doesn't run on this machine.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"The model {path} can't be read: {reason(error)}.") from error
        # More of OpenCV's threads would wait, at full load, for longer than its small tasks take.
        cv2.setNumThreads(threads)
        self.path = path
        digest = hashlib.sha256(memoryview(content)[:-DIGITS])
        self.sealed = content[-DIGITS - len(SEAL) : -DIGITS] == SEAL
        if self.sealed and digest.hexdigest().encode() != content[-DIGITS:]:
            raise UserError(f"{path} is damaged or was changed: its hash isn't the one at its end; copy it again.")
        digest.update(content[-DIGITS:])
        self.sha256 = digest.hexdigest()
        self.contract, self._arrays = _open(content, path)
        if self.contract.version >= contracts.SEALED and not self.sealed:
            raise UserError(f"{path} is damaged: the hash at its end is missing; copy it again.")
        made = self.contract.crop
        if made and made.version != crop.POLICIES.get(made.policy):
            raise UserError(
                f"{path} was trained on crops {made.policy!r} version {made.version}, which this edge-classify can't "
                "make; convert a newer training run."
            )
        del content  # frees its memory: the runtime maps the file by itself
        try:
            with quiet():
                self._interpreter = _interpreter(path, threads)
                self._prepare()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"The model {path} doesn't run on this machine: {str(error).splitlines()[0]}") from error
        self._input = self._interpreter.get_input_details()[0]
        self._softmax = softmax(self._interpreter)
        self._output, *self._more = self._interpreter.get_output_details()
        size = self.contract.input.size
        if tuple(self._input["shape"]) != (1, size, size, 3) or self._input["dtype"] != np.uint8:
            raise UserError(f"The model {path} contradicts its contract: its input is not uint8 {[1, size, size, 3]}.")

    def _prepare(self) -> None:
        """Gets the graph ready to run. Raises ValueError or RuntimeError if it doesn't run on this machine."""
        self._interpreter.allocate_tensors()
        File.announced = True

    def raw(self, crop: np.ndarray) -> np.ndarray:
        """RGB uint8 [size, size, 3] -> the graph's first output for it: uint8 (int8 models) or float32.

        Every machine gives the same uint8 bytes.
        """
        try:
            self._interpreter.set_tensor(self._input["index"], crop[None])
            self._interpreter.invoke()
        except RuntimeError as error:  # a graph that was forged
            raise UserError(f"The model {self.path} doesn't run: {str(error).splitlines()[0]}.") from error
        return self._softmax.answer() if self._softmax else self._interpreter.get_tensor(self._output["index"])[0]

    def answers(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The raw answers of the file's graphs to pictures, by the graph; "outputs" are those of `raw`.

        inputs: uint8 [n, size, size, 3].
        """
        return {"outputs": np.stack([self.raw(picture) for picture in inputs])}

    def verify(self) -> tuple[int, int]:
        """Runs the samples inside the file -> (number of answers as expected, number of answers).

        Integer outputs must be the same to the byte. Floats may differ by 1e-4, because the order of a sum may depend
        on the machine.
        """
        try:
            samples = self._arrays["samples"]
            found = self.answers(samples["inputs"]) if len(samples["inputs"]) else {}
            differences = [
                (np.abs(mine.astype(np.float64) - theirs).max(), 1e-4 if theirs.dtype.kind == "f" else 0)
                for name, answers in found.items()
                for mine, theirs in zip(answers, samples[name], strict=True)
            ]
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(f"The samples in {self.path} don't fit its network; convert the model again.") from error
        if not differences:
            raise UserError(f"{self.path} holds no samples, so it can't be verified; convert the model again.")
        return sum(bool(each <= limit) for each, limit in differences), len(differences)


@dataclass(frozen=True)
class Prediction:
    """The network's output for one crop.

    Attributes:
        kinds: probabilities of the kinds, float32 [kinds]; they sum to 1. All NaN if the network gave no probabilities:
            then the answer is review.
        features: the inputs of the network's last layer, float32 [n]; n is 0 if the file doesn't output them.
        distance: Mahalanobis distance from the training cells, about 1 for a usual cell; 0 if it isn't known, and
            infinite if features are no numbers.
    """

    kinds: np.ndarray
    features: np.ndarray
    distance: float = 0.0


class Model(File):
    """A classifier.

    Attributes:
        labels: the possible answers.
        kinds: what the network tells apart, in the order of its outputs; see edge.decide.
        size: the input's width and height, pixels.
        policy: the crop that it was trained on, a key of edge.crop.POLICIES.
        decision: how probabilities become answers, from its contract.
        distance: computes the distance from the training cells; None if the file doesn't hold what this needs.
        home: what is usual in runs like those of training, from its contract, for edge.unlike; None if it isn't known.
        ruler: the ruler of the site where it is used; None if no profile gives one.
    """

    ruler: "KnownRuler | None" = None

    def __init__(self, path: str | Path = SHIPPED, threads: int = 1) -> None:
        """Raises UserError as File does, and if the file isn't a classifier for this version."""
        super().__init__(path, threads)
        incomplete = UserError(f"{path} has an incomplete contract; convert the model again.")
        if self.contract.crop is None or self.contract.decision is None:
            raise incomplete
        self.labels = self.contract.labels
        self.kinds = self.contract.kinds or self.labels
        self.size = self.contract.input.size
        self.policy = self.contract.crop.policy
        self.decision = self.contract.decision
        self.home = self.contract.home
        try:
            self.distance = Distance(self._arrays["distance"]) if "distance" in self._arrays else None
        except (KeyError, TypeError, ValueError) as error:
            raise incomplete from error
        if tuple(self._output["shape"]) != (1, len(self.kinds)) or not self._labels_fit():
            raise UserError(f"The model {path} contradicts its contract: its outputs are not its labels.")
        features = tuple(self._more[0]["shape"]) if self._more else (1, 0)
        if self.distance and features != (1, len(self.distance.whiten)):
            raise UserError(f"The model {path} contradicts its contract: its features are not those of distance.npz.")
        older = not self.sealed and self.contract.version > 1  # damage may have taken the limits away, unnoticed
        lacking = self.lacking(self.decision) or ("risks" if older and self.decision.risks is None else "")
        if lacking:
            raise UserError(f"{path} has an incomplete contract: it lacks {lacking}; convert the model again.")

    def lacking(self, decision: contracts.Decision) -> str:
        """What thresholds of a decision lack that this model's answers are held to, in words; "" if nothing.

        A limit that is missing would let every answer pass.
        """
        needed = {"min_confidence"}
        needed |= {"max_distance"} if self.distance else set()
        needed |= {"max_other", "min_other"} if OTHER in self.labels else set()
        for risk, thresholds in (decision.risks or {}).items():
            if thresholds.max_distance is not None and not self.distance:
                return "distance.npz, which its thresholds need"
            if missing := sorted(name for name in needed if getattr(thresholds, name) is None):
                return f"{' and '.join(missing)} for the risk {risk}"
        return ""

    def _labels_fit(self) -> bool:
        """Whether labels and kinds are all different, and the names are the first of both."""
        names = self.labels[: len(self.labels) - (self.labels[-1:] == (OTHER,))]
        different = len(set(self.labels)) == len(self.labels) and len(set(self.kinds)) == len(self.kinds)
        return different and bool(names) and self.kinds[: len(names)] == names

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the input."""
        return self.size, self.size, 3

    @property
    def risks(self) -> tuple[float, ...]:
        """The stated risks that the model has thresholds for, in ascending order, each 0 to 1."""
        return _risks(self.decision)

    def rules(self, risk: float | None, decision: contracts.Decision | None = None) -> Rules:
        """How probabilities become answers at a stated risk.

        Args:
            risk: at most this share of the given answers may be wrong; None for answers without review.
                Between two risks that the model knows, the lower one applies. Below all of them, none applies, and
                answers are given without review.
            decision: replaces the model's own; None for the model's own.
        """
        decision = decision or self.decision
        other = decision.other or contracts.Platt()
        plain = Rules(self.labels, self.kinds, decision.temperature, (other.scale, other.shift))
        known = [each for each in _risks(decision) if risk is not None and each <= risk + 1e-9]
        if not known or not decision.risks:
            return plain
        thresholds = decision.risks[f"{known[-1]:g}"]
        names = (each.name for each in fields(thresholds))
        given = {name: value for name in names if (value := getattr(thresholds, name)) is not None}
        return replace(plain, abstain=True, **given)

    def probabilities(self, crop: np.ndarray) -> np.ndarray:
        """RGB uint8 [size, size, 3] -> probabilities, float32 [labels], summing to 1."""
        return merged(self._kinds(crop), len(self.labels))

    def predict(self, crop: np.ndarray) -> Prediction:
        """RGB uint8 [size, size, 3] -> everything that the network outputs for it."""
        kinds = self._kinds(crop)
        if not self._more:
            return Prediction(kinds, np.zeros(0, np.float32))
        features = _real(self._interpreter.get_tensor(self._more[0]["index"])[0], self._more[0])
        return Prediction(kinds, features, self.distance.of(features) if self.distance else 0.0)

    def _kinds(self, crop: np.ndarray) -> np.ndarray:
        shares = _real(self.raw(crop), self._output)
        total = float(shares.sum())
        if not 0.5 < total < 1.5 or not (shares >= 0).all():  # rounding to 1/256 moves the sum by a hundredth
            return np.full_like(shares, np.nan)
        return shares / total


def open_model(path: Path | None, threads: int = 1) -> "Model":
    """Opens a classifier; None for the shipped one. Another file is tried out first. Raises UserError; see Model."""
    if path:
        try_out(path)
    return Model(path or SHIPPED, threads)


def try_out(path: Path) -> None:
    """Runs the samples of a model file in a copy of this process, because a forged file may crash the runtime.

    Raises:
        UserError: if it does. A file that can't be opened raises nothing; whoever opens it next learns why.
    """

    def run_samples() -> None:
        try:
            opened = Model(path)
        except UserError:
            return
        opened.verify()

    if wrong := apart.tried_out(run_samples, _PATIENCE):
        raise UserError(f"{path} {wrong}, so it is forged or damaged; don't use it.")


def known_ruler(model: Model, said: str | float | None) -> "float | KnownRuler | None":
    """What a run takes for the diameter of red cells: what --ruler says, else the site's ruler; None to measure it.

    said: run, picture, a diameter in pixels, or None if the user said nothing.
    """
    return model.ruler if said is None else said if isinstance(said, float) else None


def answering(model: Model, risk: float | None, no_review: bool = False) -> Rules:
    """How answers are made. Raises UserError if the model has no thresholds for the risk: with none, all would pass.

    Without --risk, a model from before there were thresholds answers every cell.
    """
    if no_review:
        if risk is not None:
            raise UserError("--no-review gives every answer, whatever its risk; leave out --risk.")
        return model.rules(None)
    asked, risk = risk is not None, RISK if risk is None else risk
    fitted = model.decision.risks is not None
    if (asked or fitted) and not any(known <= risk + 1e-9 for known in model.risks):
        known = ", ".join(f"{each:g}" for each in model.risks)
        raise UserError(
            f"{model.path} has no thresholds for a risk of {risk:g}; "
            + (
                f"it has some for {known}: choose one with --risk, "
                if known
                else "it has none at all: train it better, "
            )
            + "or answer every cell with --no-review."
        )
    return model.rules(risk)


def _risks(decision: contracts.Decision) -> tuple[float, ...]:
    return tuple(sorted(float(risk) for risk in decision.risks or {}))


def _real(output: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    """Converts an output to float32, from levels if it is quantized. details: of this output, by the interpreter."""
    scale, zero = details["quantization"]
    return (output.astype(np.float32) - zero) * np.float32(scale) if scale else output.astype(np.float32)


def _open(content: bytes, path: str | Path) -> tuple[Contract, dict[str, dict[str, np.ndarray]]]:
    """The file's bytes -> its contract and arrays. Raises UserError, also if the graph's hash isn't the contract's."""
    if content[4:8] != b"TFL3":
        raise UserError(f"{path} is not a TFLite model.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(content):  # all are stored; compressed ones may be bombs
                raise ValueError("larger than the file")
            graph = content[: min(entry.header_offset for entry in entries)]
            document = json.loads(archive.read("contract.json"))
            version = document.get("contract")
            if version in contracts.KNOWN:
                names = ["samples"] + ["distance"] * ("distance.npz" in archive.namelist())
                arrays = {
                    name: dict(np.load(io.BytesIO(archive.read(f"{name}.npz")), allow_pickle=False)) for name in names
                }
    except Exception as error:  # zipfile, NumPy and JSON raise a dozen types on headers that were forged
        raise UserError(
            f"{path} has no readable contract (not made by `convert`, or damaged); make it with `convert --int8`."
        ) from error
    if version not in contracts.KNOWN:
        raise UserError(
            f"{path} has contract version {version}; this edge-classify knows versions up to {contracts.VERSION}."
        )
    try:
        contract = contracts.read(document)
    except ValueError as error:
        raise UserError(f"{path} has an incomplete contract; convert the model again.") from error
    if hashlib.sha256(graph).hexdigest() != contract.graph_sha256:
        raise UserError(f"{path} is damaged: its graph is not the one that its contract names; copy it again.")
    return contract, arrays


def _interpreter(path: str | Path, threads: int) -> Any:
    """Opens the file in the TFLite runtime, mapped into memory. The runtime ignores the archive after the graph."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:  # the only runtime on 32-bit Raspberry Pi OS
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise UserError("No TFLite runtime is installed; run `pip install ai-edge-litert`.") from error
    return Interpreter(model_path=str(path), num_threads=threads)
