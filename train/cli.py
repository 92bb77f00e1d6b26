"""`train`: options and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edge import __version__
from edge.crop import POLICIES
from edge.errors import UserError
from edge.system.quiet import quiet
from train.settings import BASELINE, COMPACT, VGG16, Compact, Settings, Transfer


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Train a network that tells lymphocytes from monocytes."""


data_option = click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A folder with cells.csv, with SPLIT/CLASS/ folders, or with CLASS/ folders.",
)
_out = click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where the run is written."
)
_seed = click.option("--seed", type=click.IntRange(0, 20_000), default=0, show_default=True)


@main.command()
@click.argument("source")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new folder.")
@click.option("--classes", default="lymphocyte,monocyte", show_default=True, help="Which to take, or `all`.")
@_seed
def data(source: str, out: Path, classes: str, seed: int) -> None:
    """Bring SOURCE into the project's layout, split so that no film and no cell stands in two splits.

    SOURCE is a folder with cells.csv, with Train, Test-A, Test-B or train, val, test, or with class folders alone; or
    kaggle:OWNER/NAME, which kagglehub downloads.
    """
    from train import prepare

    report = prepare.prepare(source, out, None if classes == "all" else classes.split(","), seed)
    for path, why in report.unreadable.items():
        click.echo(f"{path!r} {why}", err=True)
    for path in report.contradictory:
        click.echo(f"{path!r} stands under two labels", err=True)
    for warning in report.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for name, splits in report.counts.items():
        for split, counts in splits.items():
            click.echo(f"{name:12} {split:6} " + ", ".join(f"{n} {label}s" for label, n in sorted(counts.items())))
    click.echo(f"{report.alike} pairs look the same. Written: {out / 'cells.csv'}. Next: train baseline --data {out}")


OTHERS = ["none", "one", "kinds"]
PRECISIONS = ["auto", "float32", "mixed_float16", "mixed_bfloat16"]
_weights = click.option(
    "--weights",
    metavar="FILE",
    default="imagenet",
    help="VGG16's without its top; by default Keras downloads them.",
)


def _fitting(best: Settings) -> Callable[[Callable], Callable]:
    """The options of train.settings.Settings, with a network's own defaults."""
    options = [
        data_option,
        _out,
        click.option(
            "--size", type=click.IntRange(32, 512), default=best.size, show_default=True, help="Input width, pixels."
        ),
        click.option("--epochs", type=click.IntRange(1), default=best.epochs, show_default=True),
        click.option("--batch", type=click.IntRange(1), default=best.batch, show_default=True, help="Pictures a step."),
        click.option("--rate", type=click.FloatRange(0, 1), default=best.rate, show_default=True, help="Of learning."),
        click.option(
            "--crop",
            "policy",
            type=click.Choice(sorted(POLICIES)),
            default=best.policy,
            show_default=True,
            help="Find the cell in the picture (and normalise its stain), or take the picture as it is.",
        ),
        click.option("--source", metavar="NAME", help="Learn from this source of the data alone; all are tested."),
        click.option(
            "--augment",
            default=best.augment,
            show_default=True,
            metavar="RECIPE",
            help="none, geometry, colour, camera, light, full; single changes by name; -NAME leaves one out.",
        ),
        click.option(
            "--amount", type=click.FloatRange(0, 4), default=best.amount, show_default=True, help="How far views go."
        ),
        click.option(
            "--balance",
            type=click.Choice(["weights", "sampling", "none"]),
            default=best.balance,
            show_default=True,
            help="The rarer class of each source counts more, is drawn more often, or neither.",
        ),
        click.option(
            "--mixup", type=click.FloatRange(0, 1), default=best.mixup, show_default=True, help="Alpha; 0 is off."
        ),
        click.option(
            "--smoothing", type=click.FloatRange(0, 0.5), default=best.smoothing, show_default=True, help="Of labels."
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
            help="One device, all GPUs of this machine, or the machines that TF_CONFIG names.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default=best.precision,
            show_default=True,
            help="auto: mixed_float16 on a GPU.",
        ),
        click.option(
            "--thresholds/--no-thresholds",
            default=best.thresholds,
            show_default=True,
            help="Put the thresholds between the classes right on val.",
        ),
        click.option(
            "--other",
            type=click.Choice(OTHERS),
            default=best.other,
            show_default=True,
            help="What is neither (every other type of cell in the data, and places without one) as one class, or each "
            "as a kind of its own.",
        ),
        click.option(
            "--deterministic/--fast",
            default=best.deterministic,
            show_default=True,
            help="Same seed, same figures; or quicker.",
        ),
        click.option("--resume", is_flag=True, help="Go on with a run that was stopped."),
        _seed,
    ]

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _tell(report: dict, out: Path) -> None:
    from train.evaluation import evaluate

    if not report:  # a worker that isn't the chief
        return
    click.echo(f"\nTest split, best epoch {report['best_epoch']}, Wilson 95 % intervals:")
    click.echo(evaluate.table(report["metrics"]["test"]))
    click.echo(f"\nWritten: {out / 'model.keras'} and {out / 'run.json'}. Next: convert --int8 {out}")


