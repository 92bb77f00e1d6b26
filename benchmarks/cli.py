"""`benchmark`: options and nothing else."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge import __version__, model
from edge.errors import UserError, reason
from train.cli import data_option


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Measure accuracy, latency and memory on this machine."""


@contextmanager
def _installed() -> Iterator[None]:
    """Says in a sentence what an import lacks."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is missing; run `pip install edge-classify[benchmark]`.") from error


def _json_option(command: Callable) -> Callable:
    return click.option(
        "--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON."
    )(command)


def _save(result: dict, target: Path | None) -> None:
    if target:
        try:
            target.write_text(json.dumps(result, indent=1) + "\n")
        except OSError as error:
            raise UserError(f"{target} can't be written: {reason(error)}.") from error


@main.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@data_option
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@_json_option
def accuracy(models: tuple[Path, ...], folder: Path, split: str, target: Path | None) -> None:
    """Recall, balanced accuracy and AUROC of MODELS (the shipped ones, float and int8) on labelled cells."""
    with _installed():
        from benchmarks import accuracy

    shipped = sorted(model.SHIPPED.parent.glob("compact-*.tflite"))
    result = accuracy.accuracy(folder, models or shipped, split)
    _save(result, target)
    click.echo(accuracy.table(result))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_option
@_json_option
def cross(runs: tuple[Path, ...], folder: Path, target: Path | None) -> None:
    """RUNS of `train cross`, float and int8, on sources that they did not learn from and on marked camera fields."""
    with _installed():
        from benchmarks import cross

    result = cross.cross(folder, runs)
    _save(result, target)
    click.echo(cross.table(result))


@main.command()
@click.option("--pictures", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A folder of pictures.")
@click.option("--count", type=click.IntRange(2), default=1000, show_default=True, help="Pictures in the long run.")
@click.option(
    "--model", "file", type=click.Path(path_type=Path), default=model.SHIPPED, help="Instead of the shipped one."
)
@_json_option
def latency(pictures: Path, count: int, file: Path, target: Path | None) -> None:
    """Seconds and megabytes of the command itself: one picture from cold, and many."""
    from benchmarks import latency

    result = latency.latency(pictures, count, file)
    _save(result, target)
    click.echo(latency.table(result))


@main.command()
@data_option
@click.option("--locator", "file", type=click.Path(path_type=Path), help="Instead of the shipped one.")
@_json_option
def locating(folder: Path, file: Path | None, target: Path | None) -> None:
    """Recall, precision and speed of the locator on camera fields, single cells, empty and drawn pictures."""
    with _installed():
        from benchmarks import locating
    from edge import locate

    result = locating.locating(folder, locate.Locator(file or locate.SHIPPED))
    _save(result, target)
    click.echo(locating.table(result))


@main.command()
@click.option("--pictures", type=click.IntRange(40), default=100_000, show_default=True, help="How many to train on.")
@click.option(
    "--size", type=click.IntRange(32, 512), default=64, show_default=True, help="Width of picture and input in pixels."
)
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True)
@_json_option
def memory(pictures: int, size: int, epochs: int, target: Path | None) -> None:
    """Peak memory and seconds of `train baseline` on very many generated pictures, in a temporary folder."""
    from benchmarks import memory

    result = memory.memory(pictures, size, epochs)
    _save(result, target)
    click.echo(memory.table(result))


@main.command()
@data_option
@click.option("--cells", type=click.IntRange(1), default=1000, show_default=True, help="Cells of the simulated slide.")
@click.option("--seconds", type=click.FloatRange(5), default=60.0, show_default=True, help="At a camera's pace.")
@click.option("--minutes", type=click.FloatRange(0), default=0.0, help="Of simulated frames, for memory; 0 leaves it.")
@_json_option
def live(folder: Path, cells: int, seconds: float, minutes: float, target: Path | None) -> None:
    """`edge-classify --camera`: cells counted once, age of the frames, delay against a plain loop, memory."""
    with _installed():
        from benchmarks import live

    result = live.live(folder, cells, seconds)
    if minutes:
        result["memory"] = live.memory(minutes)
    _save(result, target)
    click.echo(live.table(result))
