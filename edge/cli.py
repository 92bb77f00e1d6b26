"""The command `edge-classify`: its options."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.errors import UserError, broken, exits_on_user_error
from edge.system.cli import Grouped, fourcc, model_option, page_option, progress_bars, ruler, signed, size, tls
from edge.system.streams import printable

if TYPE_CHECKING:
    from edge.live.run import Look
    from edge.model import Model
    from edge.output.exported import Exported
    from edge.output.sinks import Sink
    from edge.reading.finding import Listing
    from edge.system.signals import Stop

_MANY = 20  # pictures: with this many or more, a progress bar helps more than it distracts
_FOR_JOBS = 50  # pictures: with this many or more, all cores are used
_PATIENCE = 3.0  # seconds: so does it if fewer pictures take longer
_FORMS = ("coco", "yolo", "label_studio", "geojson")  # of edge.output.boxes
_GROUPS = {
    "What to read": ("--camera", "--whole-image", "--single"),
    "How to answer": ("--model", "--site", "--risk", "--no-review", "--adapt", "--ruler", "--threads", "--jobs"),
    "What to write": ("--json", "--csv", "--annotate", "--explain", "--save", "--show"),
    "For other tools": ("--coco", "--yolo", "--label-studio", "--geojson"),
    "The page": ("--page", "--tls-certificate", "--tls-key"),
    "The camera": ("--size", "--fps", "--exposure", "--white-balance", "--fourcc", "--flat", "--seconds", "--cells"),
    "Other options": ("--verify", "--require-signed", "--version", "--help"),
}


class _EdgeClassify(Grouped):
    groups = _GROUPS


@click.command(cls=_EdgeClassify)
@click.version_option(__version__)
@click.argument("paths", nargs=-1)
@click.option(
    "--camera",
    metavar="SOURCE",
    help="Count the cells that a camera shows, until ctrl-C. SOURCE is the camera's number, /dev/video*, picamera, an "
    "rtsp:// or http:// stream, a video, a folder of pictures, or sim (the simulated microscope).",
)
@click.option("--single", is_flag=True, help="Give one answer per picture: for the cell nearest to its middle.")
@click.option("--whole-image", is_flag=True, help="Treat the whole picture as one cell; don't search for cells.")
@model_option
@click.option("--site", metavar="FILE", help="Use this profile of your microscope, written by `edge-site`.")
@click.option(
    "--risk",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="At most this share of the given answers may be wrong; less certain cells are left for you to review.  "
    "[default: 0.01]",
)
@click.option(
    "--no-review",
    is_flag=True,
    help="Answer every cell with its likeliest label, however doubtful.",
)
@click.option(
    "--adapt",
    is_flag=True,
    help="For many unlabelled pictures from one microscope that show only lymphocytes and monocytes: read all of them "
    "first, then set the threshold between the two groups that their probabilities form.",
)
@click.option(
    "--ruler",
    metavar="run|picture|PIXELS",
    callback=ruler,
    help="How red cells, the ruler for white cells, are measured. run: in all pictures of one size together, as if "
    "from one microscope; picture: in each picture by itself; PIXELS: their diameter in pixels, if you know it.  "
    "[default: the ruler in the --site profile, else run]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="CPU cores for each network. One is fastest for small networks. With --camera, reading takes another one.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Read pictures by this many processes. The answers are the same for any number.  [default: one for each CPU "
    "core from 50 pictures on, else 1]",
)
@click.option(
    "--json",
    "json_target",
    metavar="FILE|-",
    help="Write the answers as JSON lines; - for standard output, instead of the table. To a file of answers, new ones "
    "are added; a file that holds anything else is refused.",
)
@click.option("--csv", "csv_target", metavar="FILE", help="Write the answers as CSV; new ones are added, as by --json.")
@click.option(
    "--annotate",
    metavar="DIR",
    help="Write the pictures with boxes and answers drawn on them. No file is overwritten: a second a.annotated.jpg "
    "becomes a-2.annotated.jpg.",
)
@click.option("--explain", metavar="DIR", help="Write pictures of what the locator saw, kept and refused, and why.")
@click.option("--coco", metavar="FILE", help="Write the pictures with a box around each cell, as COCO.")
@click.option("--yolo", metavar="DIR", help="The same as YOLO.")
@click.option("--label-studio", metavar="FILE", help="The same as tasks for Label Studio.")
@click.option("--geojson", metavar="DIR", help="Write the cells' outlines for QuPath, a file for each picture.")
@click.option("--save", metavar="DIR", help="With --camera: write a picture of each cell and of its field.")
@click.option(
    "--show",
    is_flag=True,
    help="With --camera: show picture and answers in a window, if there is a display; q or Escape ends the run.",
)
@click.option("--size", metavar="WxH", callback=size, help="Size of the camera's pictures, such as 1280x720.")
@click.option(
    "--fps",
    type=click.FloatRange(0.01, 1000),
    help="Frames per second. A video is played at this speed; frames may be skipped, as with a camera.",
)
@click.option(
    "--exposure",
    type=click.FloatRange(0, 1e9),
    help="Fixed exposure, in the camera's own units (picamera: microseconds).",
)
@click.option(
    "--white-balance", type=click.IntRange(1000, 20000), metavar="KELVIN", help="Fixed white balance, in kelvin."
)
@click.option("--fourcc", metavar="CODE", callback=fourcc, help="Pixel format: MJPG, YUYV, ...")
@click.option(
    "--flat",
    metavar="FILE|capture",
    help="Even out the light with a picture of an empty spot of the slide; capture takes that picture first.",
)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Stop after this many seconds.")
@click.option("--cells", type=click.IntRange(1), metavar="N", help="Stop after this many cells.")
@page_option("With --camera: serve a page on which a browser shows picture and answers.")
@tls
@click.option(
    "--verify", is_flag=True, help="Check that this device gives the right answers for the samples in the model file."
)
@signed
@exits_on_user_error
def main(
    paths: tuple[str, ...], camera: str | None, model_path: Path | None, site: str | None, verify: bool, **options: Any
) -> None:
    """Tell lymphocytes from monocytes in pictures of stained white blood cells.

    PATHS are files, folders, glob patterns, or - for a list of files on standard input. Exit code 0: all went
    well; 1: some pictures could not be read or, without --camera, the run was stopped; 2: an error ended the command.
    The answers are for a person to check: this is not a medical device.
    """
    # NumPy's linear algebra gets only a few hundred numbers, and its idle threads would keep cores busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from edge import files, frames, model, system  # noqa: F401 not needed for --help
    except ImportError as error:
        raise UserError(
            f"A library is missing or doesn't work on this machine: {broken(error)}. Run edge-doctor."
        ) from error

    _check_targets(options["json_target"], options["csv_target"])
    if options["key"]:
        from edge import locate
        from edge.system import signature

        signature.require(options["key"], (model_path or model.SHIPPED, locate.SHIPPED, site))
    if verify:
        _verify(model_path, options["threads"])
        if not paths and not camera:
            return
    if camera:
        _watch(camera, paths, _opened(model_path, options["threads"], site), options)
    else:
        _answer(paths, model_path, site, options)


def _check_targets(json_target: str | None, csv_target: str | None) -> None:
    if csv_target == "-":
        raise UserError("--csv writes a file; use --json - for results on standard output.")
    if json_target and csv_target and os.path.realpath(json_target) == os.path.realpath(csv_target):
        raise UserError(f"--json and --csv can't write one file, {csv_target}; name two.")


def _verify(model_path: Path | None, threads: int) -> None:
    from edge.doctor.verify import verify

    files = verify(model_path, threads)
    right, count = sum(each.right for each in files), sum(each.count for each in files)
    if right < count:
        raise UserError(f"Only {right} of {count} sample answers are as expected: don't use this model on this device.")
    click.echo(f"All {count} sample answers are as expected: this device runs the model as it was tested.")
    for each in files:
        if each.unprotected:
            click.echo(each.unprotected)


def _watch(camera: str, paths: tuple[str, ...], model: "Model", options: dict[str, Any]) -> None:
    """Runs `--camera` and exits with the run's exit code."""
    from edge.camera.device import CameraSettings
    from edge.live import run
    from edge.model import answering, known_ruler
    from edge.system.signals import Stop

    for name in ("annotate", "explain", *_FORMS, "single", "whole_image", "adapt", "jobs"):
        if options[name]:
            raise UserError(f"--{name.replace('_', '-')} can't be used with --camera; see --help.")
    if paths:
        raise UserError("PATHS can't be given together with --camera; see --help.")
    if options["ruler"] == "picture":
        raise UserError("A camera's pictures come from one microscope: --ruler picture can't be used with --camera.")
    settings = CameraSettings(*(options[name] for name in ("size", "fps", "exposure", "white_balance", "fourcc")))
    job = run.Job(
        source=camera,
        settings=settings,
        model=model,
        rules=answering(model, options["risk"], options["no_review"]),
        red_cell=known_ruler(model, options["ruler"]),
        threads=options["threads"],
        flat=options["flat"],
        seconds=options["seconds"] or 0.0,
        cells=options["cells"] or 0,
    )
    with ExitStack() as stack, Stop().listening() as stop:
        look = _paged(stack, model, options, stop) if options["page"] else None
        targets = run.Targets(options["json_target"], options["csv_target"], options["save"], options["show"], look)
        code = run.watch(job, targets, stop)
    sys.exit(code)


