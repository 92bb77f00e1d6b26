"""`edge-classify`: options and nothing else."""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.errors import UserError, broken

if TYPE_CHECKING:
    from edge.decide import Rules
    from edge.model import Model

_MANY = 20  # pictures from which on a progress bar helps more than it distracts


def _size(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.lower())
    if not found or "0" in found.groups():
        raise click.BadParameter(f"{text!r} is no size such as 1280x720.")
    return int(found[1]), int(found[2])


def _fourcc(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not (len(text) == 4 and text.isascii()):
        raise click.BadParameter(f"{text!r} is no code of four letters, such as MJPG.")
    return text


def _ruler(_: click.Context, __: click.Parameter, text: str) -> str | float:
    if text in ("run", "picture"):
        return text
    try:
        pixels = float(text)
    except ValueError:
        pixels = 0.0
    if not 3 <= pixels <= 10_000:
        raise click.BadParameter(f"{text!r} is neither run, picture, nor a red cell's diameter in pixels.")
    return pixels


@click.command()
@click.version_option(__version__)
@click.argument("paths", nargs=-1)
@click.option("--json", "json_target", metavar="FILE|-", help="Write the answers as JSON lines.")
@click.option("--csv", "csv_target", metavar="FILE", help="Write the answers as CSV.")
@click.option("--annotate", metavar="DIR", help="Write the pictures with boxes and answers drawn on.")
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .tflite file that `convert` made, instead of the shipped one.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Cores for each network. One is fastest for small ones; with --camera, reading takes another one.",
)
@click.option(
    "--site", metavar="FILE", help="Answer as this profile of the microscope says, which `edge-site adapt` wrote."
)
@click.option("--single", is_flag=True, help="One answer a picture: about the cell nearest to its middle.")
@click.option("--whole-image", is_flag=True, help="Take the picture for the cell, without looking for one.")
@click.option(
    "--adapt",
    is_flag=True,
    help="For many pictures of lymphocytes and monocytes alone, of one microscope: read all first, unlabelled, and put "
    "the threshold between the two heaps that their answers make.",
)
@click.option(
    "--risk",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Of the answers given at most this share may be wrong; what isn't sure enough is for you to review.  "
    "[default: 0.01]",
)
@click.option("--no-review", is_flag=True, help="Always give the likeliest answer, however doubtful.")
@click.option(
    "--ruler",
    metavar="run|picture|PIXELS",
    default="run",
    show_default=True,
    callback=_ruler,
    help="The red cells, by which the white ones are measured: in all pictures of one size together, as those of one "
    "microscope; in each by itself; or their diameter in pixels, where you know it.",
)
@click.option("--explain", metavar="DIR", help="Write what the locator saw: marks, cells, what it refused and why.")
@click.option(
    "--camera",
    metavar="SOURCE",
    help="Look through a camera until ctrl-C: its number, /dev/video*, picamera, an rtsp:// or http:// stream, a "
    "video, a folder, or sim, the simulated microscope.",
)
@click.option("--size", metavar="WxH", callback=_size, help="Of the camera's pictures, such as 1280x720.")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Of the camera; plays a video at that pace.")
@click.option("--exposure", type=float, help="Fixed, in the camera's own units (picamera: microseconds).")
@click.option("--white-balance", type=click.IntRange(1000, 20000), metavar="KELVIN", help="Fixed likewise.")
@click.option("--fourcc", metavar="CODE", callback=_fourcc, help="Of the camera's pixels: MJPG, YUYV, ...")
@click.option("--flat", metavar="FILE|capture", help="Even the light out by a picture of an empty spot of the slide.")
@click.option("--save", metavar="DIR", help="With --camera: a picture of each cell and of its field.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="With --camera: stop after so many.")
@click.option("--cells", type=click.IntRange(1), metavar="N", help="With --camera: stop after so many cells.")
@click.option("--show", is_flag=True, help="With --camera: a window with the picture, where there is a display.")
@click.option("--verify", is_flag=True, help="Check that this device gives the answers that the model file expects.")
def main(
    paths: tuple[str, ...],
    json_target: str | None,
    csv_target: str | None,
    annotate: str | None,
    model_path: Path | None,
    threads: int,
    site: str | None,
    verify: bool,
    single: bool,
    whole_image: bool,
    adapt: bool,
    risk: float | None,
    no_review: bool,
    ruler: str | float,
    explain: str | None,
    camera: str | None,
    **watching: Any,
) -> None:
    """Tell lymphocytes from monocytes in pictures of stained white blood cells.

    PATHS are files, folders, glob patterns, or - for a list of files on standard input. Exit code 0: every picture
    was answered; 1: some could not be read, or it was stopped; 2: nothing could be done. Assists a person; not a
    medical device.
    """
    try:
        from edge import classify, frames, model
        from edge.output import sinks  # after --help, which needs none of them
        from edge.system.signals import Stop
    except ImportError as error:
        raise UserError(f"A library is missing or doesn't work here: {broken(error)}. Run edge-doctor.") from error

    if verify:
        from edge import locate

        right = count = 0
        for file in (model.Model(model_path or model.SHIPPED, threads), locate.Locator(threads=threads)):
            as_expected, samples = file.verify()
            right, count = right + as_expected, count + samples
        if right < count:
            raise UserError(f"Only {right} of {count} sample answers are as expected: don't use this model here.")
        click.echo(f"All {count} sample answers are as expected: this device runs the model as it was tested.")
        if not paths and not camera:
            return
    if camera:
        others = {"--annotate": annotate, "--explain": explain, "--single": single, "--whole-image": whole_image}
        for name, given in (others | {"--adapt": adapt, "Naming pictures": paths}).items():
            if given:
                raise UserError(f"{name} doesn't go with --camera; see --help.")
        from edge.live.run import watch

        opened = _opened(model_path, threads, site)
        if ruler == "picture":
            raise UserError("A camera's pictures are of one microscope: --ruler picture doesn't go with --camera.")
        watching["red_cell"] = ruler if isinstance(ruler, float) else None
        watching |= {"threads": threads, "json_target": json_target, "csv_target": csv_target}
        sys.exit(watch(camera, opened, rules=_rules(opened, risk, no_review), **watching))
    for name, value in watching.items():
        if value:
            raise UserError(f"--{name.replace('_', '-')} goes with --camera only.")
    files = frames.expand(line for path in paths for line in (_standard_input() if path == "-" else [path]))
    if not any(Path(file).exists() for file in files):
        raise UserError(f"No pictures found in {' '.join(paths)}." if paths else "Name pictures, or see --help.")
    for target in (json_target, csv_target):
        if target in files:
            raise UserError(f"{target} is one of the pictures; results there would destroy it.")
    if site and adapt:
        raise UserError(
            "--site has its threshold from labelled cells, --adapt looks for one without; give one of them."
        )
    if single and whole_image:
        raise UserError("--single looks for the cell in the middle, --whole-image for none; give one of them.")
    opened = _opened(model_path, threads, site)
    labels, rules = opened.labels, _rules(opened, risk, no_review)
    find = classify.finder(
        opened.policy,
        one=single,
        whole=whole_image,
        threads=threads,
        run=files if ruler == "run" else (),
        red_cell=ruler if isinstance(ruler, float) else None,
    )
    lean = 0.0
    if adapt:
        if len(labels) - rules.tells_other != 2:
            raise UserError(f"--adapt moves the threshold between two kinds; this model knows {len(labels)}.")
        found, count = classify.leaning(files, opened, find)
        lean = found or 0.0
        where = f"the answers move by {-lean:+.2f} logits" if found is not None else "they don't make two clear heaps"
        click.echo(f"Of {count} cells, unlabelled: {where}.", err=True)
    tally = sinks.Tally()
    watched = len(files) >= _MANY and sys.stderr.isatty()
    with ExitStack() as stack:
        outputs: list[sinks.Sink] = [tally]
        if json_target:
            outputs.append(stack.enter_context(sinks.JsonLines(json_target, opened.sha256)))
        if csv_target:
            outputs.append(stack.enter_context(sinks.Csv(csv_target, labels, opened.sha256)))
        if annotate:
            outputs.append(stack.enter_context(sinks.Annotated(annotate)))
        if explain:
            outputs.append(stack.enter_context(sinks.Explained(explain, opened)))
        if json_target != "-":
            outputs.append(stack.enter_context(sinks.Table(labels, hold=watched)))
        stop = stack.enter_context(Stop().listening())
        with _progress(files, watched) as bar:
            for result in classify.classify(bar, opened, find, rules, lean):
                if isinstance(result, frames.Unreadable):
                    click.echo(f"{result.source!r} {result.error}", err=True)
                for sink in outputs:
                    sink.add(result)
                if stop.asked:
                    break
    if tally.pictures < len(files):
        click.echo(f"Stopped after {tally.pictures} of {len(files)} pictures.", err=True)
    click.echo(str(tally), err=True)
    sys.exit(1 if tally.unreadable or tally.pictures < len(files) else 0)


def _opened(path: Path | None, threads: int, site: str | None) -> "Model":
    from edge.model import SHIPPED, Model

    if not site:
        return Model(path or SHIPPED, threads)
    from edge.site.profile import Here

    here = Here(path or SHIPPED, threads, site)
    click.echo(f"Answers as {site} has them, learned from {here.profile.learned_from()}.", err=True)
    return here


def _rules(opened: "Model", risk: float | None, no_review: bool) -> "Rules":
    """Raises UserError for a risk that the model can't be held to."""
    from edge.decide import RISK

    if no_review:
        if risk is not None:
            raise UserError("--no-review gives every answer, whatever its risk; leave --risk away.")
        return opened.rules(None)
    if risk is not None and not any(known <= risk + 1e-9 for known in opened.risks):
        known = ", ".join(f"{each:g}" for each in opened.risks)
        raise UserError(
            f"{opened.path} can't be held to a risk of {risk:g}; "
            + (f"it knows {known}." if known else "its contract names none: convert a run of this version.")
        )
    return opened.rules(RISK if risk is None else risk)


@contextmanager
def _progress(files: list[str], watched: bool) -> Iterator[Iterator[str]]:
    """A bar on stderr while many pictures are read and a person is watching."""
    if not watched:
        yield iter(files)
        return
    with click.progressbar(files, file=sys.stderr, label="Reading pictures", show_pos=True) as bar:
        yield iter(bar)


def _standard_input() -> list[str]:
    return [line.rstrip("\r\n") for line in sys.stdin if line.strip()]
