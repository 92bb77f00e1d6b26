"""`edge-site`: options and nothing else."""

import json
import os
import shlex
import sys
import time
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.errors import UserError, exits_on_user_error, must_be_new
from edge.site.sensors import SENSORS
from edge.system.cli import Group, model_option, progress_bars, show_log, size
from edge.system.whole import write_whole

if TYPE_CHECKING:
    import numpy as np

    from edge.frames import Unreadable
    from edge.model import Model
    from edge.share import Share
    from edge.site.figures import SiteFigures
    from edge.site.labelled import Cells, LabelledPrediction
    from edge.site.profile import Event, Ruler
    from edge.site.ruler import Fields


@click.group(cls=Group)
@click.version_option(__version__)
def main() -> None:
    """Measure your microscope's ruler, find out whether the model is fit for it, and adapt it with labelled cells.

    PICTURES_BY_CLASS is a folder of pictures with one cell each. It holds a folder for each class: lymphocytes,
    monocytes, and other classes under any name; splits such as train and test make no difference. Or it holds a table
    cells.csv with the columns path and label. A third column, cell, may name the cell, if some cells were photographed
    more than once. Assists a person; not a medical device.

    Exit code 0: all went well; 1: some pictures could not be used; 2: an error ended the command.
    """
    show_log("edge.site")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in edge-classify: the matrices are small


_folder = click.argument("folder", metavar="PICTURES_BY_CLASS", type=click.Path(path_type=Path))
_label = click.option(
    "--label",
    "said",
    multiple=True,
    metavar="NAME=LABEL",
    help="The class that the folder calls NAME is LABEL, such as `LYT=lymphocyte`; may be given several times.",
)
_unlabelled = click.option(
    "--unlabelled",
    multiple=True,
    metavar="PICTURES",
    help="Files, folders or patterns of pictures whose cells have no labels; may be given several times.",
)
_whole = click.option("--whole-image", is_flag=True, help="Take each whole picture as the cell, without locating it.")


@main.command()
@_folder
@_label
@_unlabelled
@model_option
@click.option(
    "--site", metavar="FILE", help="Check the model with this profile, on cells that the profile wasn't made from."
)
@_whole
@click.option("--json", "target", metavar="FILE", help="Write all figures as JSON.")
@click.option("--note", is_flag=True, help="Add the result to the history in the --site profile.")
@exits_on_user_error
def check(
    folder: Path,
    said: tuple[str, ...],
    unlabelled: tuple[str, ...],
    model_path: Path | None,
    site: str | None,
    whole_image: bool,
    target: str | None,
    note: bool,
) -> None:
    """Check the model on 20 to 50 labelled cells of your microscope: go, adapt or no-go.

    The first figures need no labels; with --unlabelled they are given for further pictures, too.
    """
    from edge.contract import document
    from edge.errors import writing
    from edge.site import check, report
    from edge.site import profile as profiles

    if target:
        must_be_new(target)
    if note and not site:
        raise UserError("--note writes into a profile; name it with --site.")
    model = profiles.open_model(model_path, 1, site)
    found: dict[str, Any] = {"model": model.sha256}
    left_out = 0
    if unlabelled:
        unknown, left_out = _unlabelled_cells(unlabelled, model, whole_image)
        found["unlabelled"] = check.statistics(unknown, model)
        click.echo(report.statistics(found["unlabelled"], "unlabelled"))
    cells, bad = _labelled_cells(folder, said, model, whole_image)
    left_out += bad
    found["labelled"] = check.statistics(cells, model)
    click.echo(report.statistics(found["labelled"], "labelled"))
    with progress_bars() as progress:
        found["judged"] = check.judge(cells, model, progress)
    click.echo(report.judgement(found["judged"]))
    if found["judged"].verdict == check.ADAPT:
        more = _option("--model", model_path) + _option("--site", site)
        click.echo(f"Next: edge-site adapt {shlex.quote(str(folder))} --out my-site.json{more}")
    elif found["judged"].verdict == check.GO:
        click.echo(f"Next: edge-classify PICTURES{_option('--model', model_path)}{_option('--site', site)}")
    if site and note:
        profile = profiles.read(site)
        counts = {label: cells.count(i) for i, label in enumerate(model.labels)}
        event = _event("check", model, counts, found["judged"], found["judged"].recall)
        profiles.write(replace(profile, history=(*profile.history, event)), site)
    if target:
        text = json.dumps(document(found), indent=1) + "\n"
        with writing(target):
            write_whole(Path(target), lambda part: part.write_text(text, encoding="utf-8"))
    _end(left_out)


