"""`convert`: options and nothing else."""

from pathlib import Path

import click

from edge import __version__
from edge.quiet import quiet


@click.command()
@click.version_option(__version__)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--int8", "kind", flag_value="int8", default="int8", help="Full-integer, for the Pi (the default).")
@click.option("--float32", "kind", flag_value="float32", help="Unquantized, to compare with.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the file goes, instead of into RUN.")
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data set, where it isn't any more where the run found it.",
)
def main(run: Path, kind: str, out: Path | None, folder: Path | None) -> None:
    """Convert RUN, a folder that `train` wrote, to one self-describing .tflite file."""
    with quiet():  # TensorFlow takes seconds to import (not for --help) and talks meanwhile
        from convert import gate
        from convert import run as runs

    result = runs.convert(run, kind, out, folder)
    if "agreement" in result:
        click.echo(
            f"Of its calibration fields' pixels, the file marks {result['agreement']:.2%} as the float model does."
        )
        click.echo(f"Written: {result['path']}, {result['bytes'] / 1e3:.0f} kB.")
        return
    click.echo("Val split, the file through the edge runner:")
    click.echo(gate.comparison({"float": result["float"], kind: result["converted"]}, tuple(result["float"])))
    before, after = result["keras_bytes"] / 1e3, result["bytes"] / 1e3
    click.echo(f"\nSize: {before:.0f} kB of float weights, {after:.0f} kB as {kind} with its contract.")
    click.echo(f"Written: {result['path']} and its model card.")
