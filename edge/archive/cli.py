"""The command `edge-archive`: options and nothing else."""

import importlib
import os
import shlex
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from edge import __version__
from edge.errors import UserError, broken, exits_on_user_error
from edge.system.cli import Group, Grouped, model_option, progress_bars, ruler, signed
from edge.system.streams import printable

_RUN = {
    "What to read": ("--whole-image",),
    "How to answer": ("--model", "--site", "--risk", "--no-review", "--ruler", "--look-again"),
    "Where to work": ("--out", "--jobs", "--ray"),
    "Other options": ("--require-signed", "--help"),
}


@click.group(cls=Group)
@click.version_option(__version__)
def main() -> None:
    """Answer the pictures of a whole archive, on one machine or many, and read what was found.

    Each picture is answered once; a run that was ended goes on where it was. Assists a person; not a medical device.

    Exit code 0: all went well; 1: some pictures could not be read, or the run was stopped; 2: an error ended the
    command.
    """


class _Run(Grouped):
    groups = _RUN


@main.command(cls=_Run)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for the answers; if it has some, what is new or changed is added.",
)
@click.option("--whole-image", is_flag=True, help="Treat each picture as one cell; don't search for cells.")
@model_option
@click.option("--site", "profile", metavar="FILE", help="Use this profile, if all pictures come from its microscope.")
@click.option("--risk", type=click.FloatRange(0, 1), metavar="SHARE", help="As for edge-classify.  [default: 0.01]")
@click.option("--no-review", is_flag=True, help="Answer every cell with its likeliest label, however doubtful.")
@click.option(
    "--ruler",
    metavar="run|picture|PIXELS",
    callback=ruler,
    help="How red cells are measured. run: in all pictures of a site together; picture: in each picture by itself; "
    "PIXELS: their diameter.  [default: the ruler in the --site profile, else run]",
)
@click.option(
    "--look-again",
    is_flag=True,
    help="Measure the red cells of each site again, and whether it is unlike home. Without this, pictures that were "
    "added later are answered as the first ones.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Read pictures by this many processes.  [default: one for each CPU core]",
)
@click.option(
    "--ray",
    metavar="ADDRESS|local",
    help="Give the work to this cluster of Ray, such as 10.0.0.1:6379 or auto; local starts one on this machine.",
)
@signed
@exits_on_user_error
def run(sources: tuple[str, ...], out: Path, model_path: Path | None, **options: Any) -> None:
    """Answer the pictures of each SOURCE, and write the answers as Parquet into the folder --out.

    SOURCE is a folder, a glob pattern, a file, an address of object storage (s3://, gs://), or a table (CSV or Parquet)
    with the column path and perhaps site and slide. A site is one microscope: its red cells are measured together.
    """
    _needed("pyarrow")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in edge-classify
    from edge import locate
    from edge.archive import run as archive
    from edge.archive import sources as listing
    from edge.archive import summary
    from edge.archive.reader import Settings
    from edge.model import SHIPPED, answering, try_out
    from edge.output.tally import NOTICE
    from edge.system import signature
    from edge.system.signals import Stop
    from edge.workers.process import most

    if options["ray"] and options["jobs"] and options["ray"] != "local":
        raise UserError("A cluster has as many processes as it has cores; leave out --jobs.")
    if options["key"]:
        signature.require(options["key"], (model_path or SHIPPED, locate.SHIPPED, options["profile"]))
    if model_path:
        try_out(model_path)
    chosen = {name: options[name] for name in ("risk", "no_review", "ruler", "whole_image")}
    model, profile = (str(Path(path).resolve()) if path else None for path in (model_path, options["profile"]))
    settings = Settings(model, profile, folder=str(Path.cwd()), **chosen)
    answering(settings.opened(), settings.risk, settings.no_review)
    found = listing.find(sources)
    if options["profile"] and len(found.sites) > 1:
        raise UserError(
            f"--site is the profile of one microscope, but these are {len(found.sites)} sites; give a command for each."
        )
    for note in found.notes:
        click.echo(printable(note), err=True)
    jobs = options["jobs"] or most()
    with ExitStack() as stack:
        if options["ray"]:
            _needed("ray")
            from edge.archive import cluster

            engine = partial(cluster.results, ray=stack.enter_context(cluster.connected(options["ray"], jobs)))
        else:
            from edge.archive import pool

            engine = partial(pool.results, jobs=jobs)
        with Stop().listening() as stop, progress_bars() as progress:
            job = archive.Job(found.sites, out, settings, engine, options["look_again"])
            outcome = archive.run(job, progress, lambda: stop.asked)
        # Before Ray is left: its native code may crash then, and all is done.
        if outcome.stopped:
            click.echo(f"Stopped after {outcome.answered} pictures; the same command goes on.", err=True)
        else:
            before = outcome.pictures - outcome.answered
            known = f", {before} were done before or name no picture" if before else ""
            click.echo(
                f"{outcome.answered} pictures were answered{known}; {outcome.unreadable} could not be read.", err=True
            )
            click.echo(summary.text(summary.read(out), 0))
            click.echo(f"{NOTICE} Next: edge-archive show {printable(str(out))}", err=True)
    sys.exit(1 if outcome.unreadable or outcome.stopped else 0)


def _needed(package: str) -> None:
    """Raises UserError if a package of the extra isn't installed."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"edge-archive needs {package} ({broken(error)}); run `pip install 'edge-classify[archive]'`."
        ) from error


_folder = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@main.command()
@_folder
@click.option(
    "--slides", "most", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="Show so many slides."
)
@exits_on_user_error
def show(folder: Path, most: int) -> None:
    """Show what is in the folder DIR of `edge-archive run`: its sites, and its slides, the worst first."""
    _needed("pyarrow")
    from edge.archive import summary

    click.echo(summary.text(summary.read(folder), most))


@main.command()
@_folder
@click.option(
    "--doubtful", "count", type=click.IntRange(1), default=200, show_default=True, metavar="N", help="So many cells."
)
@click.option("--site", metavar="NAME", help="Take cells of this site alone, such as to adapt the model to it.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The new session.")
@exits_on_user_error
def sample(folder: Path, count: int, site: str | None, out: Path) -> None:
    """Make a counting session of the cells in DIR that are most worth a person's look.

    These are cells left for review, the least sure first, in turns from all slides.
    """
    _needed("pyarrow")
    from edge.archive import sample as sampling

    with progress_bars() as progress:
        found = sampling.sample(folder, count, out, site, progress)
    left_out = f"; {found.repeated} that show the same were left out" if found.repeated else ""
    left_out += f"; {found.gone} pictures are gone or changed" if found.gone else ""
    click.echo(f"{found.cells} doubtful cells of {found.slides} slides{left_out}.", err=True)
    click.echo(f"Next: edge-count review {shlex.quote(printable(str(out)))} --reader NAME", err=True)