@main.command()
@click.argument("folder", metavar="[PICTURES_BY_CLASS]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--from",
    "sessions",
    multiple=True,
    metavar="SESSION",
    type=click.Path(path_type=Path),
    help="Learn from the cells that persons judged in this file of edge-count; may be given several times.",
)
@_label
@click.option("--out", required=True, metavar="FILE", help="Write the profile here, for `edge-classify --site FILE`.")
@_unlabelled
@model_option
@click.option("--site", metavar="FILE", help="Use the ruler in this profile, and keep it and the history.")
@_whole
@exits_on_user_error
def adapt(
    folder: Path | None,
    sessions: tuple[Path, ...],
    said: tuple[str, ...],
    out: str,
    unlabelled: tuple[str, ...],
    model_path: Path | None,
    site: str | None,
    whole_image: bool,
) -> None:
    """Make a profile of your microscope from 5 to 50 labelled cells of each class.

    It is written only if it gives better answers for cells that it wasn't made from.

    From sessions, it learns what persons said about cells, never the program's own answers. A fifth of these cells,
    drawn at random and always the same, is held out: no profile learns from them, and they show how accurate it is.

    --unlabelled pictures should show all cells of a slide. They tell how common lymphocytes and monocytes are. A
    doubtful cell is then more likely to be called what is common there. Without these pictures, both are taken to be
    equally common.
    """
    from edge.site import adapt, check, held, prevalence, report
    from edge.site import profile as profiles

    if not folder and not sessions:
        raise UserError("Give PICTURES_BY_CLASS, a folder, or --from SESSION; see edge-site adapt --help.")
    if whole_image and sessions:
        raise UserError(
            "--whole-image can't be used with --from: a session's pictures show the cell's neighbours, too."
        )
    must_be_new(out)
    model, kept = profiles.open_model(model_path, 1, None), profiles.read(site) if site else profiles.Site()
    model.ruler = kept.ruler.known() if kept.ruler else None
    cells, is_held, left_out = _gathered(folder, sessions, said, model, whole_image)
    learned = cells.at(~is_held)
    with progress_bars() as progress:
        adapted = adapt.adapt(learned, model, progress=progress)
    click.echo(report.left_out(adapted.left_out))
    profile = adapted.profile
    if not profile:
        judged = check.judge(learned, model, adapted=adapted)
        raise UserError(f"No profile was written: {adapted.why}. Without one, {judged.verdict}: {judged.advice}.")
    if unlabelled:
        unknown, bad = _unlabelled_cells(unlabelled, model, whole_image)
        left_out += bad
        profile = prevalence.with_prevalence_of(profile, unknown, model)
        shares = ", ".join(f"{share:.0%} {label}s" for label, share in (profile.prevalence or {}).items())
        click.echo(f"Among the unlabelled lymphocytes and monocytes: {shares}. The profile takes that into account.")
    tested = held.measured(cells, is_held, model, profile) if sessions else None
    if sessions:
        click.echo(report.held_out(tested, cells.at(is_held), model.labels))
    after, recall = (tested.after, tested.recall) if tested else (adapted.left_out.after, adapted.recall)
    event = replace(_event("adapt", model, profile.cells, after, recall), held=tested is not None)
    profiles.write(profiles.Site(profile, kept.ruler, (*kept.history, event)), out)
    click.echo(f"Written: {out}. For a person to check: not a medical device.")
    used = _option("--model", model_path) + _option("--site", out)
    click.echo(f"Next: edge-site check OTHER_CELLS{used}, then edge-classify PICTURES{used}")
    _end(left_out)


def _option(name: str, value: Path | str | None) -> str:
    return f" {name} {shlex.quote(str(value))}" if value else ""


