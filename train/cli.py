"""The `train` command: its options only. The other modules do the work."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import __version__
from edge.crop import POLICIES
from edge.errors import UserError, exits_on_user_error
from edge.system.cli import Group, Grouped, progress_bars, show_log
from edge.system.quiet import quiet
from train import provenance
from train.settings import BASELINE, COMPACT, VGG16, Compact, Locator, Settings, Transfer

if TYPE_CHECKING:
    from train.run import Report

# The groups of options that --help shows for the networks' commands.
_DATA = (
    "--data",
    "--source",
    "--without",
    "--fields",
    "--crop",
    "--size",
    "--augment",
    "--amount",
    "--balance",
    "--mixup",
)
_WHAT = ("--other", "--smoothing", "--thresholds")
_HOW = ("--epochs", "--batch", "--rate", "--average", "--seed", "--deterministic", "--strategy", "--precision")
_WRITE = ("--out", "--resume", "--help")


def _groups(data: tuple[str, ...] = (), what: tuple[str, ...] = (), how: tuple[str, ...] = ()) -> type[Grouped]:
    """A command class whose --help shows the options of train.settings.Settings, and the command's own, in groups."""

    class Command(Grouped):
        groups = {  # noqa: RUF012 as in the base class
            "The data": _DATA + data,
            "What to learn": _WHAT + what,
            "How to learn": how + _HOW,
            "What to write": _WRITE,
        }

    return Command


@click.group(cls=Group)
@click.version_option(__version__)
def main() -> None:
    """Train a network that tells lymphocytes from monocytes."""
    show_log("train")
    provenance.COMMAND.set(shlex.join(["train", *sys.argv[1:]]))


data_option = click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A folder with cells.csv, with SPLIT/CLASS/ folders, or with CLASS/ folders.",
)
_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder that the run is written to. Nothing in it is overwritten.",
)
_seed = click.option(
    "--seed",
    type=click.IntRange(0, 20_000),
    default=0,
    show_default=True,
    help="Seed of all random choices: the same seed gives the same run.",
)


@main.command()
@click.argument("source")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new folder.")
@click.option(
    "--classes", default="lymphocyte,monocyte", show_default=True, help="Which classes to take, or `all` of them."
)
@click.option(
    "--label",
    "said",
    multiple=True,
    metavar="NAME=LABEL",
    help="The class that SOURCE calls NAME is LABEL, such as `LYT=lymphocyte` or `smudge=other`. May be given several "
    "times. Usual names (Lymphocytes, LYM, LY, mono) need no such option.",
)
@_seed
@exits_on_user_error
def data(source: str, out: Path, classes: str, said: tuple[str, ...], seed: int) -> None:
    """Bring SOURCE into the project's layout, with no film and no cell in two splits.

    SOURCE is a folder, or kaggle:OWNER/NAME, which kagglehub downloads. The folder holds cells.csv; or class folders,
    alone or in splits (train, val and test, by any usual names), folds or patients; or pictures with boxes around
    cells, in the form of COCO, Pascal VOC or YOLO.
    """
    from edge.site import class_names
    from train.data import dataset, prepare

    labels = None if classes == "all" else [class_names.label(name) for name in classes.split(",")]
    wishes = prepare.Wishes(labels, class_names.options(said), seed)
    with progress_bars() as progress:
        report = prepare.prepare(source, out, wishes, progress)
    for path, why in report.unreadable.items():
        click.echo(f"{path!r} {why}", err=True)
    for path in report.contradictory:
        click.echo(f"{path!r} has two labels", err=True)
    for warning in report.warnings:
        click.echo(f"Note: {warning}", err=True)
    click.echo(dataset.counts_table(report.counts).text())
    for line in class_names.told(report.classes):
        click.echo(line)
    for line in report.left_out:
        click.echo(f"Left out: {line}")
    if report.table == "cells.csv":
        click.echo(f"{report.alike} pairs of pictures look the same.")
    cells = f"train baseline --data {shlex.quote(str(out))} --out RUN"
    boxes = "put this folder's files beside a cells.csv, then train locator"
    click.echo(f"Written: {out / report.table}. Next: {cells if report.table == 'cells.csv' else boxes}")


