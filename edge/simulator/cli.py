"""`python -m edge.simulator FOLDER`: a few pictures of drawn cells, for a first try without a microscope."""

import shlex
from pathlib import Path

import click

from edge.errors import exits_on_user_error
from edge.system.cli import Command


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--count", default=3, show_default=True, help="How many pictures of each kind of cell, and how many fields."
)
@click.option("--seed", default=0, show_default=True, help="Another seed draws other pictures.")
@exits_on_user_error
def main(folder: Path, count: int, seed: int) -> None:
    """Draw a few pictures of stained cells into FOLDER."""
    from edge.simulator.demo import draw

    number = draw(folder, count, seed)
    click.echo(f"{number} drawn pictures (drawings, not blood) are in {folder}")
    click.echo(f"Next: edge-classify {shlex.quote(str(folder))}", err=True)
