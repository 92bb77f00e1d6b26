"""A locator's training run -> its .tflite file, or the reasons why there is none."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from convert import model_file, quantize
from convert.gate import Limits
from edge import frames
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Locator
from edge.model import File
from edge.simulator import drawing
from train import fields as marked_fields
from train import report
from train.evaluation import evaluate, model_card
from train.evaluation.page import shell, table
from train.fields import Box, Field

_DRAWN = 100  # fields of six cells, three of them touching
_SEED = 1  # `benchmark locating` draws others


class _Float(Locator):
    """The float network in the int8 file's place: its marks as the bytes that those would be."""

    def raw(self, crop: np.ndarray) -> np.ndarray:
        return np.clip(np.round(256 * super().raw(crop)), 0, 255).astype(np.uint8)


def convert(
    run: Path, kind: str, out: Path | None = None, folder: Path | None = None, limits: Limits | None = None
) -> dict:
    """RUN/model.keras -> OUT/locator-int8.tflite with its model card, the proof beside it.

    The proof: the cells that the float network and the file find, through the runner, on drawn fields and, of the data
    in `folder`, on the marked fields that the locator learned from (the others stay unseen until `benchmark locating`).
    Returns {"path" (None where more recall or precision was lost than limits.recall), "bytes", "keras_bytes",
    "agreement" (of marked pixels on the calibration fields), "gate", "said" (sentences)}. Raises UserError for what
    isn't a locator's run, and for other kinds than int8, whose marks the runner wouldn't see.
    """
    if kind != "int8":
        raise UserError("A locator has one kind, --int8: the runner reads its marks as bytes.")
    try:
        told = json.loads((run / "run.json").read_text())
        model = keras.models.load_model(run / "model.keras", compile=False)
        pictures = np.load(run / "calibration.npz")["fields"]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{run} lacks a readable model.keras or calibration.npz; train the locator again.") from error
    known = _known(folder)
    report.write(out or run, {})  # a folder that can't be made is told before the work, not after it
    floats, graph = quantize.quantize(model, "float32"), quantize.quantize(model, kind, pictures)
    document = {
        "network": told["network"],
        "parameters": told["parameters"],
        "input": {"size": told["size"], "dtype": "uint8", "colour": "RGB", "range": [0, 255]},
        "labels": ["nucleus"],
        "quantization": quantize.emitted(graph),
        "keras_sha256": hashlib.sha256((run / "model.keras").read_bytes()).hexdigest(),
        "calibration": {"count": len(pictures), "method": "min-max", "sha256": hashlib.sha256(pictures).hexdigest()},
        "training": told["settings"] | {"code_version": told["version"]},
        "data": {key: told["data"][key] for key in ("counts", "split_sha256", "clear", "fields")},
        "attributions": model_card.attributions(told["data"]["red_cells"]),
        "licence": "Apache-2.0",
    }
    content = model_file.seal(graph, document)
    with (
        model_file.opened(model_file.seal(floats, document), _Float) as exact,
        model_file.opened(content, Locator) as measured,
    ):
        marked = np.stack([measured.raw(picture)[..., 0] for picture in pictures])
        before, after = (_found(each, folder, known) for each in (exact, measured))
        found = verdict(before, after, limits or Limits())
    path = (out or run) / f"locator-{kind}.tflite"
    said = _said(found, path)
    files: dict[str, str | bytes] = {
        f"{path.stem}.gate.json": json.dumps({"said": said, "gate": found}, indent=1) + "\n",
        f"{path.stem}.gate.html": _page(found, said),
    }
    if found["passed"]:
        with model_file.opened(content, File) as final:
            files |= {
                path.name: content,
                f"{path.stem}.md": model_card.locator_card(final.document, path.name, final.sha256),
            }
    report.write(path.parent, files)
    expected = model.predict(pictures.astype(np.float32), batch_size=10, verbose=0)[..., 0] >= 0.5
    return {
        "path": path if found["passed"] else None,
        "bytes": len(content),
        "keras_bytes": 4 * told["parameters"],
        "agreement": float(((marked >= 128) == expected).mean()),
        "gate": found,
        "said": said,
    }


def verdict(before: dict, after: dict, limits: Limits) -> dict:
    """The finds of the float network and of the file, {source: {"recall", "precision": shares}} -> {"passed",
    "against" (sentences), "limit", "lost" (points of all fields together), "float", "quantized"}.
    """

    def points(found: dict, name: str) -> float:
        return found["all"][name]["value"] or 0.0  # None where nothing at all was found

    lost = {name: points(before, name) - points(after, name) for name in ("recall", "precision")}
    against = [
        f"it loses {100 * share:.1f} points of {name} where {100 * limits.recall:.1f} are allowed"
        for name, share in lost.items()
        if share > limits.recall + 1e-9
    ]
    return {
        "passed": not against,
        "against": against,
        "limit": limits.recall,
        "lost": lost,
        "float": before,
        "quantized": after,
    }


def _known(folder: Path | None) -> list[Field]:
    return marked_fields.halves(marked_fields.read(folder))[0] if folder else []


def _scenes(folder: Path | None, known: list[Field]) -> Iterator[tuple[str, Frame, tuple[Box, ...]]]:
    """Fields whose white cells are known: source, picture, a box round each."""
    rng = np.random.default_rng(_SEED)
    for _ in range(_DRAWN):
        image, truth = drawing.field(rng, 6, 3)
        boxes = [(round(t.x - t.radius), round(t.y - t.radius), round(2 * t.radius)) for t in truth]
        yield "drawn", Frame(image, "drawn", 0, 0.0), tuple(Box(x, y, side, side, "") for x, y, side in boxes)
    for field in known:
        assert folder is not None
        yield field.source, frames.load(folder / field.path), field.boxes


def _found(locator: Locator, folder: Path | None, known: list[Field]) -> dict:
    """{source, and "all": {"recall", "precision": train.evaluation.evaluate.share()}}; a second find in one box is wrong."""
    counts: dict[str, np.ndarray] = {}
    for source, frame, boxes in _scenes(folder, known):
        cells = locator.cells(frame)
        met = {next((box for box in boxes if box.holds(cell)), None) for cell in cells} - {None}
        for name in ("all", source):
            counts[name] = counts.get(name, np.zeros(3, int)) + np.array([len(met), len(boxes), len(cells)])
    return {
        name: {"recall": evaluate.share(int(met), int(there)), "precision": evaluate.share(int(met), int(cells))}
        for name, (met, there, cells) in counts.items()
    }


def _said(found: dict, path: Path) -> list[str]:
    lost = found["lost"]
    said = [
        f"{'Passed' if found['passed'] else 'Failed'}: {-100 * lost['recall'] + 0.0:+.1f} points of recall, "
        f"{-100 * lost['precision'] + 0.0:+.1f} points of precision, on fields whose "
        f"{found['float']['all']['recall']['count']:,} white cells are known."
    ]
    if not found["passed"]:
        said.append(f"{path} was not written: {' and '.join(found['against'])}. Train the locator again, longer.")
    return said


def _page(found: dict, said: list[str]) -> str:
    title = f"locator as int8: {'passed' if found['passed'] else 'failed'}"
    rows = [
        [
            f"{source}, {name}",
            model_card.share(found[key][source]["recall"]),
            model_card.share(found[key][source]["precision"]),
        ]
        for source in found["float"]
        for name, key in (("float", "float"), ("int8", "quantized"))
    ]
    return shell(title, [f"<h1>{title}</h1>", *(f"<p>{line}</p>" for line in said),
                         table(["fields", "recall", "precision"], rows)])  # fmt: skip