OTHERS = ["none", "one", "kinds"]
FIELDS = ["other", "all"]
PRECISIONS = ["auto", "float32", "mixed_float16", "mixed_bfloat16"]
_weights = click.option(
    "--weights",
    metavar="FILE",
    default="imagenet",
    help="A file of VGG16's weights without its top layers; by default Keras downloads them.",
)


def _several(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names that the user gave, each once; None if there are none."""
    return tuple(dict.fromkeys(names)) or None


def _source(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """As `_several`, but one name alone is a string, as in the run.json of older versions."""
    several = _several(context, option, names)
    return several[0] if several and len(several) == 1 else several


def _settings(best: Settings) -> Callable[[Callable], Callable]:
    """Adds the options of train.settings.Settings to a command. best: their defaults, the best for its network."""
    options = [
        data_option,
        _out,
        click.option(
            "--size",
            type=click.IntRange(32, 512),
            default=best.size,
            show_default=True,
            help="Width and height of the network's input in pixels.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(1),
            default=best.epochs,
            show_default=True,
            help="Passes over the training pictures.",
        ),
        click.option(
            "--batch", type=click.IntRange(1), default=best.batch, show_default=True, help="Pictures per step."
        ),
        click.option(
            "--rate", type=click.FloatRange(0, 1), default=best.rate, show_default=True, help="Learning rate."
        ),
        click.option(
            "--crop",
            "policy",
            type=click.Choice(sorted(POLICIES)),
            default=best.policy,
            show_default=True,
            help="cell: find the cell in the picture; normalised: normalise its stain, too; whole-image: take the "
            "picture unchanged.",
        ),
        click.option(
            "--source",
            multiple=True,
            metavar="NAME",
            callback=_source,
            help="Learn from this source of the data only; test on all sources. May be given several times.",
        ),
        click.option(
            "--without",
            multiple=True,
            metavar="TYPE",
            callback=_several,
            help="Leave out a type of other cells, such as basophil or erythroblast, when learning; it stays in the "
            "test split. May be given several times.",
        ),
        click.option(
            "--fields",
            type=click.Choice(FIELDS),
            help="Also learn from half of the marked camera fields: their other cells, and places without a white cell "
            "(other), or their lymphocytes and monocytes as well (all). With --source, name the fields' sources, too.",
        ),
        click.option(
            "--augment",
            default=best.augment,
            show_default=True,
            metavar="RECIPE",
            help="Random changes to the pictures: none, geometry, colour, camera, light, full, or single changes by "
            "name; -NAME leaves one out.",
        ),
        click.option(
            "--amount",
            type=click.FloatRange(0, 4),
            default=best.amount,
            show_default=True,
            help="How strong the changes of stain, light, lens and sensor are; 1 is as much as microscopes of one kind "
            "differ.",
        ),
        click.option(
            "--balance",
            type=click.Choice(["weights", "sampling", "none"]),
            default=best.balance,
            show_default=True,
            help="The rarer class of each source counts more (weights), is drawn more often (sampling), or neither.",
        ),
        click.option(
            "--mixup",
            type=click.FloatRange(0, 1),
            default=best.mixup,
            show_default=True,
            help="Alpha of mixup, which mixes pictures and their labels; 0 is off.",
        ),
        click.option(
            "--smoothing",
            type=click.FloatRange(0, 0.5),
            default=best.smoothing,
            show_default=True,
            help="Label smoothing; 0 is off.",
        ),
        click.option(
            "--average",
            type=click.FloatRange(0, 1, max_open=True),
            default=best.average,
            show_default=True,
            help="Momentum of a moving average of the weights; 0 is off.",
        ),
        click.option(
            "--strategy",
            type=click.Choice(["one", "mirrored", "multiworker"]),
            default=best.strategy,
            show_default=True,
            help="Train on one device, on all GPUs of this machine (mirrored), or on the machines that TF_CONFIG names "
            "(multiworker).",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default=best.precision,
            show_default=True,
            help="Number format of the arithmetic; auto: mixed_float16 on a GPU, else float32.",
        ),
        click.option(
            "--thresholds/--no-thresholds",
            default=best.thresholds,
            show_default=True,
            help="After training, fit the thresholds between the classes to the val split.",
        ),
        click.option(
            "--other",
            type=click.Choice(OTHERS),
            default=best.other,
            show_default=True,
            help="How to learn other types of cell, and places without a cell: not at all (none), as one class (one), "
            "or each as a class of its own (kinds).",
        ),
        click.option(
            "--deterministic/--fast",
            default=best.deterministic,
            show_default=True,
            help="--deterministic: the same seed gives the same figures; --fast: quicker training.",
        ),
        click.option("--resume", is_flag=True, help="Continue a run that was stopped."),
        _seed,
    ]

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _show(report: "Report | None", out: Path) -> None:
    """Shows the figures of a run. report: None in a worker process that isn't the chief, which then shows nothing."""
    from train.evaluation import evaluate

    if report is None:
        return
    click.echo(f"\nTest split, best epoch {report.best_epoch}, Wilson 95 % intervals:")
    click.echo(evaluate.table(report.metrics["test"]).text())
    drawn = [str(file) for name in ("learning-curves.png", "confusion.png") if (file := out / name).exists()]
    click.echo(f"\nWritten: {out / 'model.keras'}, {out / 'run.json'}{''.join(f', {each}' for each in drawn)}.")
    click.echo(f"Next: convert --int8 {shlex.quote(str(out))}")


@main.command(cls=_groups())
@_settings(BASELINE)
@exits_on_user_error
def baseline(folder: Path, out: Path, resume: bool, **settings: Any) -> None:
    """Train the baseline, a small convolutional network, from scratch."""
    with quiet():  # TensorFlow takes seconds to import (not for --help) and writes messages meanwhile
        from train import experiment

    with progress_bars() as progress:
        report = experiment.baseline(folder, out, Settings(**settings), resume=resume, progress=progress)
    _show(report, out)


@main.command(cls=_groups(data=("--views",), how=("--weights", "--unfreeze", "--head-epochs")))
@_settings(VGG16)
@_weights
@click.option(
    "--unfreeze",
    type=click.IntRange(0, 4),
    default=Transfer.unfreeze,
    show_default=True,
    help="How many of VGG16's last blocks are trained, as well as the head.",
)
@click.option(
    "--views",
    type=click.IntRange(1),
    default=Transfer.views,
    show_default=True,
    help="Augmented views of each picture, made once before training.",
)
@click.option(
    "--head-epochs",
    type=click.IntRange(1),
    default=Transfer.head_epochs,
    show_default=True,
    help="Epochs at the start in which only the head is trained.",
)
@exits_on_user_error
def transfer(
    folder: Path, out: Path, resume: bool, weights: str, unfreeze: int, views: int, head_epochs: int, **settings: Any
) -> None:
    """Train a new head on VGG16 (pretrained on ImageNet), then fine-tune its last blocks."""
    with quiet():
        from train import transfer as transferring

    more = Transfer(unfreeze, views, head_epochs, weights)
    with progress_bars() as progress:
        report = transferring.transfer(folder, out, Settings(**settings), more, resume=resume, progress=progress)
    _show(report, out)


@main.command(cls=_groups(data=("--views", "--crowd"), what=("--teacher",), how=("--weights", "--norm")))
@_settings(COMPACT)
@click.option(
    "--weights",
    metavar="FILE",
    default=Compact.weights,
    help="A file of the weights of MobileNetV2 0.35 without its top layers; by default Keras downloads them; `none` "
    "starts from random weights.",
)
@click.option(
    "--views",
    type=click.IntRange(1),
    default=Compact.views,
    show_default=True,
    help="Augmented views of each picture, made once before training.",
)
@click.option(
    "--crowd",
    type=click.FloatRange(0, 1),
    default=Compact.crowd,
    show_default=True,
    help="Share of the views in which red cells press against the white cell.",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    metavar="RUN",
    help="A finished run whose answers are learned as well as the labels; may be given several times. SOURCE in its "
    "name stands for the --source.",
)
@click.option(
    "--norm",
    type=click.Choice(["frozen", "batch"]),
    default=Compact.norm,
    show_default=True,
    help="Normalise layers by ImageNet's statistics (frozen), or learn those of the data (batch).",
)
@exits_on_user_error
def compact(
    folder: Path,
    out: Path,
    resume: bool,
    weights: str,
    views: int,
    crowd: float,
    teachers: tuple[str, ...],
    norm: str,
    **settings: Any,
) -> None:
    """Train the small network for any Pi: part of MobileNetV2, on normalised and strongly augmented crops."""
    with quiet():
        from train import compact as compacting

    more = Compact(views, crowd, teachers, norm=norm, weights=weights)
    with progress_bars() as progress:
        report = compacting.compact(folder, out, Settings(**settings), more, resume=resume, progress=progress)
    _show(report, out)


@main.command()
@data_option
@_out
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=click.Choice(["baseline", "transfer", "compact"]),
    help="[default: all three]",
)
@click.option("--crop", "policy", type=click.Choice(sorted(POLICIES)), help="[default: each network's own]")
@click.option("--size", type=click.IntRange(32, 512), help="Input width in pixels [default: each network's own]")
@click.option("--epochs", type=click.IntRange(1), help="[default: each network's own]")
@click.option(
    "--other", type=click.Choice(OTHERS), help="How other types of cell are learned [default: each network's own]"
)
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@_weights
@click.option(
    "--mobilenet",
    metavar="FILE",
    default="imagenet",
    help="A file of the compact network's initial weights; by default Keras downloads them.",
)
@_seed
@exits_on_user_error
def cross(folder: Path, out: Path, networks: tuple[str, ...], weights: str, mobilenet: str, **settings: Any) -> None:
    """Train on each source alone and on all together; test on all: how much is lost on another microscope."""
    with quiet():
        from train import compare
        from train import cross as crossing

    given = {name: value for name, value in settings.items() if value is not None}
    best = {"baseline": BASELINE, "transfer": VGG16, "compact": COMPACT}
    chosen = {name: replace(each, **given) for name, each in best.items()}
    wanted = {name: each for name, each in chosen.items() if not networks or name in networks}
    more: dict[str, Transfer | Compact] = {"transfer": Transfer(weights=weights), "compact": Compact(weights=mobilenet)}
    with progress_bars() as progress:
        runs = crossing.cross(folder, out, wanted, more, progress=progress)
    click.echo(compare.table(compare.compare(runs)).markdown())
    names = " ".join(shlex.quote(str(run)) for run in runs)
    click.echo(f"Next: benchmark cross {names} --data {shlex.quote(str(folder))}", err=True)