@main.command()
@_fitting(BASELINE)
def baseline(folder: Path, out: Path, resume: bool, **settings: Any) -> None:
    """The seed project's convolutional network, from scratch."""
    with quiet():  # TensorFlow takes seconds to import (not for --help) and talks meanwhile
        from train import experiment

    _tell(experiment.baseline(folder, out, Settings(**settings), resume=resume), out)


@main.command()
@_fitting(VGG16)
@_weights
@click.option(
    "--unfreeze",
    type=click.IntRange(0, 4),
    default=Transfer.unfreeze,
    show_default=True,
    help="Last blocks that are trained too.",
)
@click.option(
    "--views",
    type=click.IntRange(1),
    default=Transfer.views,
    show_default=True,
    help="Augmented views of each picture.",
)
@click.option(
    "--head-epochs",
    type=click.IntRange(1),
    default=Transfer.head_epochs,
    show_default=True,
    help="Of the head alone, first.",
)
def transfer(
    folder: Path, out: Path, resume: bool, weights: str, unfreeze: int, views: int, head_epochs: int, **settings: Any
) -> None:
    """VGG16, trained on ImageNet, with a new head and its last blocks fine-tuned."""
    with quiet():
        from train import transfer as transferring

    more = Transfer(unfreeze, views, head_epochs, weights)
    _tell(transferring.transfer(folder, out, Settings(**settings), more, resume=resume), out)


@main.command()
@_fitting(COMPACT)
@click.option(
    "--weights",
    metavar="FILE",
    default=Compact.weights,
    help="MobileNetV2 0.35's without its top; by default Keras downloads them; `none` starts from chance.",
)
@click.option("--views", type=click.IntRange(1), default=Compact.views, show_default=True, help="Of each picture.")
@click.option(
    "--crowd", type=click.FloatRange(0, 1), default=Compact.crowd, show_default=True, help="Views with red cells close."
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    metavar="RUN",
    help="Learn what this network, trained on pictures like these, answers as well; SOURCE stands for --source's.",
)
@click.option(
    "--norm",
    type=click.Choice(["frozen", "batch"]),
    default=Compact.norm,
    show_default=True,
    help="Layers' statistics.",
)
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
    """The small network for any Pi: part of MobileNetV2, on normalised and much augmented crops."""
    with quiet():
        from train import compact as compacting

    more = Compact(views, crowd, teachers, norm=norm, weights=weights)
    _tell(compacting.compact(folder, out, Settings(**settings), more, resume=resume), out)


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
@click.option("--other", type=click.Choice(OTHERS), help="How what is neither is learned [default: each network's own]")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True)
@_weights
@click.option("--mobilenet", metavar="FILE", default="imagenet", help="The compact network's, likewise.")
@_seed
def cross(folder: Path, out: Path, networks: tuple[str, ...], weights: str, mobilenet: str, **settings: Any) -> None:
    """Train on each source of the data alone and on all, test on all: what another microscope costs."""
    with quiet():
        from train import compare
        from train import cross as crossing

    given = {name: value for name, value in settings.items() if value is not None}
    best = {"baseline": BASELINE, "transfer": VGG16, "compact": COMPACT}
    chosen = {name: replace(each, **given) for name, each in best.items()}
    wanted = {name: each for name, each in chosen.items() if not networks or name in networks}
    more: dict[str, Transfer | Compact] = {"transfer": Transfer(weights=weights), "compact": Compact(weights=mobilenet)}
    runs = crossing.cross(folder, out, wanted, more)
    click.echo(compare.table(compare.compare(runs)))


