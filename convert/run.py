"""Converts a classifier to .tflite files. A file that fails the gate is not written; its report says why."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

from convert import gate, int8, model_file, provenance, quantize, selective
from convert.candidate import Candidate, Validation
from convert.gate import Both
from convert.home import home
from convert.int8 import Int8Options
from convert.model_file import Arrays
from convert.report import Conversion, Report, changed, page
from convert.source import Source, of_run
from edge import __version__
from edge import contract as contracts
from edge.contract import Contract, Figures, Loss
from edge.errors import UserError
from edge.model import Model
from edge.system.progress import Progress, silent
from train import report as reports
from train import run as runs
from train.evaluation import model_card


@dataclass(frozen=True)
class Options:
    """How a model is converted.

    Attributes:
        int8: how an int8 file is made.
        limits: the largest allowed losses on the val split, each 0 to 1.
        command: the command line, for the report.
    """

    int8: Int8Options = Int8Options()
    limits: Loss = gate.LIMITS
    command: str = ""


@dataclass(frozen=True)
class Result:
    """The result of converting a model to one kind of file.

    Attributes:
        path: the model file; None if it failed the gate and wasn't written.
        page: the report as an HTML file.
        keras_bytes: size of the float weights, 4 bytes each.
        report: everything that was measured during the conversion.
    """

    path: Path | None
    page: Path
    keras_bytes: int
    report: Report


def convert(
    run: Path,
    kind: str,
    out: Path | None = None,
    folder: Path | None = None,
    options: Options | None = None,
    progress: Progress = silent,
) -> Result:
    """Converts RUN/model.keras to OUT/NETWORK-KIND.tflite, with its model card and the gate's report beside it.

    Args:
        run: a folder that `train` wrote.
        kind: one of quantize.KINDS.
        out: folder for the new files; None for `run`.
        folder: the data set; None if it is still where it was during training.
        options: how to convert; None for the defaults.
        progress: see edge.system.progress.

    Raises:
        UserError: if `run` isn't the training run of a classifier, or can't be converted.
        gate.NotProven: if the file loses more than options.limits, or answers with values that are not numbers.
    """
    [result] = converted(of_run(run, folder), [kind], out or run, options or Options(), progress)
    if result.path is None:
        raise gate.NotProven(result.report.sentences[-1])
    return result


def converted(
    source: Source, kinds: Sequence[str], out: Path, options: Options, progress: Progress = silent
) -> list[Result]:
    """Converts a model to several kinds of file. The gate tests each one on the val split.

    If a file passes, it is written together with its model card and the report. Otherwise only the report is written.

    Args:
        source: the model and its data set.
        kinds: some of quantize.KINDS.
        out: folder for the new files.
        options: how to convert.
        progress: see edge.system.progress.

    Raises:
        UserError: if the model can't be converted, or `out` can't be written.
    """
    unknown = set(kinds) - set(quantize.KINDS)
    if unknown:
        raise UserError(f"Unknown kind {unknown.pop()!r}; known are {', '.join(quantize.KINDS)}.")
    reports.write(out, {})  # if the folder can't be made, the user should know before the work begins
    validation = Validation(source, options.limits, progress)
    return [
        _written(validation, kind, converted_to(validation, kind, options, progress), out, options) for kind in kinds
    ]


def converted_to(validation: Validation, kind: str, options: Options, progress: Progress = silent) -> Conversion:
    """Makes a file of one kind, and lets it answer the val split; nothing is written."""
    if kind == "int8":
        return int8.converted(validation, options.int8, progress)
    model, before = validation.source.model, None
    if kind == "float32":  # the other kinds are compared with this graph, and this graph with the Keras model
        graph = validation.graph
        before = runs.predict(model, validation.val.crops, len(validation.source.labels))
    else:
        graph = quantize.quantize(model, kind)
    return Conversion(validation.candidates({kind: graph}, before)[kind])


def _written(validation: Validation, asked: str, conversion: Conversion, out: Path, options: Options) -> Result:
    """Writes the files of one kind. asked: the kind that the user requested; a repaired file may be of another kind."""
    candidate, network = conversion.candidate, validation.source.contract.network
    path = out / f"{network}-{candidate.kind}.tflite"
    report_path = out / f"{network}-{asked}.gate.json"
    files: dict[str, str | bytes] = {}
    size = candidate.size
    if candidate.passed:
        content = _sealed(validation, conversion)
        size = len(content)
        final = model_file.opened(content, Model)
        how = {"kind": asked, "int8": asdict(options.int8), "limits": astuple(options.limits)}
        source = validation.source
        pictures = provenance.pictures_sha256(source.folder, source.examples)
        files = {
            path.name: content,
            f"{path.stem}.md": model_card.card(final.contract, path.name, final.sha256),
            f"{path.stem}{provenance.ENDING}": provenance.statement(path.name, final, how, pictures, source.made),
        }
    data = candidate.contract.data
    report = Report(
        version=__version__,
        command=options.command,
        network=network,
        asked=asked,
        kind=candidate.kind,
        sentences=tuple(_sentences(conversion, asked, path, report_path.with_suffix(".html"))),
        gate=candidate.verdict,
        bytes=Both(validation.size, size),
        milliseconds=candidate.milliseconds,
        quantization=candidate.contract.quantization,
        calibration=conversion.calibration,
        layers=conversion.layers,
        attempts=conversion.attempts,
        changed=changed(candidate, validation.examples),
        keras_sha256=candidate.contract.keras_sha256,
        split_sha256=data.split_sha256 if data else "",
    )
    files[f"{report_path.stem}.html"] = page(report, candidate.difference)
    files[report_path.name] = json.dumps(contracts.document(report), indent=1) + "\n"
    reports.write(out, files)
    return Result(
        path=path if candidate.passed else None,
        page=report_path.with_suffix(".html"),
        keras_bytes=4 * candidate.contract.parameters,
        report=report,
    )


def _sealed(validation: Validation, conversion: Conversion) -> bytes:
    """The bytes of the model file, for a candidate that passed the gate."""
    return conversion.candidate.draft.sealed(*final_contract(validation, conversion))


def final_contract(validation: Validation, conversion: Conversion) -> tuple[Contract, Arrays]:
    """The contract of a candidate that passed the gate, and the arrays of edge.mahalanobis.

    The contract also holds figures of the test split and of camera fields. The candidate answers them only now.
    """
    candidate = conversion.candidate
    answers = {split: candidate.answers(each.crops) for split, each in validation.held_out.items()}
    usual = selective.usual(validation, candidate)
    decision = selective.decision(validation, candidate, usual)
    distances = selective.distances(answers["test"], usual)
    figures = {split: validation.figures(validation.held_out[split], each) for split, each in answers.items()}
    contract = replace(
        candidate.contract,
        calibration=conversion.calibration.stored,
        gate=candidate.verdict.stored("val"),
        rescue=conversion.repaired,
        metrics=_metrics(validation, candidate, figures),
        decision=decision,
        doubt=selective.proof(candidate.draft.model, decision, validation.test, answers["test"], distances),
        home=home(validation, candidate, usual),
    )
    return contract, usual


def _metrics(
    validation: Validation, candidate: Candidate, figures: dict[str, dict[str, Figures]]
) -> dict[str, dict[str, dict[str, Figures]]]:
    """Figures by model, split and source. figures: the candidate's, on the splits that the gate didn't use."""
    measured = validation.source.figures
    if measured is None:
        measured = {"val": candidate.verdict.before} | validation.float_figures
    return {"float": measured, candidate.kind: {"val": candidate.verdict.after} | figures}


def _sentences(conversion: Conversion, asked: str, path: Path, details: Path) -> list[str]:
    """The outcome in words. If the file failed, the last sentence says why and what to do."""
    candidate, failed = conversion.candidate, conversion.failed
    quantization = candidate.contract.quantization
    operators = ", ".join(f"{name} x {count}" for name, count in quantization.operators.items())
    sentences = [f"Read back from the file: {quantization.kind}; {operators}."]
    if conversion.calibration.count:
        sentences.append(
            f"Ranges of values: {conversion.calibration.method}, from {conversion.calibration.count} training pictures."
        )
    sentences.append(gate.sentence(candidate.verdict))
    if conversion.repaired and failed:
        sentences.append(
            f"Rescued: {conversion.repaired}. Compared with the {failed.kind} file that failed, this costs "
            f"{(candidate.size - failed.size) / 1e3:+.0f} kB and "
            f"{candidate.milliseconds.after - failed.milliseconds.after:+.2f} ms per picture."
        )
    elif conversion.repaired:
        sentences.append(f"Rescued: {conversion.repaired}.")
    if not candidate.passed:
        worst = list(dict.fromkeys(layer.name for layer in conversion.layers))[:3]
        layers = f" The layers that lose most: {', '.join(worst)}." if worst and not candidate.verdict.chance else ""
        sentences.append(
            f"{path} was not written: as {quantization.kind}, {' and '.join(candidate.verdict.against)}.{layers} "
            f"{_advice(conversion, asked)}. Details: {details}."
        )
    return sentences


def _advice(conversion: Conversion, asked: str) -> str:
    """What the user can try after a file failed the gate."""
    if conversion.candidate.verdict.chance:
        return "Check the labels, their order and the pixel values that the network expects, or train again"
    if asked != "int8":
        return "Try --float32"
    if conversion.attempts:
        tried = sum(not attempt.skipped for attempt in conversion.attempts)
        return f"None of the {tried} repairs passed the gate; try --float16, or train again"
    return "Try --rescue, which tries to repair the file, or a larger number for --calibration, or --float16"
