"""Does a training run give the same model file again, and does its training command give the same weights?"""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from convert import locator, provenance
from convert import run as runs
from convert.int8 import Int8Options
from convert.quantize import KINDS
from convert.source import of_run
from edge import contract as contracts
from edge.contract import Loss
from edge.errors import UserError
from edge.model import File
from edge.system.progress import Progress, silent
from train.run import network

_TRAINING = ("baseline", "transfer", "compact", "join", "locator")  # the subcommands of `train` that make one run


def rebuild(file: Path, run: Path, folder: Path | None = None, progress: Progress = silent) -> tuple[bool, str]:
    """Converts a run as a file was converted, and compares.

    Args:
        file: the model file. The statement beside it says how it was converted; without one, as by default.
        run: the training run that it is said to come from.
        folder: the data set; None if it is still where it was during training.
        progress: see edge.system.progress.

    Returns:
        Whether the new file is the same, byte for byte, and a sentence.

    Raises:
        UserError: if the run can't be converted.
    """
    opened = File(file)
    asked = provenance.options_of(file)
    with tempfile.TemporaryDirectory(prefix="convert-") as out:
        again = _converted(run, Path(out), folder, asked or {"kind": opened.contract.quantization.kind}, progress)
        if again is None:
            return False, f"{run} gives a file that fails the gate, so it isn't {file}."
        if again.read_bytes() == file.read_bytes():
            return True, f"{run}, converted again, gives the same file, byte for byte: sha256 {opened.sha256}."
        parts = _differences(opened, File(again))
    how = "" if asked else f" There is no {file.stem}{provenance.ENDING} beside it, so the default options were taken."
    return False, f"{run}, converted again, gives another file. These parts differ: {', '.join(parts)}.{how}"


def _converted(
    run: Path, out: Path, folder: Path | None, asked: dict[str, Any], progress: Progress = silent
) -> Path | None:
    """The file that a run is converted to; None if it fails the gate. asked: as in provenance.options_of."""
    try:
        kind = asked["kind"]
        limits = Loss(*asked["limits"]) if "limits" in asked else Loss(0.005, 0.01)
        int8 = Int8Options(**asked["int8"]) if "int8" in asked else Int8Options()
    except (KeyError, TypeError) as error:
        raise UserError("The statement beside the file is damaged; take it away to use the default options.") from error
    if network(run) == "locator":
        return locator.convert(run, kind, out, folder, limits, progress).path
    if kind not in KINDS:
        raise UserError(f"A file of kind {kind} is converted again only by what the statement beside it says.")
    [result] = runs.converted(of_run(run, folder), [kind], out, runs.Options(int8, limits), progress)
    return result.path


def _weights(run: Path) -> list[np.ndarray]:
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def _differences(one: File, other: File) -> list[str]:
    """The keys of the contract that differ, or "samples" if none does."""
    documents = [contracts.write(each.contract) for each in (one, other)]
    keys = dict.fromkeys(key for document in documents for key in document)
    return [key for key in keys if documents[0].get(key) != documents[1].get(key)] or ["samples"]


def retrain(run: Path, folder: Path | None = None) -> tuple[bool, str]:
    """Repeats the training command of a run, and compares the weights. This takes as long as the training did.

    Args:
        run: the training run. Folders that its command names, other than those of the data and the run itself, must
            be where they were, as seen from the current folder.
        folder: the data set; None if it is still where it was during training.

    Returns:
        Whether the weights are the same, bit for bit, and a sentence.

    Raises:
        UserError: if run.json doesn't name the command, or if the command fails.
    """
    report = json.loads((run / "run.json").read_text(encoding="utf-8"))
    try:
        program, *arguments = shlex.split(report["made"]["command"])
        data = folder or report["data"].get("folder")
        if program != "train" or arguments[0] not in _TRAINING:
            raise ValueError(program)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(
            f"{run}/run.json doesn't name the command that trained this one network; train it by the command `train`."
        ) from error
    with tempfile.TemporaryDirectory(prefix="train-") as place:
        out = Path(place) / "run"
        again = [word for word in arguments if word != "--resume"]
        again += ["--out", str(out), *(["--data", str(data)] if data else [])]
        done = subprocess.run([sys.executable, "-m", program, *again], stdout=subprocess.DEVNULL)
        if done.returncode:
            raise UserError(f"`{shlex.join([program, *again])}` ended with exit code {done.returncode}.")
        ours, theirs = map(_weights, (run, out))
    if [each.shape for each in ours] != [each.shape for each in theirs]:
        return False, f"{run}, trained again, gives another network."
    differences = [float(np.abs(one - other).max(initial=0.0)) for one, other in zip(ours, theirs, strict=True)]
    count = sum(each.size for each in ours)
    if any(differences):
        return False, f"{run}, trained again, gives other weights: of {count:,}, one differs by {max(differences):.2g}."
    return True, f"{run}, trained again, gives the same {count:,} weights, bit for bit."
