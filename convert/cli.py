"""`convert`: options and nothing else."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from edge import __version__
from edge.crop import POLICIES
from edge.errors import UserError
from edge.system.quiet import quiet

_KINDS = ("int8", "dynamic", "float16", "float32")
_METHODS = ("auto", "min-max", "percentile", "mse")


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
    """A float Keras model to one self-describing .tflite file, with the proof that it still works.

    `convert RUN` is short for `convert make RUN`; `convert make --help` shows its options.
    """


@main.command()
@click.argument("source", metavar="RUN_OR_FILE", type=click.Path(path_type=Path))
@click.option("--int8", "kind", flag_value="int8", default="int8", help="Full-integer, for the Pi (the default).")
@click.option("--dynamic", "kind", flag_value="dynamic", help="Weights int8, computing in float.")
@click.option("--float16", "kind", flag_value="float16", help="Half the size, computing in float.")
@click.option("--float32", "kind", flag_value="float32", help="Unquantized, to compare with.")
@click.option("--all", "kind", flag_value="all", help="All four.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the files go, instead of beside it.")
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data set: of a run, where it isn't any more where the run found it; of a FILE, always.",
)
@click.option("--labels", metavar="A,B", help="Of a FILE: its classes, in the order of its outputs.")
@click.option(
    "--preprocess",
    type=click.Choice(["raw", "unit", "tf", "caffe"]),
    help="Of a FILE: what it expects: 0..255 (the default), 0..1, -1..1, or BGR without ImageNet's means.",
)
@click.option("--size", type=click.IntRange(8, 2048), help="Of a FILE that takes any: its input's width in pixels.")
@click.option(
    "--crop", type=click.Choice(sorted(POLICIES)), help="Of a FILE: what it sees; whole-image is the default."
)
@click.option(
    "--calibration",
    type=click.IntRange(1),
    default=400,
    show_default=True,
    help="Training pictures that int8 looks at.",
)
@click.option(
    "--method", type=click.Choice(_METHODS), default="auto", show_default=True, help="How int8's ranges are taken."
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0),
    nargs=2,
    default=(0.5, 1.0),
    show_default=True,
    help="Points of balanced accuracy, and of the rare class's recall, that may be lost on val; of a locator the "
    "second counts, for recall and precision.",
)
@click.option("--rescue", is_flag=True, help="Mend an int8 file that loses more.")
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

    The file is run over the val split beside the float model, and written only if it loses no more than --max-drop.
    Exit code 0: written; 2: nothing could be done; 3: something lost more and wasn't written.
    """
    with quiet():  # TensorFlow takes seconds to import (not for --help) and talks meanwhile
        from convert import gate, locator
        from convert import run as runs
        from convert import source as sources
        from train.run import network

    limits = gate.Limits(max_drop[0] / 100, max_drop[1] / 100)
    kinds = _KINDS if kind == "all" else (kind,)
    own = {"--labels": labels, "--preprocess": preprocess, "--size": size, "--crop": crop}
    if source.is_file():
        names = [label.strip() for label in labels.split(",")] if labels else []
        opened = sources.of_file(source, folder, names, preprocess or "raw", size, crop or "whole-image")
    else:
        if given := [option for option, value in own.items() if value is not None]:
            raise UserError(f"{', '.join(given)} is for a Keras file; of a run, {source} itself says it.")
        if network(source) == "locator":
            found = locator.convert(source, kind, out, folder, limits)
            _located(found)
            if not found["path"]:
                raise gate.NotProven(found["said"][-1])
            return
        opened = sources.of_run(source, folder)
    command = shlex.join(["convert", *sys.argv[1:]])
    options = runs.Options(calibration, method, limits, rescue, command)
    results = runs.converted(opened, kinds, out or (source.parent if source.is_file() else source), options)
    for each, result in zip(kinds, results, strict=True):
        _told(each, result, gate.comparison)
    if failed := [result["said"][-1] for result in results if result["path"] is None]:
        raise gate.NotProven(" ".join(failed))


def _located(result: dict) -> None:
    click.echo(f"Of its calibration fields' pixels, the file marks {result['agreement']:.2%} as the float model does.")
    click.echo(result["said"][0])
    if result["path"]:
        click.echo(f"Written: {result['path']}, {result['bytes'] / 1e3:.0f} kB, its model card and the proof.")


def _told(asked: str, result: dict, comparison: Callable[[dict[str, dict], Sequence[str]], str]) -> None:
    kind = result["emitted"]["kind"]
    click.echo("Val split, the file through the edge runner:")
    reference = "Keras" if asked == "float32" else "float"
    click.echo(comparison({reference: result["float"], kind: result["converted"]}, tuple(result["float"])))
    click.echo()
    for sentence in result["said"][: None if result["path"] else -1]:
        click.echo(sentence)
    times = result["milliseconds"]
    if asked != "float32":
        click.echo(f"Time a picture here: {times['float']:.2f} ms as float, {times['quantized']:.2f} ms as {kind}.")
    before, after = result["keras_bytes"] / 1e3, result["bytes"] / 1e3
    click.echo(f"Size: {before:.0f} kB of float weights, {after:.0f} kB as {kind} with its contract.")
    if result["path"]:
        click.echo(f"Written: {result['path']}, its model card, and the proof, {result['proof']}.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "whole", is_flag=True, help="All of it, as it stands in the file.")
def show(file: Path, whole: bool) -> None:
    """Print the contract of a model FILE."""
    from convert import describe
    from edge.model import File

    document = File(file).document
    click.echo(json.dumps(document, indent=1) if whole else describe.text(document))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def verify(file: Path) -> None:
    """Run the samples inside FILE: does this device give the answers that were given where it was made?"""
    from edge.model import File

    right, count = File(file).verify()
    if right < count:
        raise UserError(f"Only {right} of {count} sample answers are as expected: don't use {file} on this device.")
    click.echo(f"All {count} sample answers are as expected: this device runs {file} as it was tested.")
