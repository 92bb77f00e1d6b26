"""A finished training run on disk: its network, its report, the data that it learned from, its answers."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from edge.crop import POLICIES
from edge.decide import merged
from edge.errors import UserError, reason
from train import data

_NEEDED = {"version", "network", "parameters", "labels", "size", "crop", "settings", "best_epoch", "data"}
_OF_DATA = {"folder", "counts", "split_sha256"}


def network(run: Path) -> str:
    """What was trained there. Raises UserError as read() does."""
    return str(_report(run)["network"])


def read(run: Path) -> tuple[dict, keras.Model]:
    """A folder written by train.experiment -> what its run.json holds, and the network.

    Raises UserError for what isn't a finished run of a classifier, or was trained on crops that aren't made any more.
    """
    report = _report(run)
    if report["network"] == "locator":
        raise UserError(f"{run} holds a locator, which tells no classes apart; `benchmark locating` measures it.")
    try:
        policy, version = report["crop"]["policy"], report["crop"]["version"]
        if not report.keys() >= _NEEDED or not report["data"].keys() >= _OF_DATA:
            raise ValueError("unfinished")
        shapes = (None, report["size"], report["size"], 3), (None, len(kinds(report)))
        if POLICIES.get(policy) != version:
            raise UserError(f"{run} was trained on crops {policy!r} version {version}, not made any more; train again.")
        model = keras.models.load_model(run / "model.keras", compile=False)
        if (model.input_shape, model.output_shape) != shapes:
            raise ValueError("of two runs")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise _unfinished(run, error) from error
    return report, model


def _report(run: Path) -> dict:
    try:
        report = json.loads((run / "run.json").read_text(encoding="utf-8"))
        return report | {"network": report["network"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unfinished(run, error) from error


def _unfinished(run: Path, error: Exception) -> UserError:
    why = reason(error) if isinstance(error, OSError) else "its run.json or model.keras is damaged"
    return UserError(f"{run} is not a finished training run ({why}); make one with `train baseline`.")


def kinds(report: dict) -> list[str]:
    """What its network tells apart, in the order of the outputs: see train.data.kinds()."""
    return report.get("kinds", report["labels"])


def examples(run: Path, report: dict, folder: Path) -> list[data.Example]:
    """All that the run may see of the data in `folder`. Raises UserError where that isn't the run's data."""
    found = data.trained_on(data.read(folder, report["labels"]), report["settings"].get("source"))
    if data.split_hash(found) != report["data"]["split_sha256"]:
        raise UserError(f"{folder} is not the data that {run} was trained on (its splits differ); train again.")
    return found


def predict(model: keras.Model, crops: np.ndarray, labels: int = 0, batch: int = 64) -> np.ndarray:
    """crops uint8 [n, size, size, 3], a memory map for all we care -> probabilities float32 [n, kinds], or merged to so
    many labels.

    Batch by batch, so that memory doesn't grow with the data. Raises UserError for a network that broke in training.
    """
    starts = range(0, len(crops), batch)
    answers = [model.predict_on_batch(crops[i : i + batch].astype(np.float32)) for i in starts]
    probabilities = np.concatenate(answers)
    if not np.isfinite(probabilities).all():
        raise UserError("The network answers with what is no number, its training has failed; train again.")
    return merged(probabilities, labels or probabilities.shape[-1])