@main.command()
@data_option
@_out
@click.option("--row", "rows", multiple=True, metavar="NAME", help="One of the table's rows [default: all].")
@click.option("--epochs", type=click.IntRange(1), help="[default: the network's own]")
@click.option("--views", type=click.IntRange(1), help="[default: the network's own]")
@click.option("--weights", metavar="FILE", default="imagenet", help="MobileNetV2 0.35's; by default Keras downloads.")
@_seed
def ablate(folder: Path, out: Path, rows: tuple[str, ...], weights: str, **settings: Any) -> None:
    """What each part of the compact network's recipe brings, trained on each source alone and tested on all."""
    with quiet():
        from train import ablate

    unknown = set(rows) - set(ablate.ROWS)
    if unknown:
        raise UserError(f"There is no row {unknown.pop()!r}; there are {', '.join(ablate.ROWS)}.")
    given = {name: value for name, value in settings.items() if value is not None}
    click.echo(ablate.table(ablate.ablate(folder, out, list(rows or ablate.ROWS), given, weights)))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def compare(runs: tuple[Path, ...]) -> None:
    """Finished RUNS side by side, seeds together, as a Markdown table."""
    from train import compare

    click.echo(compare.table(compare.compare(runs)))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where the run's data is now, if it moved."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: RUN]")
@click.option("--split", type=click.Choice(["test", "val"]), default="test", show_default=True)
def evaluate(run: Path, folder: Path | None, out: Path | None, split: str) -> None:
    """Measure a finished RUN: figures, curves, calibration, the worst mistakes, where it looked.

    Writes evaluation.html (one page, nothing outside it), evaluation.json and evaluation.md (a model card).
    """
    with quiet():
        from train import report
        from train.evaluation import evaluate

    document = report.report(run, folder, out, split)
    click.echo(f"{split.capitalize()} split, 95 % intervals:")
    click.echo(evaluate.table(document["figures"]))
    click.echo(f"\n{document['figures']['all']['bias']['sentence']}")
    files = [str((out or run) / f"evaluation.{kind}") for kind in ("html", "json", "md")]
    click.echo(f"\nWritten: {files[0]}, {files[1]} and {files[2]}. Not a medical device.")


@main.command()
@data_option
@_out
@click.option("--epochs", type=click.IntRange(1), default=24, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=100, show_default=True, help="Batches an epoch.")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Fields a step.")
@click.option("--rate", type=click.FloatRange(0, 1), default=3e-3, show_default=True, help="Of learning.")
@click.option("--drawn", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Share of drawn fields.")
@click.option("--start", type=click.Path(path_type=Path), metavar="RUN", help="Learn on from an earlier run.")
@_seed
def locator(folder: Path, out: Path, **settings: Any) -> None:
    """The network that finds white cells in a field: from pictures of single cells, and marked fields if any."""
    with quiet():
        from train import locator

    report = locator.fit(folder, out, **settings)
    click.echo(f"\nLearned from {report['data']['clear']} clear pictures. Next: convert --int8 {out}")
