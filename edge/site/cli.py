"""`edge-site`: options and nothing else."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.errors import UserError, exits_on_user_error

if TYPE_CHECKING:
    from edge.frames import Unreadable
    from edge.model import Model
    from edge.site.labelled import Cells


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Is the model fit for this microscope, and can a few labelled cells of it help?

    PICTURES_BY_CLASS is a folder with a folder a class (lymphocytes, monocytes and, if there are, others by any name),
    one cell a picture, or with a cells.csv (columns path, label and, for cells photographed more than once, cell).
    Assists a person; not a medical device.
    """


_folder = click.argument("folder", metavar="PICTURES_BY_CLASS", type=click.Path(path_type=Path))
_unlabelled = click.option(
    "--unlabelled", multiple=True, metavar="PICTURES", help="Files, folders or patterns; may be given several times."
)
_model = click.option(
    "--model", "model_path", type=click.Path(path_type=Path), metavar="FILE", help="Instead of the shipped one."
)
_whole = click.option("--whole-image", is_flag=True, help="Take each picture for the cell, without looking for one.")


@main.command()
@_folder
@_unlabelled
@_model
@click.option("--site", metavar="FILE", help="Check the model as this profile has it, on cells that it didn't learn.")
@_whole
@click.option("--json", "target", metavar="FILE", help="Write all figures as JSON.")
@exits_on_user_error
def check(
    folder: Path,
    unlabelled: tuple[str, ...],
    model_path: Path | None,
    site: str | None,
    whole_image: bool,
    target: str | None,
) -> None:
    """Say go, adapt or no-go, by 20 to 50 labelled cells of this microscope; and what unlabelled ones show."""
    from edge.errors import writing
    from edge.site import check, report

    model = _opened(model_path, site)
    document: dict[str, Any] = {"model": model.sha256}
    if unlabelled:
        document["unlabelled"] = check.statistics(_all_cells(unlabelled, model, whole_image), model)
        click.echo(report.statistics(document["unlabelled"], "unlabelled"))
    cells = _labelled(folder, model, whole_image)
    document["labelled"] = check.statistics(cells, model)
    click.echo(report.statistics(document["labelled"], "labelled"))
    document["judged"] = check.judged(cells, model)
    click.echo(report.judged(document["judged"]))
    if target:
        with writing(target):
            Path(target).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


@main.command()
@_folder
@click.option("--out", required=True, metavar="FILE", help="The profile, for `edge-classify --site FILE`.")
@_unlabelled
@_model
@_whole
@exits_on_user_error
def adapt(folder: Path, out: str, unlabelled: tuple[str, ...], model_path: Path | None, whole_image: bool) -> None:
    """Write a profile of this microscope from 5 to 50 labelled cells of each kind, if left-out cells get better by it.

    --unlabelled cells, all that a slide has, say how many monocytes there are beside the lymphocytes: doubtful cells
    are then rather called what is common here. Without them both are taken to be as many.
    """
    from edge.site import adapt, prevalence, report
    from edge.site import profile as profiles

    model = _opened(model_path, None)
    cells = _labelled(folder, model, whole_image)
    found = adapt.adapt(cells, model)
    click.echo(report.adapted(found))
    if not found.profile:
        raise UserError("No profile was written: left-out cells are answered no better by one. Use the model as it is.")
    profile = found.profile
    if unlabelled:
        there = adapt.answers(_all_cells(unlabelled, model, whole_image), model, profile)
        share = prevalence.shares(prevalence.named(there, model.labels))
        if share is None:
            raise UserError(
                f"--unlabelled wants at least {prevalence.FEWEST} lymphocytes and monocytes; leave it away."
            )
        profile = prevalence.expecting(profile, share, model.labels)
        click.echo(
            f"Of the unlabelled lymphocytes and monocytes {share:.0%} are monocytes: answers lean to these shares."
        )
    profiles.write(profile, out)
    click.echo(f"Written: {out}. For a person to check: not a medical device.")


def _opened(path: Path | None, profile: str | None) -> "Model":
    from edge import model
    from edge.site import profile as profiles

    return profiles.SiteModel(path or model.SHIPPED, 1, profile) if profile else model.Model(path or model.SHIPPED)


def _labelled(folder: Path, model: "Model", whole: bool) -> "Cells":
    from edge.site import labelled

    pictures = labelled.find(folder, model.labels)
    cells, unreadable = labelled.predict(pictures, model, whole)
    _tell(unreadable)
    if pictures.passed:
        click.echo(f"{pictures.passed} pictures of other kinds are left out: this model can't give these.", err=True)
    return cells


def _all_cells(paths: tuple[str, ...], model: "Model", whole: bool) -> "Cells":
    from edge.frames import expand
    from edge.site import labelled

    files = expand(paths)
    cells, unreadable = labelled.unlabelled(files, model, whole)
    _tell(unreadable)
    if cells is None:
        raise UserError(f"No cells found in {' '.join(paths)}.")
    return cells


def _tell(unreadable: "list[Unreadable]") -> None:
    for each in unreadable:
        click.echo(f"{each.source!r} {each.error}", err=True)


if __name__ == "__main__":
    main()