@main.command()
@click.argument("pictures", nargs=-1)
@click.option("--camera", metavar="SOURCE", help="Measure what a camera shows; SOURCE is as for edge-classify.")
@click.option("--out", required=True, metavar="FILE", help="Write the profile here, for `edge-classify --site FILE`.")
@click.option("--site", metavar="FILE", help="Keep what this profile learned from labelled cells.")
@click.option(
    "--picture", metavar="FILE", help="Write the picture with the circles here.  [default: beside the profile]"
)
@click.option(
    "--micrometres-per-pixel",
    "micrometres",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="The width of a pixel on the slide, if you know it from a stage micrometer. A red cell is 7.5 wide.",
)
@click.option(
    "--objective",
    type=click.FloatRange(1),
    metavar="X",
    help="Magnification of the objective, such as 40; with --camera-sensor, the width of a pixel is computed.",
)
@click.option("--camera-sensor", "sensor", type=click.Choice(list(SENSORS)), help="Sensor of a camera without a lens.")
@click.option(
    "--adapter",
    type=click.FloatRange(0.05, 20),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Magnification of what is between the objective and the sensor, such as 0.5.",
)
@click.option(
    "--binning",
    "binned",
    type=click.FloatRange(0.1, 100),
    metavar="N",
    help="So many pixels of the sensor, in a row, make one of the picture.  [default: as if it shows the whole sensor]",
)
@click.option("--size", metavar="WxH", callback=size, help="Size of the camera's pictures, such as 1280x720.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=120.0, show_default=True, help="At most so long."
)
@exits_on_user_error
def ruler(
    pictures: tuple[str, ...],
    camera: str | None,
    out: str,
    site: str | None,
    picture: str | None,
    micrometres: float | None,
    objective: float | None,
    sensor: str | None,
    adapter: float,
    binned: float | None,
    size: tuple[int, int] | None,
    seconds: float,
) -> None:
    """Measure how many pixels a red cell has at your microscope, once, for all later runs with --site.

    PICTURES are files, folders or patterns of fields, 8 or more, taken with one objective and one size of the camera's
    pictures. A second picture shows circles of the measured size on red cells: look whether it is right.
    """
    from edge.errors import writing
    from edge.site import circles, sensors
    from edge.site import profile as profiles
    from edge.site import ruler as rulers

    if bool(pictures) == bool(camera):
        raise UserError("Give either pictures or --camera SOURCE; see edge-site ruler --help.")
    if bool(objective) != bool(sensor):
        raise UserError("--objective and --camera-sensor go together: both are needed to compute the width of a pixel.")
    if sensor and micrometres:
        raise UserError("--micrometres-per-pixel and --objective give the same thing twice; leave one out.")
    if not sensor and (binned or adapter != 1):
        raise UserError("--adapter and --binning need --objective and --camera-sensor.")
    target = Path(picture or f"{out.removesuffix('.json')}.png")
    must_be_new(out)
    must_be_new(target)
    if target == Path(out):
        raise UserError(f"The profile and the picture can't both be {out}; name two files.")
    kept = profiles.read(site) if site else profiles.Site()
    fields = rulers.Fields()
    if camera:
        _watch(camera, size, seconds, fields)
    else:
        _read(pictures, fields)
    if sensor and objective:
        shown = binned or sensors.binning(sensor, fields.size)
        micrometres = sensors.micrometres_per_pixel(sensor, shown, objective, adapter)
        click.echo(
            f"Computed: {micrometres:.4g} micrometres per pixel, each of {shown:.3g} pixels of the sensor in a row."
        )
        if not binned:
            click.echo(
                "Right only if the pictures show the whole width of the sensor; if they are cut out, give --binning."
            )
    if micrometres:
        found = _given(micrometres, fields)
    else:
        measured = fields.measure()
        found = measured.ruler
        click.echo(
            f"Measured: {found}, by {measured.cells} red cells in {found.pictures} pictures."
            + (" More pictures would make it surer." if measured.more else "")
        )
    with writing(target):
        write_whole(target, lambda part: circles.sheet(fields.best, found).save(part, "PNG"))
    profiles.write(replace(kept, ruler=found), out)
    click.echo(f"Written: {out} and {target}. Look at the picture: are the circles as large as red cells?")
    click.echo(f"Next: edge-classify PICTURES --site {shlex.quote(out)}")


@main.command()
@click.argument("profile", metavar="PROFILE")
@exits_on_user_error
def history(profile: str) -> None:
    """Show when a profile learned from cells or was checked with them, and how well they were answered."""
    from edge.site import profile as profiles
    from edge.site import report

    site = profiles.read(profile)
    click.echo(f"{profile} {site}.")
    click.echo(report.history(site.history) if site.history else "No history yet: edge-site check --note adds to it.")


def _event(
    what: str, model: "Model", counts: dict[str, int], figures: "SiteFigures", recall: "dict[str, Share]"
) -> "Event":
    from edge.site.figures import SiteFigures
    from edge.site.profile import Event

    plain = SiteFigures(*(getattr(figures, each.name) for each in fields_of(SiteFigures)))  # not all of a Judgement
    return Event(time.strftime("%Y-%m-%d"), what, model.sha256, counts, plain, recall)


def _watch(camera: str, size: tuple[int, int] | None, seconds: float, fields: "Fields") -> None:
    from edge.camera.device import CameraSettings
    from edge.site import views
    from edge.system.signals import Stop

    show_log("edge.site", "edge.camera")
    with Stop().listening() as stop:
        views.watch(camera, CameraSettings(size=size), fields, seconds, stop)


