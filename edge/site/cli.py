"""`edge-site`: options and nothing else."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.errors import UserError, exits_on_user_error, must_be_new
from edge.system.cli import Group, progress_bars
from edge.system.whole import write_whole

if TYPE_CHECKING:
    from edge.frames import Unreadable
    from edge.model import Model
    from edge.site.labelled import Cells


@click.group(cls=Group)
@click.version_option(__version__)
def main() -> None:
    """Find out whether the model is fit for your microscope, and adapt it with a few labelled cells.

    PICTURES_BY_CLASS is a folder of pictures with one cell each. It holds a folder for each class: lymphocytes,
    monocytes, and other classes under any name; splits such as train and test make no difference. Or it holds a table
    cells.csv with the columns path and label. A third column, cell, may name the cell, if some cells were photographed
    more than once. Assists a person; not a medical device.

    Exit code 0: all went well; 1: some pictures could not be used; 2: an error ended the command.
    """


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
_model = click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .tflite file that `convert` made, instead of the shipped one.",
)
_whole = click.option("--whole-image", is_flag=True, help="Take each whole picture as the cell, without locating it.")


@main.command()
@_folder
@_label
@_unlabelled
@_model
@click.option(
    "--site", metavar="FILE", help="Check the model with this profile, on cells that the profile wasn't made from."
)
@_whole
@click.option("--json", "target", metavar="FILE", help="Write all figures as JSON.")
@exits_on_user_error
def check(
    folder: Path,
    said: tuple[str, ...],
    unlabelled: tuple[str, ...],
    model_path: Path | None,
    site: str | None,
    whole_image: bool,
    target: str | None,
) -> None:
    """Check the model on 20 to 50 labelled cells of your microscope: go, adapt or no-go.

    The first figures need no labels; with --unlabelled they are given for further pictures, too.
    """
    from edge.contract import document
    from edge.errors import writing
    from edge.site import check, report

    if target:
        must_be_new(target)
    model = _opened(model_path, site)
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
        click.echo(
            f"Next: edge-site adapt {shlex.quote(str(folder))} --out my-site.json{_option('--model', model_path)}"
        )
    elif found["judged"].verdict == check.GO:
        click.echo(f"Next: edge-classify PICTURES{_option('--model', model_path)}{_option('--site', site)}")
    if target:
        text = json.dumps(document(found), indent=1) + "\n"
        with writing(target):
            write_whole(Path(target), lambda part: part.write_text(text, encoding="utf-8"))
    _end(left_out)


@main.command()
@_folder
@_label
@click.option("--out", required=True, metavar="FILE", help="Write the profile here, for `edge-classify --site FILE`.")
@_unlabelled
@_model
@_whole
@exits_on_user_error
def adapt(
    folder: Path,
    said: tuple[str, ...],
    out: str,
    unlabelled: tuple[str, ...],
    model_path: Path | None,
    whole_image: bool,
) -> None:
    """Make a profile of your microscope from 5 to 50 labelled cells of each class.

    It is written only if it gives better answers for cells that it wasn't made from.

    --unlabelled pictures should show all cells of a slide. They tell how common lymphocytes and monocytes are. A
    doubtful cell is then more likely to be called what is common there. Without these pictures, both are taken to be
    equally common.
    """
    from edge.site import adapt, check, prevalence, report
    from edge.site import profile as profiles

    must_be_new(out)
    model = _opened(model_path, None)
    cells, left_out = _labelled_cells(folder, said, model, whole_image)
    with progress_bars() as progress:
        adapted = adapt.adapt(cells, model, progress=progress)
    click.echo(report.left_out(adapted.left_out))
    profile = adapted.profile
    if not profile:
        judged = check.judge(cells, model, adapted=adapted)
        raise UserError(f"No profile was written: {adapted.why}. Without one, {judged.verdict}: {judged.advice}.")
    if unlabelled:
        unknown, bad = _unlabelled_cells(unlabelled, model, whole_image)
        left_out += bad
        profile = prevalence.with_prevalence_of(profile, unknown, model)
        shares = ", ".join(f"{share:.0%} {label}s" for label, share in (profile.prevalence or {}).items())
        click.echo(f"Among the unlabelled lymphocytes and monocytes: {shares}. The profile takes that into account.")
    profiles.write(profile, out)
    click.echo(f"Written: {out}. For a person to check: not a medical device.")
    used = _option("--model", model_path) + _option("--site", out)
    click.echo(f"Next: edge-site check OTHER_CELLS{used}, then edge-classify PICTURES{used}")
    _end(left_out)


def _option(name: str, value: Path | str | None) -> str:
    return f" {name} {shlex.quote(str(value))}" if value else ""


def _opened(path: Path | None, profile: str | None) -> "Model":
    from edge import model
    from edge.site import profile as profiles

    if path:
        model.try_out(path)
    return profiles.SiteModel(path or model.SHIPPED, 1, profile) if profile else model.Model(path or model.SHIPPED)


def _labelled_cells(folder: Path, said: tuple[str, ...], model: "Model", whole: bool) -> "tuple[Cells, int]":
    """The cells, and the number of pictures that can't be used."""
    from edge.site import class_names, labelled

    pictures = labelled.find(folder, model.labels, class_names.options(said))
    click.echo("\n".join([pictures.table.text(), *pictures.notes]), err=True)
    with progress_bars() as progress:
        cells, unreadable = labelled.predict_labelled(pictures, model, whole, progress)
    _report(unreadable)
    return cells, len(unreadable)


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
