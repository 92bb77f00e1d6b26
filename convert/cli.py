"""`convert`: options and nothing else."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import __version__
from edge.crop import POLICIES
from edge.errors import UserError, exits_on_user_error
from edge.system.cli import Grouped, progress_bars, show_log
from edge.system.quiet import quiet

if TYPE_CHECKING:
    from convert import locator, run

_KINDS = ("int8", "dynamic", "float16", "float32")
_METHODS = ("auto", "min-max", "percentile", "mse")


class _Make(Grouped):
    """`convert make`, whose --help shows the options in groups."""

    groups = {  # noqa: RUF012 the base class has it so
        "What to convert": ("--data", "--labels", "--preprocess", "--size", "--crop"),
        "Which kind": ("--int8", "--dynamic", "--float16", "--float32", "--all"),
        "How int8 is made": ("--calibration", "--method", "--rescue"),
        "The gate": ("--max-drop",),
        "What to write": ("--out", "--help"),
    }


class _Plain(click.Group):
    """A group whose first command needn't be named: `convert RUN` is `convert make RUN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._named(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, self._named(args))

    def _named(self, args: list[str]) -> list[str]:
        own = {*self.commands, "--help", "--version"}
        return args if not args or args[0] in own else ["make", *args]


@click.group(cls=_Plain)
@click.version_option(__version__)
def main() -> None:
    """Convert a float Keras model to one self-describing .tflite file, and prove that it still works.

    `convert RUN` is short for `convert make RUN`; `convert make --help` shows its options.
    """
    show_log("convert")


@main.command(cls=_Make)
@click.argument("source", metavar="RUN_OR_FILE", type=click.Path(path_type=Path))
@click.option("--int8", "kind", flag_value="int8", default="int8", help="Full-integer, for the Pi (the default).")
@click.option("--dynamic", "kind", flag_value="dynamic", help="Weights in int8, computing in float.")
@click.option("--float16", "kind", flag_value="float16", help="Half the size, computing in float.")
@click.option("--float32", "kind", flag_value="float32", help="Unquantized, to compare with.")
@click.option("--all", "kind", flag_value="all", help="All four.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the files go.  [default: beside the source]"
)
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data set. A FILE always needs it; a RUN only if its data set was moved.",
)
@click.option("--labels", metavar="A,B", help="Of a FILE: its classes, in the order of its outputs.")
@click.option(
    "--preprocess",
    type=click.Choice(["raw", "unit", "tf", "caffe"]),
    help="Of a FILE: the values that it expects: 0..255 (raw, the default), 0..1 (unit), -1..1 (tf), or BGR minus "
    "ImageNet's means (caffe).",
)
@click.option(
    "--size", type=click.IntRange(8, 2048), help="Of a FILE that takes pictures of any size: its input's width."
)
@click.option(
    "--crop",
    type=click.Choice(sorted(POLICIES)),
    help="Of a FILE: which part of a picture it sees.  [default: whole-image]",
)
@click.option(
    "--calibration",
    type=click.IntRange(1),
    default=400,
    show_default=True,
    help="Number of training pictures by which the ranges of values are chosen.",
)
@click.option(
    "--method", type=click.Choice(_METHODS), default="auto", show_default=True, help="How these ranges are chosen."
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0),
    nargs=2,
    default=(0.5, 1.0),
    show_default=True,
    help="Points of balanced accuracy, and points of the rare class's recall, that may be lost on val. For a locator "
    "the second number is the limit for both recall and precision.",
)
@click.option("--rescue", is_flag=True, help="If the int8 file loses more, try to repair it.")
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
    """Convert a folder that `train` wrote, or a .keras or .h5 FILE of any image classifier, to .tflite.

    The file answers the val split beside the float model. It is written only if it loses no more than --max-drop.
    Exit code 0: written; 2: nothing could be done; 3: the file lost more and wasn't written.
    """
    with quiet():  # TensorFlow takes seconds to import, so --help does without; importing it prints messages
        from convert import gate, locator
        from convert import run as runs
        from convert import source as sources
        from convert.int8 import Int8Options
        from edge.contract import Loss
        from train.run import network

    limits = Loss(max_drop[0] / 100, max_drop[1] / 100)
    if source.is_file():
        names = [label.strip() for label in labels.split(",")] if labels else []
        network_source = sources.of_file(source, folder, names, preprocess or "raw", size, crop or "whole-image")
    else:
        own = {"--labels": labels, "--preprocess": preprocess, "--size": size, "--crop": crop}
        if given := [option for option, value in own.items() if value is not None]:
            raise UserError(f"{', '.join(given)} is for a Keras file; a run such as {source} knows it itself.")
        if network(source) == "locator":
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
        command=shlex.join(["convert", *sys.argv[1:]]),
    )
    kinds = _KINDS if kind == "all" else (kind,)
    place = out or (source.parent if source.is_file() else source)
    with progress_bars() as progress:
        results = runs.converted(network_source, kinds, place, options, progress)
    for result in results:
        _show(result)
    if failed := [result.report.sentences[-1] for result in results if result.path is None]:
        raise gate.NotProven(" ".join(failed))


def _show_locator(result: "locator.Result") -> None:
    click.echo(
        f"The file marks {result.agreement:.2%} of the pixels of its calibration fields as the float model does."
    )
    click.echo(result.sentences[0])
    if result.path:
        click.echo(f"Written: {result.path}, {result.bytes / 1e3:.0f} kB, its model card and the proof.")


def _show(result: "run.Result") -> None:
    from convert import gate

    report = result.report
    verdict, time, size = report.gate, report.milliseconds, report.bytes
    reference = "Keras" if report.asked == "float32" else "float"
    click.echo("Val split, the file through the edge runner:")
    click.echo(gate.comparison({reference: verdict.before, report.kind: verdict.after}, tuple(verdict.before)).text())
    click.echo()
    for sentence in report.sentences[: None if result.path else -1]:
        click.echo(sentence)
    if report.asked != "float32":
        click.echo(f"Time a picture here: {time.before:.2f} ms as float, {time.after:.2f} ms as {report.kind}.")
    click.echo(
        f"Size: {result.keras_bytes / 1e3:.0f} kB of float weights, {size.after / 1e3:.0f} kB as {report.kind} with "
        "its contract."
    )
    if result.path:
        click.echo(f"Written: {result.path}, its model card, and the proof, {result.page}.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@exits_on_user_error
def show(file: Path, as_json: bool) -> None:
    """Print the contract of a model FILE."""
    from convert import describe
    from edge import contract
    from edge.model import File

    opened = File(file).contract
    click.echo(json.dumps(contract.write(opened), indent=1) if as_json else describe.text(opened))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@exits_on_user_error
def verify(file: Path) -> None:
    """Run the samples inside FILE: does this device give the answers that the file expects?"""
    from edge.model import File

    right, count = File(file).verify()
    if right < count:
        raise UserError(f"Only {right} of {count} sample answers are as expected: don't use {file} on this device.")
    click.echo(f"All {count} sample answers are as expected: this device runs {file} as it was tested.")