@main.command()
@data_option
@_out
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="NAME",
    help="A row of the table; may be given several times [default: all].",
)
@click.option("--epochs", type=click.IntRange(1), help="[default: the network's own]")
@click.option("--views", type=click.IntRange(1), help="[default: the network's own]")
@click.option(
    "--weights",
    metavar="FILE",
    default="imagenet",
    help="A file of MobileNetV2 0.35's weights; by default Keras downloads them.",
)
@_seed
@exits_on_user_error
def ablate(folder: Path, out: Path, rows: tuple[str, ...], weights: str, **settings: Any) -> None:
    """Measure how much each part of the compact network's recipe helps.

    Each variant is trained on each source alone and tested on all sources.
    """
    with quiet():
        from train import ablate

    unknown = set(rows) - set(ablate.ROWS)
    if unknown:
        raise UserError(f"There is no row {unknown.pop()!r}; the rows are: {', '.join(ablate.ROWS)}.")
    given = {name: value for name, value in settings.items() if value is not None}
    with progress_bars() as progress:
        by_row = ablate.ablate(folder, out, list(rows or ablate.ROWS), given, weights, progress)
    click.echo(ablate.table(by_row).markdown())
    click.echo(f"Next: train evaluate RUN, with a run below {out}", err=True)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@exits_on_user_error