def _paged(stack: ExitStack, model: "Model", options: dict[str, Any], stop: "Stop") -> "Look":
    """Serves the page while the run goes on. Returns what is called with each frame."""
    from edge.page.live import Live
    from edge.page.server import Server
    from edge.site.profile import given

    live = Live(stop, scale=given(model))
    server = Server(None, options["page"], live, (options["tls_certificate"], options["tls_key"]))
    click.echo(stack.enter_context(server).invitation(sys.stderr.isatty()), err=True)
    return live.look


def _answer(paths: tuple[str, ...], model_path: Path | None, site: str | None, options: dict[str, Any]) -> None:
    """Answers picture files. Exits with 1 if some could not be read or the run was stopped."""
    from edge import classify, files, unlike
    from edge.model import answering, known_ruler
    from edge.output.rulers import Rulers
    from edge.output.tally import Tally
    from edge.reading import finding
    from edge.system.signals import Stop

    camera = ("size", "fps", "exposure", "white_balance", "fourcc", "flat", "save", "seconds", "cells", "show", "page")
    for name in camera:
        if options[name] is not None and options[name] is not False:
            raise UserError(f"--{name.replace('_', '-')} can only be used with --camera.")
    named = _named(paths)
    listing = finding.find(named)
    found = listing.files
    if not any(Path(file).exists() for file in found):
        raise UserError(_nothing_found(paths, listing))
    if site and options["adapt"]:
        raise UserError(
            "--site sets the threshold from labelled cells, --adapt from unlabelled cells; use only one of them."
        )
    if options["single"] and options["whole_image"]:
        raise UserError(
            "--single searches for the cell in the middle, --whole-image doesn't search; use only one of them."
        )
    for name in _FORMS:
        _check_outside(options[name], named)
    model = _opened(model_path, options["threads"], site)
    rules = answering(model, options["risk"], options["no_review"])
    search = classify.Search(
        single=options["single"],
        whole=options["whole_image"],
        red_cell=known_ruler(model, options["ruler"]),
        pooled=options["ruler"] != "picture",
        trace=bool(options["explain"]),
        keep_whole=bool(options["annotate"]),
        threads=options["threads"],
    )
    threshold: files.Threshold | None = None
    if options["adapt"]:
        from edge.site.unlabelled_threshold import shift

        threshold = shift
        if len(model.labels) - rules.knows_other != 2:
            known = ", ".join(model.labels)
            raise UserError(f"--adapt needs a model with two labels besides other; this model's labels are {known}.")
    watched = len(found) >= _MANY and sys.stderr.isatty()
    tally, ruled = Tally(), Rulers()
    with ExitStack() as stack:
        exports = list(_exports(model, options))
        chosen = [tally, ruled, *map(stack.enter_context, chain(exports, _sinks(model, options, watched)))]
        for note in filter(None, (each.note for each in chosen)):
            click.echo(printable(note), err=True)
        stop = stack.enter_context(Stop().listening())
        progress = stack.enter_context(progress_bars(delay=0.0 if watched else _PATIENCE))
        job = files.Job(found, model, rules, search, threshold, _jobs(options["jobs"], options["threads"], len(found)))
        outcome = files.run(job, chosen, progress, lambda: stop.asked)
    for note in (*outcome.notes, *(printable(each.summary()) for each in exports)):
        click.echo(note, err=True)
    if threshold:
        if outcome.shift is None:
            adapted = "too few, or no two clear groups, so the threshold stays where it is"
        else:
            adapted = f"the logit of {model.labels[1]} changes by {-outcome.shift:+.2f}"
        click.echo(f"--adapt, from {outcome.cells} unlabelled cells: {adapted}.", err=True)
    if outcome.stopped:
        click.echo(f"Stopped after {outcome.pictures} of {len(found)} pictures.", err=True)
    if left_out := listing.left_out():
        click.echo(left_out, err=True)
    unlike_home = unlike.sentence(outcome.unlike, rules)
    click.echo(f"{tally}{unlike_home}{ruled.sentence(advised='--ruler' in unlike_home)}", err=True)
    sys.exit(1 if outcome.unreadable or outcome.stopped else 0)


