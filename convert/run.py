"""One training run -> its .tflite file, measured."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from convert import contract, gate, quantize
from edge.errors import UserError
from edge.model import File, Model
from train import card, data, evaluate
from train import run as runs

CALIBRATION = 400  # pictures, spread over sources and classes; other numbers have not been compared


def convert(run: Path, kind: str, out: Path | None = None, folder: Path | None = None) -> dict:
    """Converts RUN/model.keras to OUT/NETWORK-KIND.tflite with its model card beside it.

    folder: the data set, where it isn't any more where the run found it. Returns {"path", "bytes", "keras_bytes",
    "float", "converted"}, the last two as by_source() of the val split. Raises UserError for what isn't a run.
    """
    if runs.network(run) == "locator":
        return _locator(run, kind, out or run)
    report, model = runs.read(run)
    labels, size, policy = report["labels"], report["size"], report["crop"]["policy"]
    folder = folder or Path(report["data"]["folder"])
    examples = runs.examples(run, report, folder)
    calibration = calibration_examples(data.only(examples, "train"), CALIBRATION) if kind == "int8" else []
    graph = quantize.quantize(model, kind, data.crops(folder, calibration, size, policy) if calibration else None)
    document = {
        "network": report["network"],
        "parameters": report["parameters"],
        "input": {"size": size, "dtype": "uint8", "colour": "RGB", "range": [0, 255]},
        "labels": labels,
        "crop": report["crop"],
        "decision": {"temperature": 1.0, "thresholds": {}},
        "quantization": quantize.emitted(graph),
        "keras_sha256": hashlib.sha256((run / "model.keras").read_bytes()).hexdigest(),
        "calibration": {
            "count": len(calibration),
            "method": "min-max",
            "sha256": data.list_hash(calibration) if calibration else None,
        },
        "training": report["settings"] | {"best_epoch": report["best_epoch"], "code_version": report["version"]},
        "data": {key: report["data"][key] for key in ("counts", "split_sha256")},
        "attributions": card.attributions(report["data"]["counts"]),
        "licence": "Apache-2.0",
        "metrics": {"float": report["metrics"]},
    }
    path = (out or run) / f"{report['network']}-{kind}.tflite"
    contract.write(path, graph, document)  # so that the runner can measure it
    measured = Model(path)
    document["metrics"][kind] = {}
    for split in ("val", "test"):
        chosen = data.only(examples, split)
        probabilities = gate.answers(measured, data.crops(folder, chosen, size, policy))
        sources = [e.source for e in chosen]
        document["metrics"][kind][split] = evaluate.by_source(data.targets(chosen), probabilities, sources, labels)
    contract.write(path, graph, document)
    final = Model(path)
    path.with_suffix(".md").write_text(card.card(final.document, path.name, final.sha256))
    return {
        "path": path,
        "bytes": path.stat().st_size,
        "keras_bytes": 4 * report["parameters"],
        "float": report["metrics"]["val"],
        "converted": document["metrics"][kind]["val"],
    }


def _locator(run: Path, kind: str, out: Path) -> dict:
    """The locator's file: no labels to count, so the proof is how far its marks moved on the calibration fields."""
    try:
        report = json.loads((run / "run.json").read_text())
        model = keras.models.load_model(run / "model.keras", compile=False)
        fields = np.load(run / "calibration.npz")["fields"]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{run} lacks a readable model.keras or calibration.npz; train the locator again.") from error
    graph = quantize.quantize(model, kind, fields)
    document = {
        "network": report["network"],
        "parameters": report["parameters"],
        "input": {"size": report["size"], "dtype": "uint8", "colour": "RGB", "range": [0, 255]},
        "labels": ["nucleus"],
        "quantization": quantize.emitted(graph),
        "keras_sha256": hashlib.sha256((run / "model.keras").read_bytes()).hexdigest(),
        "calibration": {"count": len(fields), "method": "min-max", "sha256": hashlib.sha256(fields).hexdigest()},
        "training": report["settings"] | {"code_version": report["version"]},
        "data": {key: report["data"][key] for key in ("counts", "split_sha256", "clear", "fields")},
        "attributions": card.attributions(report["data"]["red_cells"]),
        "licence": "Apache-2.0",
    }
    path = out / f"locator-{kind}.tflite"
    contract.write(path, graph, document)
    measured = File(path)
    path.with_suffix(".md").write_text(card.locator_card(measured.document, path.name, measured.sha256))
    expected = model.predict(fields.astype(np.float32), batch_size=10, verbose=0)[..., 0] >= 0.5
    half = 128 if kind == "int8" else 0.5
    marked = np.stack([measured.raw(field)[..., 0] >= half for field in fields])
    agreement = float((marked == expected).mean())
    return {"path": path, "bytes": path.stat().st_size, "keras_bytes": 4 * report["parameters"], "agreement": agreement}


def calibration_examples(training: list[data.Example], count: int) -> list[data.Example]:
    """About `count` training pictures, as many of each class of each source, always the same ones."""
    groups: dict[tuple[str, str], list[data.Example]] = {}
    for example in training:
        if example.split != "train":
            raise UserError("Only training pictures may calibrate; a val or test picture would spoil the figures.")
        groups.setdefault((example.source, example.label), []).append(example)
    rng = np.random.default_rng(0)
    chosen = []
    for _, group in sorted(groups.items()):
        take = min(len(group), -(-count // len(groups)))
        chosen += [group[i] for i in sorted(rng.permutation(len(group))[:take])]
    return chosen