def compare(runs: tuple[Path, ...]) -> None:
    """Compare finished RUNS in a Markdown table. Runs that differ only in their seed share a row."""
    from train import compare

    click.echo(compare.table(compare.compare(runs)).markdown())
    click.echo("Next: train evaluate RUN, or convert --int8 RUN, with the best of them", err=True)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where the run's data is now, if it moved."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the files are written [default: RUN]."
)
@click.option(
    "--split", type=click.Choice(["test", "val"]), default="test", show_default=True, help="The split to measure on."
)
@exits_on_user_error
def evaluate(run: Path, folder: Path | None, out: Path | None, split: str) -> None:
    """Measure a finished RUN: figures, curves, calibration, the worst mistakes, and where the network looked.

    Writes evaluation.html (one self-contained page), evaluation.json and evaluation.md (a model card).
    """
    with quiet():
        from train import report
        from train.evaluation import evaluate

    with progress_bars() as progress:
        figures = report.report(run, folder, out, split, progress).figures
    click.echo(f"{split.capitalize()} split, 95 % intervals:")
    click.echo(evaluate.table(figures).text())
    click.echo(f"\n{figures['all'].bias.sentence}")
    files = [str((out or run) / f"evaluation.{kind}") for kind in ("html", "json", "md")]
    click.echo(f"\nWritten: {files[0]}, {files[1]} and {files[2]}. Not a medical device.")
    click.echo(f"Next: convert --int8 {shlex.quote(str(run))}")