def _jobs(asked: int | None, threads: int, pictures: int) -> int:
    """By how many processes pictures are read."""
    if asked and asked > 1 and threads > 1:
        raise UserError("--jobs and --threads would both use the cores; give only --jobs, which is faster.")
    if asked or threads > 1 or pictures < _FOR_JOBS:
        return asked or 1
    from edge.workers.process import most

    return most()


def _named(paths: tuple[str, ...]) -> list[str]:
    """The paths that are named, with those on standard input. Raises UserError for the address of a camera."""
    named = [line for path in paths for line in (_standard_input() if path == "-" else [path])]
    for path in named:
        if ":/" in path and not Path(path).exists():
            from edge.camera.address import shown

            raise UserError(f"{shown(path)} does not exist; if it is the address of a camera, give it with --camera.")
    return named


def _nothing_found(paths: tuple[str, ...], listing: "Listing") -> str:
    if not paths:
        return "Give the paths of pictures; see --help."
    if listing.files:
        return f"{' '.join(listing.files)} {'does' if len(listing.files) == 1 else 'do'} not exist."
    return f"No pictures found in {' '.join(paths)}. {listing.left_out()}".rstrip()


def _sinks(model: "Model", options: dict[str, Any], hold: bool) -> "Iterator[Sink]":
    """The sinks that the options ask for. hold: the table waits, because a progress bar occupies the terminal."""
    from edge.output import sinks

    yield sinks.Complaints(lambda text: click.echo(text, err=True))
    if options["json_target"]:
        yield sinks.JsonLines(options["json_target"], model.sha256)
    if options["csv_target"]:
        yield sinks.Csv(options["csv_target"], model.labels, model.sha256)
    if options["annotate"]:
        yield sinks.Annotated(options["annotate"])
    if options["explain"]:
        yield sinks.Explained(options["explain"], model)
    if options["json_target"] != "-":
        yield sinks.Table(model.labels, hold=hold)


