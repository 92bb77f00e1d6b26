"""`train`: options and nothing else."""

from pathlib import Path
from typing import Any

import click

from edge import __version__
from edge.quiet import quiet


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


@main.command()
@data_option
@_out
@click.option("--size", type=click.IntRange(32, 512), default=96, show_default=True, help="Input width in pixels.")
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Pictures a step.")
@click.option(
    "--crop",
    "policy",
    type=click.Choice(["cell", "whole-image"]),
    default="whole-image",
    show_default=True,
    help="Take the picture as it is, or find the cell in it first.",
)
@click.option("--source", metavar="NAME", help="Learn from this source of the data alone; all are tested.")
@_seed
def baseline(folder: Path, out: Path, **settings: Any) -> None:
    """The seed project's convolutional network, from scratch."""
    with quiet():  # TensorFlow takes seconds to import (not for --help) and talks meanwhile
        from train import evaluate, fit, networks

    report = fit.fit(networks.baseline, folder, out, **settings)
    click.echo(f"\nTest split, epoch {report['best_epoch']} of {settings['epochs']}, Wilson 95 % intervals:")
    click.echo(evaluate.table(report["metrics"]["test"]))
    click.echo(f"\nWritten: {out / 'model.keras'} and {out / 'run.json'}. Next: convert --int8 {out}")


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
        from train import evaluate, report

    document = report.report(run, folder, out, split)
    click.echo(f"{split.capitalize()} split, 95 % intervals:")
    click.echo(evaluate.table(document["figures"]))
    click.echo(f"\n{document['figures']['all']['bias']['sentence']}")
    files = [str((out or run) / f"evaluation.{kind}") for kind in ("html", "json", "md")]
    click.echo(f"\nWritten: {files[0]}, {files[1]} and {files[2]}. Not a medical device.")


@main.command()
@data_option
@_out
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=100, show_default=True, help="Batches an epoch.")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Fields a step.")
@_seed
def locator(folder: Path, out: Path, **settings: int) -> None:
    """The network that finds white cells in a field, from pictures of single cells."""
    with quiet():
        from train import locator

    report = locator.fit(folder, out, **settings)
    click.echo(f"\nLearned from {report['data']['clear']} clear pictures. Next: convert --int8 {out}")
