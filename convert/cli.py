"""The `convert` command: its options and what it prints. The work is done by the other modules of this package."""

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import __version__
from edge.crop import POLICIES
from edge.errors import UserError, exits_on_user_error, writing
from edge.system.cli import Group, Grouped, progress_bars, show_log
from edge.system.quiet import quiet
from edge.system.whole import write_whole

if TYPE_CHECKING:
    from convert import locator, run
    from convert.source import Source

_KINDS = ("int8", "dynamic", "float16", "float32")
_METHODS = ("auto", "min-max", "percentile", "mse")


class _Make(Grouped):
    """The command `convert make`; its --help shows the options in groups."""

    groups = {  # noqa: RUF012 the base class declares it this way
        "What to convert": ("--data", "--labels", "--preprocess", "--size", "--crop"),
        "Which kind": ("--int8", "--dynamic", "--float16", "--float32", "--all", "--onnx"),
        "How int8 is made": ("--calibration", "--method", "--rescue"),
        "The gate": ("--max-drop",),
        "What to write": ("--out", "--help"),
    }


class _MakeByDefault(Group):
    """A group of commands with `make` as the default: `convert RUN` means `convert make RUN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._with_command(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, self._with_command(args))

    def _with_command(self, args: list[str]) -> list[str]:
        known = {*self.commands, "-h", "--help", "--version"}
        return args if not args or args[0] in known else ["make", *args]


@click.group(cls=_MakeByDefault)
@click.version_option(__version__)
def main() -> None:
    """Convert a float Keras model to one self-describing .tflite file, and check that it is still accurate.

    `convert RUN` is short for `convert make RUN`; `convert make --help` shows its options.
    """
    show_log("convert", "train.data")


@main.command(cls=_Make)
@click.argument("source", metavar="RUN_OR_FILE", type=click.Path(path_type=Path))
@click.option(
    "--int8", "kind", flag_value="int8", default="int8", help="Integers throughout, for the Pi (the default)."
)
@click.option("--dynamic", "kind", flag_value="dynamic", help="Weights stored as int8, computation in float.")
@click.option(
    "--float16", "kind", flag_value="float16", help="Weights stored as float16 (half the size), computation in float."
)
@click.option("--float32", "kind", flag_value="float32", help="Not quantized, for comparison.")
@click.option("--all", "kind", flag_value="all", help="All four kinds.")
@click.option("--onnx", "kind", flag_value="onnx", help="Not .tflite but ONNX, not quantized, for other programs.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the new files.  [default: the run, or the folder of the Keras file]",
)
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data set. Always needed for a Keras file; for a training run only if its data set was moved.",
)
@click.option("--labels", metavar="A,B", help="For a Keras file: its classes, in the order of its outputs.")
@click.option(
    "--preprocess",
    type=click.Choice(["raw", "unit", "tf", "caffe"]),
    help="For a Keras file: the pixel values that it expects: 0..255 (raw, the default), 0..1 (unit), -1..1 (tf), or "
    "BGR minus ImageNet's means (caffe). Left away, all four are tried, and a better one is named.",
)
@click.option(
    "--size",
    type=click.IntRange(8, 2048),
    help="For a Keras file that takes pictures of any size: the width of its input, in pixels.",
)
@click.option(
    "--crop",
    type=click.Choice(sorted(POLICIES)),
    help="For a Keras file: which part of a picture it gets.  [default: whole-image]",
)
@click.option(
    "--calibration",
    type=click.IntRange(1),
    default=400,
    show_default=True,
    help="Number of training pictures from which int8's ranges of values are chosen.",
)
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    default="auto",
    show_default=True,
    help="How these ranges are chosen: min-max covers all values, percentile 99.99 % of them, and mse has the least "
    "squared error; auto takes the best of the three on val.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    nargs=2,
    default=(0.5, 1.0),
    show_default=True,
    help="Largest allowed loss on the val split, in percentage points: of balanced accuracy, and of the rare class's "
    "recall. For a locator the second number is the limit for both recall and precision.",
)
@click.option("--rescue", is_flag=True, help="If the int8 file loses more than --max-drop, try to repair it.")
@exits_on_user_error
def make(
    source: Path,
    kind: str,
    out: Path | None,
    folder: Path | None,
    labels: str | None,
    preprocess: str | None,
    size: int | None,
    crop: str | None,
    calibration: int,
    method: str,
    max_drop: tuple[float, float],
    rescue: bool,
) -> None:
    """Convert a folder that `train` wrote, or a .keras or .h5 file or SavedModel of any image classifier, to .tflite.

    The new file and the float model both answer the val split. The file is written only if it loses no more than
    --max-drop. Exit code 0: written; 2: nothing could be converted; 3: the file lost too much and wasn't written.
    """
    # TensorFlow takes seconds to import, so it is imported only now: --help stays fast. Its import prints messages.
    with quiet():
        from convert import gate, locator, saved_model
        from convert import run as runs
        from convert import source as sources
        from convert.int8 import Int8Options
        from edge.contract import Loss
        from train import provenance
        from train.run import network

    command = shlex.join(["convert", *sys.argv[1:]])
    provenance.COMMAND.set(command)
    limits = Loss(max_drop[0] / 100, max_drop[1] / 100)
    own = source.is_file() or saved_model.is_saved_model(source)  # not a run
    if own:
        if rescue and source.is_dir():
            raise UserError("--rescue changes layers, which a SavedModel no longer has; leave it out.")
        names = [label.strip() for label in labels.split(",")] if labels else []
        network_source = sources.of_file(source, folder, names, preprocess, size, crop or "whole-image")
    else:
        for_files = {"--labels": labels, "--preprocess": preprocess, "--size": size, "--crop": crop}
        if given := [option for option, value in for_files.items() if value is not None]:
            raise UserError(
                f"{', '.join(given)} is for a Keras file; leave it out, since the training run {source} records it."
            )
        if network(source) == "locator":
            if kind == "onnx":
                raise UserError("--onnx is for classifiers; a locator becomes a .tflite file only.")
            with progress_bars() as progress:
                located = locator.convert(source, kind, out, folder, limits, progress)
            _show_locator(located)
            if not located.path:
                raise gate.NotProven(located.sentences[-1])
            return
        network_source = sources.of_run(source, folder)
    options = runs.Options(
        int8=Int8Options(calibration, method, rescue),
        limits=limits,
        command=command,
    )
    kinds = _KINDS if kind == "all" else (kind,)
    place = out or (source.parent if own else source)
    if kind == "onnx":
        _onnx(network_source, place, options)
        return
    with progress_bars() as progress:
        results = runs.converted(network_source, kinds, place, options, progress)
    for result in results:
        _show(result)
    if failed := [result.report.sentences[-1] for result in results if result.path is None]:
        raise gate.NotProven(" ".join(failed))


def _onnx(source: "Source", out: Path, options: "run.Options") -> None:
    from convert import gate, onnx_file

    with progress_bars() as progress:
        result = onnx_file.convert(source, out, options, progress)
    said = (
        f"ONNX Runtime and Keras name the same kind for {result.same} of {result.pictures} pictures of the val split; "
        f"their probabilities differ by at most {result.difference:.1e}."
    )
    if not result.path:
        raise gate.NotProven(f"{said} No file was written, since {onnx_file.LARGEST:g} is the limit; use --float32.")
    click.echo(said)
    click.echo(f"Written: {result.path}, {result.bytes / 1e3:.0f} kB, with labels and contract in its metadata.")


def _show_locator(result: "locator.Result") -> None:
    click.echo(f"The file and the float model agree on {result.agreement:.2%} of the pixels of the calibration fields.")
    click.echo(result.sentences[0])
    if result.path:
        click.echo(f"Written: {result.path}, {result.bytes / 1e3:.0f} kB, its model card, and the gate's report.")
        click.echo(f"Next: benchmark locating --locator {shlex.quote(str(result.path))} --data DATA", err=True)


def _show(result: "run.Result") -> None:
    from convert import gate

    report = result.report
    verdict, time, size = report.gate, report.milliseconds, report.bytes
    reference = "Keras" if report.asked == "float32" else "float"
    click.echo("Val split, answered by the same code as on the Pi:")
    click.echo(gate.comparison({reference: verdict.before, report.kind: verdict.after}, tuple(verdict.before)).text())
    click.echo()
    for sentence in report.sentences[: None if result.path else -1]:
        click.echo(sentence)
    if report.asked != "float32":
        click.echo(
            f"Time per picture on this machine: {time.before:.2f} ms as float, {time.after:.2f} ms as {report.kind}."
        )
    click.echo(
        f"Size: {result.keras_bytes / 1e3:.0f} kB of float weights, {size.after / 1e3:.0f} kB as {report.kind} with "
        "its contract."
    )
    if result.path:
        click.echo(f"Written: {result.path}, its model card, and the gate's report, {result.page}.")
        name = shlex.quote(str(result.path))
        click.echo(f"Next: benchmark accuracy {name} --data DATA, or edge-classify PICTURES --model {name}", err=True)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the whole contract as JSON.")
@exits_on_user_error
def show(file: Path, as_json: bool) -> None:
    """Print the contract of a model FILE: its input, labels, limits, origin and accuracy."""
    from convert import describe
    from edge import contract
    from edge.model import File

    opened = File(file).contract
    click.echo(json.dumps(contract.write(opened), indent=1) if as_json else describe.text(opened))
    click.echo(f"Next: convert verify {shlex.quote(str(file))}", err=True)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rebuild",
    "run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Also convert the training run RUN again, and say whether that gives the same file.",
)
@click.option(
    "--retrain",
    is_flag=True,
    help="With --rebuild: also repeat the command that trained RUN, and say whether that gives the same weights. Takes "
    "as long as the training did.",
)
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --rebuild: the data set, if it was moved.",
)
@exits_on_user_error
def verify(file: Path, run: Path | None, retrain: bool, folder: Path | None) -> None:
    """Check that this device gives the expected answers to the sample pictures inside FILE.

    Exit code 0: it does; 1: RUN gives another file or other weights; 2: it doesn't.
    """
    from edge.locate import Locator
    from edge.model import File

    if not run and (retrain or folder):
        raise UserError("--retrain and --data need a training run: --rebuild RUN.")

    opened = File(file)
    locator = opened.contract.network == "locator"
    if locator:
        opened = Locator(file)
    right, count = opened.verify()
    if right < count:
        raise UserError(f"Only {right} of {count} sample answers are as expected: don't use {file} on this device.")
    click.echo(f"All {count} sample answers are as expected: {file} works on this device.")
    if not opened.sealed:
        click.echo("No hash protects its limits against damage, since it is an older file: run `convert seal` on it.")
    if run:
        _rebuild(file, run, folder, retrain)
    command = "benchmark locating --data DATA --locator" if locator else "edge-classify PICTURES --model"
    click.echo(f"Next: {command} {shlex.quote(str(file))}", err=True)


def _rebuild(file: Path, run: Path, folder: Path | None, retrain: bool) -> None:
    with quiet():
        from convert import rebuild

    with progress_bars() as progress:
        found = [rebuild.rebuild(file, run, folder, progress)]
    click.echo(found[0][1])
    if retrain:
        found.append(rebuild.retrain(run, folder))
        click.echo(found[1][1])
    if not all(same for same, _ in found):
        sys.exit(1)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@exits_on_user_error
def seal(files: tuple[Path, ...]) -> None:
    """Bring older model FILES to the form of those that `convert` makes now.

    They get one hash, so that damage to any part of them is noticed. A locator gets graphs for fields that aren't
    square, which makes it faster. The weights stay the same. Model card and provenance beside a file are written anew.
    """
    from convert import model_file, provenance
    from train.provenance import COMMAND

    COMMAND.set(shlex.join(["convert", "seal", *map(str, files)]))
    for file in files:
        content = model_file.sealed(file)
        replaced = {file: content} | provenance.of_sealed(file, content)
        with writing(file):
            for path, new in replaced.items():
                write_whole(path, partial(Path.write_bytes, data=new))
        click.echo(f"Sealed: {file}.")
    click.echo(f"Next: convert verify {shlex.quote(str(files[0]))}", err=True)


if __name__ == "__main__":  # convert/__main__.py runs it in a process of its own
    main(prog_name="convert")