def _exports(model: "Model", options: dict[str, Any]) -> "Iterator[Exported]":
    """The sinks for other tools. QuPath opens the user's own pictures."""
    if not any(options[name] for name in _FORMS):
        return
    from edge.output.boxes import FORMS
    from edge.output.exported import Exported

    for name, form in FORMS.items():
        if options[name]:
            yield Exported(form, Path(options[name]), model, copies=name != "geojson")


def _check_outside(target: str | None, named: list[str]) -> None:
    """Raises UserError if copies of pictures would lie in a folder that is read, where a later run would find them."""
    for folder in named if target else ():
        if Path(folder).is_dir() and Path(str(target)).resolve().is_relative_to(Path(folder).resolve()):
            raise UserError(f"{target} lies in {folder}, whose pictures are read; name a place outside of it.")


def _opened(path: Path | None, threads: int, site: str | None) -> "Model":
    if not site:
        from edge.model import open_model

        return open_model(path, threads)
    from edge.site import profile

    model = profile.open_model(path, threads, site)
    if isinstance(model, profile.SiteModel):
        click.echo(f"Uses the profile {site}, which {model.site}.", err=True)
    return model


def _standard_input() -> list[str]:
    if sys.stdin is None:
        raise UserError("Standard input is closed, so - gives no list of files.")
    return [os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip()]
