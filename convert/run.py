"""From a source to its .tflite file, or to the reasons why there is none."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import numpy as np

from convert import (
    activation_ranges,
    bias_correction,
    fallbacks,
    gate,
    layer_errors,
    model_file,
    page,
    qat,
    quantize,
    representative,
    selective,
)
from convert.candidate import Validation, Candidate
from convert.layer_errors import Layer
from convert.source import Source, of_run
from edge import __version__
from edge.errors import UserError
from edge.model import Model
from train import data, field_cells, report
from train import run as runs
from train.evaluation import evaluate, model_card


@dataclass(frozen=True)
class Options:
    """calibration: pictures to calibrate on; method: how int8's ranges are taken from them, "auto" for what comes
    nearest to the float model on val; rescue: mend what fails; command: as the report names it.
    """

    calibration: int = representative.COUNT
    method: str = "auto"
    limits: gate.Limits = field(default_factory=gate.Limits)
    rescue: bool = False
    command: str = ""


@dataclass
class _Work:
    """One kind on its way: what is tried, chosen and known of it."""

    asked: str
    candidate: Candidate
    calibration: dict
    layers: list[Layer] = field(default_factory=list)
    attempts: list[dict] = field(default_factory=list)
    mended: str | None = None
    unmended: Candidate | None = None  # what failed before

    @property
    def emitted(self) -> dict:
        return quantize.emitted(self.candidate.graph)


def convert(
    run: Path, kind: str, out: Path | None = None, folder: Path | None = None, options: Options | None = None
) -> dict:
    """Converts RUN/model.keras to OUT/NETWORK-KIND.tflite, model card and gate's report beside it.

    folder: the data set, where it isn't any more where the run found it. Returns converted()'s. Raises UserError for
    what isn't a run, gate.NotProven where the file would lose more than it may.
    """
    [result] = converted(of_run(run, folder), [kind], out or run, options or Options())
    if not result["gate"]["passed"]:
        raise gate.NotProven(result["said"][-1])
    return result


def converted(source: Source, kinds: Sequence[str], out: Path, options: Options) -> list[dict]:
    """Each kind, gated on the val split: what passes is written, of the rest the report alone.

    -> for each {"path" (None where it failed), "proof" (the page), "bytes", "keras_bytes", "emitted", "float",
    "converted" (by_source() of the val split), "gate" (gate.verdict()), "milliseconds", "said" (sentences)}.
    """
    unknown = set(kinds) - set(quantize.KINDS)
    if unknown:
        raise UserError(f"Unknown kind {unknown.pop()!r}; known are {', '.join(quantize.KINDS)}.")
    report.write(out, {})  # a folder that can't be made is told before the work, not after it
    validation = Validation(source, options.limits)
    return [_written(validation, _worked(validation, kind, options), out, options) for kind in kinds]


def _worked(validation: Validation, kind: str, options: Options) -> _Work:
    if kind == "int8":
        return _integer(validation, options)
    nothing: dict = {"count": 0, "method": None, "sha256": None, "compared": {}}
    model = validation.source.model
    if kind == "float32":  # which the others are compared with: itself it is compared with Keras
        labels = len(validation.source.labels)
        candidate = validation.tried({kind: validation.graph}, runs.predict(model, validation.crops, labels))[kind]
    else:
        candidate = validation.tried({kind: quantize.quantize(model, kind)})[kind]
    return _Work(kind, candidate, nothing)


def _integer(validation: Validation, options: Options) -> _Work:
    source = validation.source
    examples, pictures = validation.training(options.calibration)
    click.echo(f"Calibrating on {len(examples)} training pictures", err=True)
    methods = activation_ranges.METHODS if options.method == "auto" else (options.method,)
    narrowed = activation_ranges.narrowed(quantize.calibrate(source.model, pictures), pictures, methods)
    graphs = {method: quantize.integer(ranged) for method, ranged in narrowed.items()}
    if not options.rescue:  # which takes what int8 can't compute in float
        for graph in graphs.values():
            quantize.checked(graph, "int8")
    candidates = validation.tried(graphs)
    method = _nearest(candidates)
    chosen = method
    upright = bias_correction.corrected(source.model, pictures, *validation.seen(candidates[method].graph, pictures))
    if upright is not None:
        name = f"{method}, bias corrected"
        narrowed[name] = activation_ranges.narrowed(quantize.calibrate(upright, pictures), pictures, (method,))[method]
        candidates |= validation.tried({name: quantize.integer(narrowed[name])})
        chosen = _nearest(candidates)
    told = {
        "count": len(examples),
        "method": chosen,
        "sha256": data.list_hash(examples),
        "compared": {
            name: {
                "difference": float(candidate.difference.mean()),
                "balanced_accuracy": candidate.verdict["quantized"]["all"]["balanced_accuracy"],
                "passed": candidate.passed,
            }
            for name, candidate in candidates.items()
        },
    }
    some = pictures[:: -(-len(pictures) // layer_errors.PICTURES)]
    worst = layer_errors.errors(narrowed[chosen], some, source.layers())
    work = _Work("int8", candidates[chosen], told, worst)
    if work.emitted["kind"] != "int8" and work.candidate.passed:
        work.mended = (
            f"{', '.join(quantize.floating(work.candidate.graph))} kept in float, which can't be computed in int8"
        )
    if options.rescue and not work.candidate.passed:
        _mend(validation, work, narrowed[chosen], method, pictures)
    return work


def _nearest(candidates: dict[str, Candidate]) -> str:
    """The one whose probabilities on val lie nearest to the float model's, of those that pass if any does."""
    return min(candidates, key=lambda name: (not candidates[name].passed, float(candidates[name].difference.mean())))