def _read(pictures: tuple[str, ...], fields: "Fields") -> None:
    from edge import frames
    from edge.site.ruler import MOST

    files = frames.expand(pictures)
    files = files[:: -(-len(files) // MOST) or 1]
    unreadable: list[Unreadable] = []
    with progress_bars() as progress:
        for number, path in enumerate(files):
            for each in frames.pages(path):
                if isinstance(each, frames.Unreadable):
                    unreadable += [] if isinstance(each, frames.LeftOut) else [each]
                else:
                    fields.add(each)
            progress("Reading pictures", number + 1, len(files))
    _report(unreadable)
    if not fields.seen:
        raise UserError(f"No pictures found in {' '.join(pictures)}.")


def _given(micrometres: float, fields: "Fields") -> "Ruler":
    """The ruler that a person gave, with a warning if the pictures contradict it."""
    from edge.site import ruler as rulers

    found = rulers.given(micrometres, fields.size)
    click.echo(f"Given: {found}.")
    try:
        measured = fields.measure().ruler
    except UserError:
        return found  # nothing can be measured, and so nothing contradicts
    if rulers.contradicts(measured, found):
        click.echo(
            f"But the pictures show red cells of about {measured.red_cell:.0f} pixels: check the number.", err=True
        )
    return found


def _labelled_cells(folder: Path, said: tuple[str, ...], model: "Model", whole: bool) -> "tuple[Cells, int]":
    """The cells, and the number of pictures that can't be used."""
    cells, _, left_out = _gathered(folder, (), said, model, whole)
    return cells, left_out


def _gathered(
    folder: Path | None, sessions: tuple[Path, ...], said: tuple[str, ...], model: "Model", whole: bool
) -> "tuple[Cells, np.ndarray, int]":
    """The cells of a folder and of sessions, which of their pictures are held out, and how many can't be used."""
    from edge.site import class_names, labelled

    found: list[LabelledPrediction] = []
    unreadable: list[Unreadable] = []
    if folder:
        pictures = labelled.find(folder, model.labels, class_names.options(said))
        click.echo("\n".join([pictures.table.text(), *pictures.notes]), err=True)
        with progress_bars() as progress:
            found, unreadable = labelled.predict_pictures(pictures, model, whole, progress)
    elif said:
        raise UserError("--label is for the classes of a folder; the verdicts in a session have their names.")
    for session in sessions:
        more, damaged = _judged_cells(session, model)
        found, unreadable = found + more, unreadable + damaged
    if not found:
        raise UserError(f"Persons judged no cells in {' '.join(map(str, sessions))}; run edge-count review first.")
    cells, is_held, contradictory = labelled.together(found, model.labels)
    _report(unreadable + contradictory)
    return cells, is_held, len(unreadable) + len(contradictory)


def _judged_cells(session: Path, model: "Model") -> "tuple[list[LabelledPrediction], list[Unreadable]]":
    """The cells that persons judged in a session, and those that are damaged."""
    from collections import Counter

    from edge.count.export import labels
    from edge.count.journal import Journal

    with Journal.open(session, read_only=True) as journal, progress_bars() as progress:
        found = labels.labelled_cells(journal, model, progress)
    counts = Counter(each.label for each in found.cells)
    judged = ", ".join(f"{counts[label]} {label}" for label in model.labels if counts[label]) or "no cells"
    text = f"{session}: persons judged {judged}, of which {sum(each.held for each in found.cells)} are held out."
    if found.unused:
        text += f" Not used: {found.unused} that are open, unsure, or answered by the program alone."
    if found.lost:
        text += (
            f" Not used: {found.lost} that can't be found again in their pictures, or that the model has no label for."
        )
    if found.doubtful:
        text += " Only doubtful cells had to be judged, so these are harder than the others (--read all asks for each)."
    click.echo(text, err=True)
    return found.cells, found.damaged


def _unlabelled_cells(paths: tuple[str, ...], model: "Model", whole: bool) -> "tuple[Cells, int]":
    from edge.frames import expand
    from edge.site import labelled

    with progress_bars() as progress:
        cells, unreadable = labelled.predict_unlabelled(expand(paths), model, whole, progress)
    _report(unreadable)
    if cells is None:
        raise UserError(f"No cells found in {' '.join(paths)}.")
    return cells, len(unreadable)


def _report(unreadable: "list[Unreadable]") -> None:
    for each in unreadable:
        click.echo(f"{each.source!r} {each.error}", err=True)


def _end(left_out: int) -> None:
    """Ends the command: with exit code 1 if pictures could not be used."""
    if left_out:
        click.echo(f"{left_out} could not be used; the lines above say why.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
