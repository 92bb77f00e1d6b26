"""A locator's training run -> its .tflite file."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from convert import contract, quantize
from edge.errors import UserError
from edge.model import File
from train import card, report


def convert(run: Path, kind: str, out: Path | None = None) -> dict:
    """RUN/model.keras -> OUT/locator-KIND.tflite with its model card.

    It has no labels to count, so the proof is how far its marks moved on the calibration fields. Returns {"path",
    "bytes", "keras_bytes", "agreement"}. Raises UserError for what isn't a locator's run.
    """
    try:
        told = json.loads((run / "run.json").read_text())
        model = keras.models.load_model(run / "model.keras", compile=False)
        fields = np.load(run / "calibration.npz")["fields"]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{run} lacks a readable model.keras or calibration.npz; train the locator again.") from error
    graph = quantize.quantize(model, kind, fields)
    document = {
        "network": told["network"],
        "parameters": told["parameters"],
        "input": {"size": told["size"], "dtype": "uint8", "colour": "RGB", "range": [0, 255]},
        "labels": ["nucleus"],
        "quantization": quantize.emitted(graph),
        "keras_sha256": hashlib.sha256((run / "model.keras").read_bytes()).hexdigest(),
        "calibration": {"count": len(fields), "method": "min-max", "sha256": hashlib.sha256(fields).hexdigest()},
        "training": told["settings"] | {"code_version": told["version"]},
        "data": {key: told["data"][key] for key in ("counts", "split_sha256", "clear", "fields")},
        "attributions": card.attributions(told["data"]["red_cells"]),
        "licence": "Apache-2.0",
    }
    path = (out or run) / f"locator-{kind}.tflite"
    content = contract.seal(graph, document)
    with contract.opened(content, File) as measured:
        text = card.locator_card(measured.document, path.name, measured.sha256)
        files: dict[str, str | bytes] = {path.name: content, f"{path.stem}.md": text}
        report.write(path.parent, files)
        marked = np.stack([measured.raw(field)[..., 0] for field in fields])
    expected = model.predict(fields.astype(np.float32), batch_size=10, verbose=0)[..., 0] >= 0.5
    agreement = float(((marked >= (128 if kind == "int8" else 0.5)) == expected).mean())
    return {"path": path, "bytes": len(content), "keras_bytes": 4 * told["parameters"], "agreement": agreement}