@main.command()
@data_option
@_out
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=Locator.epochs,
    show_default=True,
    help="Epochs, of --steps batches each.",
)
@click.option("--steps", type=click.IntRange(1), default=Locator.steps, show_default=True, help="Batches per epoch.")
@click.option("--batch", type=click.IntRange(1), default=Locator.batch, show_default=True, help="Fields per batch.")
@click.option("--rate", type=click.FloatRange(0, 1), default=Locator.rate, show_default=True, help="Learning rate.")
@click.option(
    "--drawn",
    type=click.FloatRange(0, 1),
    default=Locator.drawn,
    show_default=True,
    help="Share of the composed fields that the simulated microscope draws.",
)
@click.option(
    "--hard",
    type=click.FloatRange(0, 1),
    default=Locator.hard,
    show_default=True,
    help="Share of the fields with dark red cells; half as many have strong casts and blur.",
)
@click.option(
    "--start", type=click.Path(path_type=Path), metavar="RUN", help="Start from the network of this earlier run."
)
@click.option(
    "--teacher", type=click.Path(path_type=Path), metavar="FILE", help="Also learn this locator's answers (.tflite)."
)
@click.option(
    "--pool",
    type=click.IntRange(0),
    default=Locator.pool,
    show_default=True,
    help="Compose this many fields once, then turn and mirror them; 0 to compose new ones all the time, which is slow.",
)
@click.option("--large", is_flag=True, help="Train the larger network, which is meant to be the teacher.")
@_seed
@exits_on_user_error
def locator(folder: Path, out: Path, start: Path | None, teacher: Path | None, **settings: Any) -> None:
    """Train the network that finds white cells in a field, on pictures of single cells and on marked fields if any."""
    with quiet():
        from train.locator import training

    with progress_bars() as progress:
        report = training.train(folder, out, Locator(**settings), start, teacher, progress)
    click.echo(f"\nLearned from {report['data']['clear']} pictures with a clear nucleus.")
    click.echo(f"Next: convert --int8 {shlex.quote(str(out))}")
