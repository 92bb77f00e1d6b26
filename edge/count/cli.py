"""The command `edge-count`: options and nothing else."""

import gc
import os
import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.errors import UserError, exits_on_user_error
from edge.system.cli import Group, Grouped, fourcc, model_option, page_option, progress_bars, ruler, signed, size, tls
from edge.system.streams import printable

if TYPE_CHECKING:
    from edge.count.journal import Journal
    from edge.count.recorder import Recorder
    from edge.count.records import Run
    from edge.model import Model
    from edge.page.live import Live
    from edge.system.signals import Stop

_SETTINGS = ("operator", "slide", "note", "target", "counted", "readers", "read", "blind", "fields", "quality")


@click.group(cls=Group)
@click.version_option(__version__)
def main() -> None:
    """Count the white cells of a slide: the program names them, a person decides the doubtful ones, and a report says
    what was found and how sure it is.

    A session is one file. Assists a person; not a medical device.
    """


_GROUPS = {
    "What to count": ("--camera", "--target", "--of", "--slide", "--operator", "--note"),
    "Who judges": ("--readers", "--read", "--blind"),
    "How to answer": ("--model", "--site", "--risk", "--ruler", "--threads"),
    "The camera": ("--show", "--size", "--fps", "--exposure", "--white-balance", "--fourcc", "--flat", "--seconds"),
    "The page": ("--page", "--wait", "--tls-certificate", "--tls-key"),
    "Other options": ("--keep", "--quality", "--require-signed", "--help"),
}


class _Start(Grouped):
    groups = _GROUPS


_path = click.Path(path_type=Path)
_file = click.argument("file", type=_path)
_reader = click.option("--reader", metavar="NAME", required=True, help="Your name, the same each time.")


