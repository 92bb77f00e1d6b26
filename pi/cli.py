"""`python -m pi`, which `make pi-proof` runs: options and nothing else."""

from pathlib import Path

import click

from edge.errors import exits_on_user_error
from edge.system.cli import Command
from pi import prove


@click.command(cls=Command)
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="The data set: a folder with cells.csv and fields.",
)
@click.option(
    "--system",
    "systems",
    multiple=True,
    type=click.Choice(prove.SYSTEMS),
    default=prove.SYSTEMS,
    show_default=True,
    help="Release of Raspberry Pi OS; may be given several times.",
)
@click.option(
    "--core",
    "cores",
    multiple=True,
    type=click.Choice(list(prove.CORES)),
    default=list(prove.CORES),
    show_default=True,
    help="Processor; may be given several times.",
)
@click.option("--cells", default=200, show_default=True, help="How many pictures of one cell are answered.")
@click.option("--fields", default=20, show_default=True, help="How many camera fields are answered.")
@click.option(
    "--seconds", default=12.0, show_default=True, help="Seconds that a simulated camera runs, at 8 frames a second."
)
@click.option(
    "--roots",
    type=click.Path(path_type=Path),
    default=prove.ROOTS,
    show_default=True,
    help="Folder in which the emulated systems are kept for later runs.",
)
@exits_on_user_error
def main(
    bundle: Path,
    data: Path,
    systems: tuple[str, ...],
    cores: tuple[str, ...],
    cells: int,
    fields: int,
    seconds: float,
    roots: Path,
) -> None:
    """Prove that emulated Raspberry Pis install BUNDLE and give the same answers as this machine.

    Exit code 0: all is equal; 1: something differs; 2: no Pi can be emulated on this machine.
    """
    task = prove.Task(data.resolve(), prove.pictures(data.resolve(), cells, fields), seconds)
    prove.prove(bundle, task, systems, cores, roots, click.echo)