def _mend(validation: Validation, work: _Work, calibrated: bytes, method: str, pictures: np.ndarray) -> None:
    """Changes `work` to the first attempt that passes, where one does."""

    def training() -> np.ndarray:
        return validation.training(qat.PICTURES)[1]

    for attempt in fallbacks.attempts(validation.source.model, calibrated, method, pictures, work.layers, training):
        if attempt.skipped:
            work.attempts.append({"what": attempt.what, "skipped": attempt.skipped})
            continue
        candidate = validation.tried({attempt.what: attempt.graph})[attempt.what]
        work.attempts.append(
            {
                "what": attempt.what,
                "kind": attempt.kind,
                "bytes": candidate.size,
                "milliseconds": candidate.milliseconds,
                "lost": candidate.verdict["lost"],
                "passed": candidate.passed,
            }
        )
        if candidate.passed:
            work.unmended, work.candidate, work.mended = work.candidate, candidate, attempt.what
            return


def _written(validation: Validation, work: _Work, out: Path, options: Options) -> dict:
    source, candidate = validation.source, work.candidate
    kind = work.emitted["kind"]
    path = out / f"{source.document['network']}-{kind}.tflite"
    told = source.document | {
        "quantization": work.emitted,
        "calibration": {key: work.calibration[key] for key in ("count", "method", "sha256")},
        "gate": {"split": "val"}
        | {key: candidate.verdict[key] for key in ("limits", "rare", "lost", "differences", "answers")},
    }
    if work.mended:
        told["rescue"] = work.mended
    page_name = f"{source.document['network']}-{work.asked}.gate"
    files: dict[str, str | bytes] = {}
    if candidate.passed:
        told["metrics"] = _metrics(validation, work, kind)
        told["decision"], arrays = selective.decision(validation, candidate.graph)
        told["doubt"] = selective.proof(source, model_file.seal(candidate.graph, told, arrays))
        content = model_file.seal(candidate.graph, told, arrays)
        with model_file.opened(content, Model) as final:
            files = {path.name: content, f"{path.stem}.md": model_card.card(final.document, path.name, final.sha256)}
    size = len(files[path.name]) if candidate.passed else candidate.size
    said = _said(work, path, out / f"{page_name}.html")
    document = _report(validation, work, said, size, options.command)
    files[f"{page_name}.html"] = page.page(document, candidate.difference)
    files[f"{page_name}.json"] = json.dumps(document, indent=1) + "\n"
    report.write(out, files)
    return {
        "path": path if candidate.passed else None,
        "proof": out / f"{page_name}.html",
        "bytes": size,
        "keras_bytes": 4 * source.document["parameters"],
        "emitted": work.emitted,
        "float": candidate.verdict["float"],
        "converted": candidate.verdict["quantized"],
        "gate": candidate.verdict,
        "milliseconds": document["milliseconds"],
        "said": said,
    }