@main.command(cls=_Start)
@_file
@click.argument("pictures", nargs=-1)
@click.option(
    "--camera",
    metavar="SOURCE",
    help="Count what a camera shows; SOURCE is as for edge-classify: a number, picamera, a stream, a video, or sim.",
)
@click.option("--target", type=click.IntRange(1), help="How many cells to count.  [default: 200]")
@click.option(
    "--of",
    "counted",
    type=click.Choice(["named", "white"]),
    help="named: lymphocytes and monocytes count towards the target; white: all nucleated white cells do.  "
    "[default: named]",
)
@click.option("--slide", metavar="TEXT", help="Name or number of the slide.")
@click.option("--operator", metavar="NAME", help="Who counts.")
@click.option("--note", metavar="TEXT", help="Anything that the report should say.")
@click.option("--readers", type=click.IntRange(1, 2), help="How many people judge the cells, each without the other.")
@click.option(
    "--read",
    type=click.Choice(["doubtful", "all"]),
    help="Which cells each reader judges.  [default: doubtful]",
)
@click.option(
    "--blind", is_flag=True, default=None, help="Readers don't see the program's answers, and judge all cells."
)
@model_option
@click.option("--site", metavar="FILE", help="Use this profile of your microscope, written by `edge-site`.")
@click.option("--risk", type=click.FloatRange(0, 1), metavar="SHARE", help="As for edge-classify.  [default: 0.01]")
@click.option(
    "--ruler",
    metavar="run|PIXELS",
    callback=ruler,
    help="How red cells are measured: in all pictures of the run together, or their diameter in pixels.  [default: the "
    "ruler in the --site profile, else run]",
)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="CPU cores for each network.")
@click.option("--show", is_flag=True, help="Show picture and answers in a window, if there is a display.")
@click.option("--size", metavar="WxH", callback=size, help="Size of the camera's pictures, such as 1280x720.")
@click.option("--fps", type=click.FloatRange(0.01, 1000), help="Frames per second.")
@click.option("--exposure", type=float, help="Fixed exposure, in the camera's own units (picamera: microseconds).")
@click.option("--white-balance", type=click.IntRange(1000, 20000), metavar="KELVIN", help="Fixed white balance.")
@click.option("--fourcc", metavar="CODE", callback=fourcc, help="Pixel format: MJPG, YUYV, ...")
@click.option("--flat", metavar="FILE|capture", help="Even out the light, as for edge-classify.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after this many seconds.")
@click.option(
    "--keep",
    "fields",
    type=click.IntRange(0),
    metavar="N",
    help="How many pictures of whole fields to keep; beyond that, the oldest without a doubtful cell are dropped. "
    "Pictures of cells are always kept.  [default: 500]",
)
@page_option("Serve a page for a browser, as edge-count page does; it stays after the count, until ctrl-C.")
@click.option("--wait", is_flag=True, help="With --page and --camera: count once somebody presses Start on the page.")
@tls
@click.option("--quality", type=click.IntRange(50, 100), help="Of the pictures of cells, as JPEG.  [default: 90]")
@signed
@exits_on_user_error
def start(file: Path, pictures: tuple[str, ...], **options: Any) -> None:
    """Count cells into the session FILE, from PICTURES or from a camera, until the target is reached.

    If FILE exists, the count goes on; cells and pictures that it holds already aren't counted again. Ctrl-C ends a run;
    nothing is lost.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in edge-classify
    camera = options["camera"]
    if bool(pictures) == bool(camera):
        raise UserError("Give either pictures or --camera SOURCE; see edge-count start --help.")
    if options["wait"] and not (camera and options["page"]):
        raise UserError("--wait needs --page and --camera.")
    if options["ruler"] == "picture":
        raise UserError("A session is of one microscope: --ruler picture can't be used.")
    from edge import locate
    from edge.count import counting
    from edge.count.outcome import outcome
    from edge.model import SHIPPED
    from edge.site import profile
    from edge.system import signature
    from edge.system.signals import Stop

    if options["key"]:
        signature.require(options["key"], (options["model_path"] or SHIPPED, locate.SHIPPED, options["site"]))
    model = profile.open_model(options["model_path"], options["threads"], options["site"])
    chosen = {name: options[name] for name in _SETTINGS if options[name] is not None}
    with ExitStack() as stack:
        journal, stop = stack.enter_context(_journal(file, chosen)), stack.enter_context(Stop().listening())
        if counting.clock_went_back(journal):
            click.echo(
                "The clock is behind the session's latest entry; entries keep their order, but check the date.",
                err=True,
            )
        before = outcome(journal)
        if before.counted >= journal.settings.target:
            raise UserError(
                f"{file} holds {before.counted} of {journal.settings.target} cells; give a larger --target to go on."
            )
        if before.judged:
            click.echo(
                f"{file} holds {before.counted} of {journal.settings.target} cells; the count goes on.", err=True
            )
        live = None
        if options["page"]:
            from edge.page.live import Live

            live = Live(stop, journal.settings.blind, profile.given(model), options["wait"]) if camera else None
            _serve(stack, file, options["page"], live, (options["tls_certificate"], options["tls_key"]))
        run = counting.new(camera or " ".join(pictures), model, _risk(options), options["site"])
        if camera:
            code = _from_camera(journal, run, model, options, (stop, live))
        else:
            code = _from_pictures(journal, run, pictures, model, options, stop)
        if live:
            live.over = True
        if options["page"]:
            journal.close()
        while options["page"] and _wait(stop, live):
            assert live
            journal = stack.enter_context(_journal(file, {}))
            if outcome(journal).counted < journal.settings.target:
                live.restart()
                run = counting.new(camera, model, _risk(options), options["site"])
                try:
                    code = _from_camera(journal, run, model, options, (stop, live))
                except UserError as error:  # the camera may be unplugged; the page stays
                    live.problem = error.message
                    click.echo(f"Error: {error}", err=True)
            live.again, live.over = False, True
            journal.close()
    sys.exit(code)


def _serve(stack: ExitStack, place: Path, at: str, live: "Live | None", tls: tuple[Path | None, Path | None]) -> None:
    from edge.page.server import Server

    server = stack.enter_context(Server(place, at, live, tls))
    click.echo(server.invitation(sys.stderr.isatty()), err=True)


def _wait(stop: "Stop", live: "Live | None" = None) -> bool:
    """Waits for a signal, or until somebody wants a run that has ended to go on. Returns whether that is so."""
    if not stop.by_signal:
        click.echo("The page stays until ctrl-C.", err=True)
    while not stop.by_signal and not (live and live.again):
        time.sleep(0.1)
    return not stop.by_signal


@main.command()
@click.argument("place", metavar="FILE|DIR", type=_path)
@click.option(
    "--host-port",
    "at",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen. Beyond this machine, such as 0.0.0.0:8080, a browser has to give a token.",
)
@tls
@exits_on_user_error
def page(place: Path, at: str, tls_certificate: Path | None, tls_key: Path | None) -> None:
    """Show the session FILE, or all sessions of the folder DIR, in a browser: review, sign, report.

    The page stays until ctrl-C. This also works while edge-count start counts.
    """
    from edge.system.signals import Stop

    with ExitStack() as stack, Stop().listening() as stop:
        _serve(stack, place, at, None, (tls_certificate, tls_key))
        _wait(stop)


def _risk(options: dict[str, Any]) -> float:
    from edge.decide import RISK

    return RISK if options["risk"] is None else float(options["risk"])


def _journal(file: Path, chosen: dict[str, Any]) -> "Journal":
    """Opens the session, or makes it."""
    from edge.count.journal import Journal
    from edge.count.records import Settings

    if not os.path.lexists(file):
        return Journal.create(file, Settings(**chosen))
    journal = Journal.open(file)
    try:
        journal.change_settings(replace(journal.settings, **chosen))
    except BaseException:
        journal.close()
        raise
    return journal


def _from_camera(
    journal: "Journal", run: "Run", model: "Model", options: dict[str, Any], steer: "tuple[Stop, Live | None]"
) -> int:
    from edge.camera.device import CameraSettings
    from edge.count import counting
    from edge.live.run import Job, Targets
    from edge.model import answering, known_ruler

    job = Job(
        source=options["camera"],
        settings=CameraSettings(*(options[name] for name in ("size", "fps", "exposure", "white_balance", "fourcc"))),
        model=model,
        rules=answering(model, options["risk"]),
        red_cell=known_ruler(model, options["ruler"]),
        threads=options["threads"],
        flat=options["flat"],
        seconds=options["seconds"] or 0.0,
    )
    stop, live = steer
    targets = Targets(show=options["show"], look=live.look if live else None)
    return counting.from_camera(journal, run, job, targets, stop, partial(_say, journal))


def _from_pictures(
    journal: "Journal", run: "Run", pictures: tuple[str, ...], model: "Model", options: dict[str, Any], stop: "Stop"
) -> int:
    from edge import files
    from edge.classify import Search
    from edge.count import counting
    from edge.model import answering, known_ruler
    from edge.output.rulers import Rulers
    from edge.output.sinks import Complaints
    from edge.reading import finding

    for name in ("size", "fps", "exposure", "white_balance", "fourcc", "flat", "seconds", "show"):
        if options[name]:
            raise UserError(f"--{name.replace('_', '-')} can only be used with --camera.")
    listing = finding.find(pictures)
    if not any(Path(path).exists() for path in listing.files):
        raise UserError(f"No pictures found in {' '.join(pictures)}. {listing.left_out()}".rstrip())
    search = Search(red_cell=known_ruler(model, options["ruler"]), keep_whole=True, threads=options["threads"])
    job = files.Job(listing.files, model, answering(model, options["risk"]), search)
    complaints, rulers = Complaints(lambda text: click.echo(text, err=True)), Rulers()
    with progress_bars() as progress:
        code = counting.from_files(journal, run, job, [complaints, rulers], stop, partial(_say, journal), progress)
    if complaint := rulers.complaint():
        click.echo(complaint, err=True)
    if left_out := listing.left_out():
        click.echo(left_out, err=True)
    return code


def _say(journal: "Journal", run: "Recorder") -> None:
    """What a start brought, and what comes next."""
    from edge.count.outcome import outcome

    found, settings = outcome(journal), journal.settings
    reached = found.counted >= settings.target
    go_on = "" if reached else "; start again to go on"
    lines = [f"{found.counted} {settings.cells} are counted, of {settings.target}{go_on}."]
    if run.repeated:
        lines.append(f"{run.repeated} cells were recognised as counted before.")
    if run.known:
        lines.append(f"{run.known} pictures were counted before.")
    waiting = len(found.open)
    if waiting:
        lines.append(f"{waiting} doubtful cell{'s wait' if waiting > 1 else ' waits'} for a person.")
    lines.append(f"{journal.path} has {journal.size() / 1e6:.1f} MB. For a person to check: not a medical device.")
    click.echo(("\a" if reached and sys.stderr.isatty() else "") + " ".join(lines), err=True)
    file = shlex.quote(journal.path)
    next_command = f"edge-count review {file} --reader NAME" if waiting else f"edge-count report {file} report.pdf"
    click.echo(f"Next: {next_command}", err=True)


@main.command()
@_file
@_reader
@click.option("--keys", metavar="KEY=VERDICT,...", default="", help="Further keys, such as l=lymphocyte,m=monocyte.")
@click.option("--all", "everything", is_flag=True, help="Show all cells, not only those that you have to judge.")
@exits_on_user_error
def review(file: Path, reader: str, keys: str, everything: bool) -> None:
    """Judge the doubtful cells of the session FILE at the terminal, one key a cell.

    The cell is drawn on the terminal, by characters in colour. This also works while edge-count start counts.
    """
    from edge.count.journal import Journal
    from edge.count.outcome import outcome
    from edge.count.review import Review
    from edge.count.terminal import Screen, pressed_keys
    from edge.count.verdicts import mapped_keys

    chosen = mapped_keys(keys)
    with Journal.open(file) as journal:
        reviewing = Review(journal, reader)
        if not everything and not reviewing.waiting():
            click.echo("No cell waits for you.", err=True)
        else:
            screen = Screen(reviewing, chosen, _write)
            with pressed_keys() as pressed:
                screen.run(pressed, everything)
            click.echo(f"{screen.judged} verdict{'' if screen.judged == 1 else 's'} taken.", err=True)
        waiting, mine = len(outcome(journal).open), len(reviewing.waiting())
        name = shlex.quote(str(file))
        if mine:
            click.echo(f"{mine} still wait for you.", err=True)
        elif waiting:
            click.echo(f"{waiting} wait for another reader: edge-count review {name} --reader NAME", err=True)
        else:
            click.echo(f"Next: edge-count report {name} report.pdf, or edge-count sign {name} --reader NAME", err=True)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@main.command()
@_file
@_reader
@click.option("--field", type=click.IntRange(1), required=True, help="Number of the field that shows the cell.")
@click.option(
    "--at", "place", type=float, nargs=2, required=True, metavar="X Y", help="Its middle in the field, pixels."
)
@click.option("--verdict", required=True, metavar="KIND", help="What it is, such as monocyte.")
@exits_on_user_error
def add(file: Path, reader: str, field: int, place: tuple[float, float], verdict: str) -> None:
    """Add a cell that the program missed to the session FILE."""
    from edge.count.journal import Journal
    from edge.count.review import Review
    from edge.count.verdicts import Verdict

    with Journal.open(file) as journal:
        number = Review(journal, reader).add(field, *place, Verdict(verdict))
    click.echo(f"Added: cell {number}, {verdict}.", err=True)


@main.command()
@_file
@_reader
@exits_on_user_error
def sign(file: Path, reader: str) -> None:
    """Sign the session FILE once no cell waits for a person. Then nothing in it can be changed."""
    from edge.count import signing
    from edge.count.journal import Journal

    with Journal.open(file) as journal:
        found = signing.sign(journal, reader)
    click.echo(f"Signed by {printable(reader)}: version {found.version}, {found.sha256[:16]}.", err=True)
    click.echo(f"Next: edge-count report {shlex.quote(str(file))} report.pdf", err=True)


@main.command()
@_file
@_reader
@click.option("--why", metavar="TEXT", required=True, help="The reason, which stays in the session.")
@exits_on_user_error
def amend(file: Path, reader: str, why: str) -> None:
    """Open the signed session FILE for changes, as a new version that names the signed one."""
    from edge.count import signing
    from edge.count.journal import Journal

    with Journal.open(file) as journal:
        signing.amend(journal, reader, why)
    click.echo(f"{file} may be changed now; sign it again when it is right.", err=True)


@main.command()
@_file
@click.argument("targets", metavar="[REPORT]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Hand the report to a folder that a laboratory's system watches, under a name that no other report has.",
)
@click.option("--format", "name", metavar="FORMAT", default="hl7", show_default=True, help="Of the report for --into.")
@click.option(
    "--language",
    type=click.Choice(["en", "fr", "es", "pt"]),
    default="en",
    show_default=True,
    help="What a person reads is in English, French, Spanish or Portuguese; forms for programs are the same in each.",
)
@exits_on_user_error
def report(file: Path, targets: tuple[Path, ...], folder: Path | None, name: str, language: str) -> None:
    """Report what the session FILE holds: on the terminal, or as files whose endings choose the form.

    .pdf and .html are for a person; .csv, .json, .hl7, .fhir.json and .openelis.csv for programs.
    """
    from edge.count.journal import Journal
    from edge.count.report import hand_over, write
    from edge.count.report.text import text
    from edge.count.summary import summary

    gc.disable()  # the search for cycles, of which there are none, takes a fourth of the time for 100,000 cells
    try:
        with Journal.open(file, read_only=True) as journal:
            for target in targets:
                write(journal, target, language)
                click.echo(f"Written: {target}", err=True)
            if folder:
                click.echo(f"Written: {hand_over(journal, folder, name, language)}", err=True)
            if not targets and not folder:
                click.echo(text(summary(journal), language))
    finally:
        gc.enable()


@main.command()
@_file
@click.option("--cells", type=_path, metavar="DIR", help="Pictures of cells in folders by label, with cells.csv.")
@click.option("--persons", is_flag=True, help="With --cells: only cells that a person judged.")
@click.option("--coco", type=_path, metavar="FILE", help="Fields with boxes, as COCO.")
@click.option("--yolo", type=_path, metavar="DIR", help="Fields with boxes, as YOLO.")
@click.option("--label-studio", type=_path, metavar="FILE", help="Fields with boxes, as tasks for Label Studio.")
@click.option("--geojson", type=_path, metavar="DIR", help="Fields with the cells' outlines, for QuPath.")
@exits_on_user_error
def export(file: Path, cells: Path | None, persons: bool, **targets: Path | None) -> None:
    """Export the cells or the fields of the session FILE for training and for other programs."""
    from edge.count.export import boxes
    from edge.count.export import cells as folders
    from edge.count.journal import Journal
    from edge.output.boxes import FORMS

    if not (cells or any(targets.values())):
        raise UserError("Give what to write: --cells, --coco, --yolo, --label-studio or --geojson.")
    with Journal.open(file, read_only=True) as journal:
        if cells:
            _written(cells, "cells", folders.cells(journal, cells, persons))
            if persons:
                click.echo(f"Next: edge-site check {shlex.quote(str(cells))}", err=True)
            else:
                click.echo(
                    "Cells that nobody judged have the program's own answers as labels; to check or adapt the program, "
                    "export with --persons.",
                    err=True,
                )
        for name, form in FORMS.items():
            if target := targets[name]:
                _written(target, "fields", boxes.write(journal, form, target))


def _written(target: Path, what: str, counts: tuple[int, int]) -> None:
    written, left_out = counts
    more = f"; left out: {left_out}" if left_out else ""
    click.echo(f"Written: {target} with {written} {what}{more}.", err=True)


@main.command()
@_file
@exits_on_user_error
def check(file: Path) -> None:
    """Check that the session FILE is whole: its signature, and each picture of a cell by its hash."""
    from edge.count import signing
    from edge.count.journal import Journal

    with Journal.open(file, read_only=True) as journal:
        altered, found = signing.altered_pictures(journal), signing.signature(journal)
        cells = journal.count()
    if altered:
        raise UserError(
            f"{file} was changed: {len(altered)} of {cells} pictures of cells aren't those that were taken."
        )
    if found and not found.intact:
        raise UserError(f"{file} was changed after {found.reader} signed it.")
    signed = f"version {found.version}, signed by {printable(found.reader)}" if found else "not signed"
    click.echo(f"{file} is whole: {cells} cells, {signed}.")


@main.command()
@_file
@click.argument("other", type=click.Path(path_type=Path))
@exits_on_user_error
def compare(file: Path, other: Path) -> None:
    """Compare the monocytes of the session FILE with those of OTHER: do they differ by more than chance explains?"""
    from edge.count import comparison
    from edge.count.journal import Journal
    from edge.count.summary import summary

    with Journal.open(file, read_only=True) as first, Journal.open(other, read_only=True) as second:
        click.echo(comparison.compare(summary(first), summary(second)))


@main.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@exits_on_user_error
def list_(folder: Path) -> None:
    """List the sessions in FOLDER."""
    from edge.count.listing import listing

    text, broken = listing(folder)
    for each in broken:
        click.echo(each, err=True)
    click.echo(text)
    sys.exit(1 if broken else 0)


@main.command()
@_file
@click.argument("target", type=click.Path(path_type=Path))
@exits_on_user_error
def copy(file: Path, target: Path) -> None:
    """Copy the session FILE to TARGET, also while it is being counted."""
    from edge.count.journal import Journal

    with Journal.open(file, read_only=True) as journal:
        journal.copy(target)
    click.echo(f"Written: {target}", err=True)


if __name__ == "__main__":
    main()
