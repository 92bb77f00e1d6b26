"""`edge-doctor`: options and nothing else. It starts even if libraries are missing."""

import json
import os
import sys
import threading
from functools import partial
from pathlib import Path

from edge import __version__
from edge.doctor.examine import examine
from edge.doctor.finding import SCHEMA, worst
from edge.errors import exits_on_user_error

try:
    import click
except ImportError:  # the one library that edge-doctor itself needs
    sys.stderr.write("click is missing: install again, with the bundle's `install.sh` or `pip install click`.\n")
    sys.exit(2)

from edge.system.cli import Command, model_option  # imports click

_CODES = {"fine": 0, "warn": 1, "bad": 2}
_MARKS = {"fine": "fine", "warn": "LOOK", "bad": "BAD "}


@click.command(cls=Command)
@click.version_option(__version__)
@click.option(
    "--camera",
    "source",
    metavar="SOURCE",
    help="Camera, as for edge-classify --camera.  [default: the first that is found]",
)
@model_option
@click.option("--show", is_flag=True, help="Also check whether edge-classify --show can open a window.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where results will be written.  [default: the current folder]",
)
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How many seconds to measure speed for; 0 skips it.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object instead of lines.")
@click.option(
    "--speed",
    "only_speed",
    is_flag=True,
    help="Only measure, in about a minute, how fast edge-classify answers drawn pictures, and write "
    "edge-speed-BOARD.json into --folder, to be sent to this project.",
)
@exits_on_user_error
def main(
    source: str | None,
    model_path: Path | None,
    show: bool,
    folder: Path,
    seconds: float,
    as_json: bool,
    only_speed: bool,
) -> None:
    """Find out whether this machine can run edge-classify, and what to do if it can't.

    Exit code 0: all is fine; 1: something deserves a look; 2: something must be repaired first.
    """
    if only_speed:
        _measure(folder)
        return
    findings = []
    for finding in examine(source, model_path, folder, show, seconds):
        findings.append(finding)
        if not as_json:
            click.echo(f"{_MARKS[finding.state]}  {finding.name}: {finding.sentence}")
            if finding.remedy:
                click.echo(f"      -> {finding.remedy[0].upper()}{finding.remedy[1:]}.")
    state = worst(findings)
    if not as_json and state != "bad":
        click.echo("Next: edge-classify PICTURES, or edge-classify --camera SOURCE")
    if as_json:
        rows = [finding.row() for finding in findings]
        document = {"schema": SCHEMA, "state": state, "version": __version__, "findings": rows}
        click.echo(json.dumps(document, indent=1))
    # A camera's driver may hang in a thread. Python can't end it, and a normal exit isn't safe while it runs.
    if threading.active_count() > 1:
        sys.stdout.flush()
        os._exit(_CODES[state])
    sys.exit(_CODES[state])


def _write(content: str, path: Path) -> None:
    path.write_text(content)


def _measure(folder: Path) -> None:
    from edge.doctor.speed import speed
    from edge.errors import writing
    from edge.system.whole import write_new

    found = speed(lambda sentence: click.echo(sentence, err=True))
    content = json.dumps(found.document(), indent=1) + "\n"
    with writing(folder):
        number = write_new(folder, found.file_name, "json", partial(_write, content))
    path = folder / f"{found.file_name}{f'-{number}' if number > 1 else ''}.json"
    click.echo(
        f"{found.board}: {found.fields.per_second:.1f} fields a second by one process, "
        f"{found.fields_all_cores.per_second:.1f} by {found.cores}; one picture from cold in {found.cold:.2f} s.\n"
        f"Written to {path}. It holds these figures and the versions of the packages, and nothing about you; please "
        "send it to this project."
    )


if __name__ == "__main__":
    main()
