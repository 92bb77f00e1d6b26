"""`edge-doctor`: can this machine do the work, and if not, what is to be done? Starts with as little as there is."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from edge import __version__
from edge.doctor import system_checks
from edge.doctor.finding import Finding, worst

try:
    import click
except ImportError:  # the one library that this itself needs
    sys.stderr.write("click is missing: install again, by `install.sh` of the bundle or `pip install click`.\n")
    sys.exit(2)

_CODES = {"fine": 0, "warn": 1, "bad": 2}
_MARKS = {"fine": "fine", "warn": "LOOK", "bad": "BAD "}


def examine(
    source: str | None = None,
    model: Path | None = None,
    folder: Path = Path(),
    show: bool = False,
    seconds: float = 10.0,
) -> Iterator[Finding]:
    """Each finding as soon as it is there. source, model: as of `edge-classify`, None for what there is."""
    yield system_checks.python()
    libraries = system_checks.libraries()
    yield from libraries
    yield system_checks.disk(folder)
    yield system_checks.clock()
    if worst(libraries) == "bad":
        yield Finding("work", "bad", "Models, camera and speed were not tried.", "mend the libraries first")
    else:
        from edge.doctor import runtime_checks

        models = runtime_checks.models(model)
        yield from models
        if show:
            yield system_checks.display()
        yield runtime_checks.camera(source)
        if seconds and worst(models) == "fine":
            yield runtime_checks.speed(seconds, model)
    yield system_checks.power()  # last: under load is when power and cooling fail


@click.command()
@click.version_option(__version__)
@click.option("--camera", "source", metavar="SOURCE", help="The camera, as of edge-classify; else the first one here.")
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="Instead of the shipped one.")
@click.option("--show", is_flag=True, help="Look for the display that edge-classify --show needs, too.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where results shall be written.  [default: here]",
)
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(0), help="Of the reading of speed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def main(source: str | None, model: Path | None, show: bool, folder: Path, seconds: float, as_json: bool) -> None:
    """Look whether this machine can run edge-classify: each finding, and what to do about it.

    Exit code 0: all is fine; 1: something deserves a look; 2: something must be mended first.
    """
    findings = []
    for finding in examine(source, model, folder, show, seconds):
        findings.append(finding)
        if not as_json:
            click.echo(f"{_MARKS[finding.state]}  {finding.name}: {finding.sentence}")
            if finding.remedy:
                click.echo(f"      -> {finding.remedy[0].upper()}{finding.remedy[1:]}.")
    state = worst(findings)
    if as_json:
        rows = [finding.row() for finding in findings]
        click.echo(json.dumps({"state": state, "version": __version__, "findings": rows}, indent=1))
    if threading.active_count() > 1:  # a camera's driver that hangs, which Python can neither end nor leave behind
        sys.stdout.flush()
        os._exit(_CODES[state])
    sys.exit(_CODES[state])


if __name__ == "__main__":
    main()
