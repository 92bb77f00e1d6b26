"""Converts a locator to its .tflite file. If the file finds too few cells, it reports why and writes no file."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from convert import field_shapes, gate, model_file, provenance, quantize
from edge import contract as contracts
from edge import frames
from edge.contract import Calibration, Contract, Data, Input, Loss
from edge.errors import UserError
from edge.frames import Frame
from edge.locate import Locator, unpacked
from edge.output.tables import Table
from edge.share import Share, share
from edge.simulator import drawing
from edge.system.progress import Progress, silent
from train import report as reports
from train.data import fields as marked_fields
from train.data.fields import Box, Field
from train.evaluation import model_card
from train.evaluation.html import render

_DRAWN = 100  # drawn fields of six cells, three of them touching
_SEED = 1  # of the drawn fields; `benchmark locating` uses another seed, so its fields are different ones
_MARKED = 128  # of 0 to 255: pixels with at least this value count as part of a nucleus


@dataclass(frozen=True)
class Finds:
    """How well a locator finds the white cells in a set of fields.

    Attributes:
        recall: share of the white cells that are found.
        precision: share of the found places that are white cells; a second place in the same cell counts as wrong.
    """

    recall: Share
    precision: Share


@dataclass(frozen=True)
class Verdict:
    """Whether the file finds as many cells as the float network.

    Attributes:
        passed: whether the file may be written.
        against: why the file may not be written, a clause for each reason; empty if it passed.
        limit: the largest allowed loss of recall, and of precision, 0 to 1.
        lost: the losses in all fields together, under "recall" and "precision", -1 to 1.
        before: what the float network finds, by source and under "all".
        after: what the file finds, by source and under "all".
    """

    passed: bool
    against: tuple[str, ...]
    limit: float
    lost: dict[str, float]
    before: dict[str, Finds] = field(metadata={"key": "float"})
    after: dict[str, Finds] = field(metadata={"key": "quantized"})


@dataclass(frozen=True)
class Result:
    """A converted locator.

    Attributes:
        path: the model file; None if it failed and wasn't written.
        bytes: size of the model file.
        agreement: share of the calibration fields' pixels on which the file and the float network agree, 0 to 1.
        verdict: whether the file finds as many cells as the float network.
        sentences: the outcome in words; if the file failed, the last sentence says why and what to do.
    """

    path: Path | None
    bytes: int
    agreement: float
    verdict: Verdict
    sentences: tuple[str, ...]


class _Float(Locator):
    """The float network, opened by the same code as the file; its output is rounded to 256 levels, as in int8."""

    def raw(self, crop: np.ndarray) -> np.ndarray:
        return np.clip(np.round(256 * super().raw(crop)), 0, 255).astype(np.uint8)


def convert(
    run: Path,
    kind: str,
    out: Path | None = None,
    folder: Path | None = None,
    limits: Loss = gate.LIMITS,
    progress: Progress = silent,
) -> Result:
    """Converts RUN/model.keras to OUT/locator-int8.tflite, with its model card and the gate's report beside it.

    The float network and the file look for cells in the same fields. These are drawn fields and, if `folder` is given,
    the marked fields that the locator was trained on. `benchmark locating` measures locators on the other marked
    fields.

    Args:
        run: a folder that `train locator` wrote.
        kind: "int8".
        out: folder for the new files; None for `run`.
        folder: the data set; None to use drawn fields only.
        limits: only `recall` is used: the largest allowed loss of recall, and of precision, 0 to 1.
        progress: see edge.system.progress.

    Raises:
        UserError: if `run` isn't a locator's training run, or if `kind` isn't "int8".
    """
    if kind != "int8":
        raise UserError("A locator has only one kind, --int8: edge-classify reads its output as bytes.")
    try:
        report = json.loads((run / "run.json").read_text())
        model = keras.models.load_model(run / "model.keras", compile=False)
        pictures = np.load(run / "calibration.npz")["fields"]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{run} lacks a readable model.keras or calibration.npz; train the locator again.") from error
    learned = marked_fields.halves(marked_fields.read(folder))[0] if folder else []
    reports.write(out or run, {})  # if the folder can't be made, the user should know before the work begins
    floats, graph = quantize.quantize(model, "float32"), quantize.quantize(model, kind, pictures)
    contract = _contract(report, run / "model.keras", graph, pictures)
    before = model_file.draft(floats, contract, _Float)
    after = model_file.draft(field_shapes.added(graph), contract, Locator)
    floats_find, file_finds = _finds((before.model, after.model), folder, learned, progress)
    outcome = verdict(floats_find, file_finds, limits)
    path = (out or run) / f"locator-{kind}.tflite"
    content = after.sealed(contract)
    sentences = _sentences(outcome, path)
    files: dict[str, str | bytes] = {
        f"{path.stem}.gate.json": json.dumps(contracts.document({"said": sentences, "gate": outcome}), indent=1) + "\n",
        f"{path.stem}.gate.html": _page(outcome, sentences),
    }
    if outcome.passed:
        final = model_file.opened(content, Locator)
        files[path.name] = content
        files[f"{path.stem}.md"] = model_card.locator_card(final.contract, path.name, final.sha256)
        how = {"kind": kind, "limits": astuple(limits)}
        calibrated = hashlib.sha256(pictures.tobytes()).hexdigest()
        files[f"{path.stem}{provenance.ENDING}"] = provenance.statement(
            path.name, final, how, calibrated, report.get("made")
        )
    reports.write(path.parent, files)
    marked = np.stack([after.model.marked(picture)[0] for picture in pictures]) >= _MARKED
    answers = model.predict(pictures.astype(np.float32), batch_size=10, verbose=0)
    expected = np.stack([unpacked(answer[..., :-1], answer[..., -1:])[0] for answer in answers]) >= 0.5
    return Result(
        path=path if outcome.passed else None,
        bytes=len(content),
        agreement=float((marked == expected).mean()),
        verdict=outcome,
        sentences=sentences,
    )


def _contract(report: dict[str, Any], keras_file: Path, graph: bytes, pictures: np.ndarray) -> Contract:
    """The contract of the file.

    Args:
        report: the content of the training run's run.json.
        keras_file: the float network.
        graph: the int8 flatbuffer.
        pictures: the pictures that it was calibrated on, uint8 [n, size, size, 3].
    """
    data = report["data"]
    return Contract(
        network=report["network"],
        parameters=report["parameters"],
        input=Input(report["size"]),
        labels=("nucleus",),
        keras_sha256=hashlib.sha256(keras_file.read_bytes()).hexdigest(),
        data=Data(*(data[key] for key in ("counts", "split_sha256", "clear", "fields"))),
        attributions=model_card.attributions(data["red_cells"]),
        licence="Apache-2.0",
        training=report["settings"] | {"code_version": report["version"]},
        quantization=quantize.emitted(graph),
        calibration=Calibration(len(pictures), "min-max", hashlib.sha256(pictures.tobytes()).hexdigest()),
    )


def verdict(before: dict[str, Finds], after: dict[str, Finds], limits: Loss = gate.LIMITS) -> Verdict:
    """Compares what the float network and the file find.

    Args:
        before: what the float network finds, by source and under "all".
        after: what the file finds, by source and under "all".
        limits: only `recall` is used: the largest allowed loss of recall, and of precision, 0 to 1.
    """

    def lost(name: str) -> float:
        shares = (getattr(finds["all"], name).value or 0.0 for finds in (before, after))  # None if nothing was found
        return next(shares) - next(shares)

    losses = {name: lost(name) for name in ("recall", "precision")}
    against = gate.exceeded({name: (each, limits.recall) for name, each in losses.items()})
    return Verdict(not against, tuple(against), limits.recall, losses, before, after)


@dataclass(frozen=True)
class _Scene:
    """A field whose white cells are known.

    Attributes:
        source: "drawn", or the source that the field belongs to.
        frame: the field.
        boxes: a box around each white cell.
    """

    source: str
    frame: Frame
    boxes: tuple[Box, ...]


def _scenes(folder: Path | None, learned: list[Field]) -> Iterator[_Scene]:
    """Drawn fields, and the marked fields that the locator was trained on (`learned`, files in `folder`)."""
    rng = np.random.default_rng(_SEED)
    for _ in range(_DRAWN):
        image, truth = drawing.field(rng, 6, 3)
        corners = [(round(t.x - t.radius), round(t.y - t.radius), round(2 * t.radius)) for t in truth]
        boxes = tuple(Box(x, y, side, side, "") for x, y, side in corners)
        yield _Scene("drawn", Frame(image, "drawn", 0, 0.0), boxes)
    for each in learned:
        assert folder
        yield _Scene(each.source, frames.load(folder / each.path), each.boxes)


def _finds(
    locators: Sequence[Locator], folder: Path | None, learned: list[Field], progress: Progress
) -> list[dict[str, Finds]]:
    """What each locator finds, by source and under "all"."""
    counts: list[dict[str, np.ndarray]] = [{} for _ in locators]
    total = _DRAWN + len(learned)
    for done, scene in enumerate(_scenes(folder, learned), start=1):
        for locator, sums in zip(locators, counts, strict=True):
            cells = locator.cells(scene.frame)
            met = {next((box for box in scene.boxes if box.holds(cell)), None) for cell in cells} - {None}
            for name in ("all", scene.source):
                sums[name] = sums.get(name, np.zeros(3, int)) + np.array([len(met), len(scene.boxes), len(cells)])
        progress("Locating cells", done, total)
    return [
        {name: Finds(share(met, boxes), share(met, cells)) for name, (met, boxes, cells) in sums.items()}
        for sums in counts
    ]


def _sentences(verdict: Verdict, path: Path) -> tuple[str, ...]:
    sentence = (
        f"{'Passed' if verdict.passed else 'Failed'}: {gate.points(verdict.lost['recall'])} of recall, "
        f"{gate.points(verdict.lost['precision'])} of precision, on fields whose "
        f"{verdict.before['all'].recall.count:,} white cells are known."
    )
    if verdict.passed:
        return (sentence,)
    return sentence, f"{path} was not written: {' and '.join(verdict.against)}. Train the locator longer."


def _page(verdict: Verdict, sentences: tuple[str, ...]) -> str:
    """The gate's report as an HTML page."""
    rows = [
        [f"{source}, {model}", str(finds[source].recall), str(finds[source].precision)]
        for source in verdict.before
        for model, finds in (("float", verdict.before), ("int8", verdict.after))
    ]
    table = Table(["fields", "recall", "precision"], rows)
    return render("convert", "locator.html", passed=verdict.passed, sentences=sentences, finds=table)