def _metrics(validation: Validation, work: _Work, kind: str) -> dict:
    """The contract's figures: the float model's and the file's, of val, test and, if any, of marked camera fields."""
    source = validation.source
    examples, crops = source.split("test")
    seen = {"test": (data.targets(examples, source.labels), crops, [e.source for e in examples])}
    if source.figures and "fields" in source.figures:
        found = field_cells.read(source.folder, source.size, source.policy, source.labels)
        seen["fields"] = (found.truth, found.crops, found.sources)

    def measured(content: bytes) -> dict:
        with model_file.opened(content, Model) as model:
            return {
                name: evaluate.by_source(truth, gate.answers(model, crops), sources, source.labels)
                for name, (truth, crops, sources) in seen.items()
            }

    return {
        "float": source.figures or {"val": work.candidate.verdict["float"]} | measured(validation.content),
        kind: {"val": work.candidate.verdict["quantized"]} | measured(validation.seal(work.candidate.graph)),
    }


def _said(work: _Work, path: Path, page_path: Path) -> list[str]:
    """The outcome in sentences; of what failed the last one says all."""
    candidate = work.candidate
    operators = ", ".join(f"{name} x {n}" for name, n in work.emitted["operators"].items())
    said = [
        f"Read back from the file: {work.emitted['kind']}; {operators}.",
        gate.sentence(candidate.verdict),
    ]
    if work.calibration["count"]:
        said.insert(1, f"Ranges: {work.calibration['method']}, of {work.calibration['count']} training pictures.")
    if work.unmended:
        before = work.unmended
        was = quantize.emitted(before.graph)["kind"]
        said.append(
            f"Rescued: {work.mended}. That costs {(candidate.size - before.size) / 1e3:+.0f} kB and "
            f"{candidate.milliseconds - before.milliseconds:+.2f} ms a picture against the {was} file that failed."
        )
    elif work.mended:
        said.append(f"Rescued: {work.mended}.")
    if not candidate.passed:
        named = list(dict.fromkeys(layer.name for layer in work.layers))[:3]
        where = f" The layers that lose most: {', '.join(named)}." if named else ""
        if work.asked != "int8":
            advice = "Try --float32"
        elif work.attempts:
            tried = sum("skipped" not in attempt for attempt in work.attempts)
            advice = f"None of {tried} ways to mend it passed; try --float16, or train again"
        else:
            advice = "Try --rescue, which mends what it can, or more pictures with --calibration, or --float16"
        said.append(
            f"{path} was not written: as {work.emitted['kind']} {' and '.join(candidate.verdict['against'])}.{where} "
            f"{advice}; {page_path} has it all."
        )
    return said


def _report(validation: Validation, work: _Work, said: list[str], size: int, command: str) -> dict:
    """What the JSON report holds, and the page shows."""
    candidate, source = work.candidate, validation.source
    return {
        "version": __version__,
        "command": command,
        "network": source.document["network"],
        "asked": work.asked,
        "kind": work.emitted["kind"],
        "said": said,
        "gate": candidate.verdict,
        "bytes": {"float": len(validation.content), "quantized": size},
        "milliseconds": {"float": candidate.float_milliseconds, "quantized": candidate.milliseconds},
        "quantization": work.emitted,
        "calibration": work.calibration,
        "layers": [asdict(layer) for layer in work.layers],
        "attempts": work.attempts,
        "changed": _changed(validation, candidate),
        "keras_sha256": source.document["keras_sha256"],
        "split_sha256": source.document["data"]["split_sha256"],
    }


def _changed(validation: Validation, candidate: Candidate) -> list[dict]:
    """The pictures that the file answers otherwise than the float model."""
    labels = validation.source.labels

    def told(probabilities: np.ndarray) -> dict:
        return {"answer": labels[int(probabilities.argmax())], "probability": float(probabilities.max())}

    rows = np.flatnonzero(candidate.before.argmax(axis=1) != candidate.after.argmax(axis=1))
    return [
        {
            "path": validation.examples[i].path,
            "truth": validation.examples[i].label,
            "float": told(candidate.before[i]),
            "quantized": told(candidate.after[i]),
        }
        for i in rows
    ]
