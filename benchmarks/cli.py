"""`benchmark`: options and nothing else."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from benchmarks import machine
from benchmarks import result as results
from edge import __version__, model
from edge.errors import UserError
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
        package = (error.name or "a package").partition(".")[0]
        raise UserError(f"{package} is missing; run `pip install edge-classify[benchmark]`.") from error


def _json_option(command: Callable) -> Callable:
    date = click.option(
        "--date", metavar="TEXT", expose_value=False, callback=_kept, help="Stands in the JSON; else no date does."
    )
    return click.option(
        "--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON."
    )(date(command))


_models = click.argument("models", nargs=-1, type=click.Path(path_type=Path))
_rounds = click.option("--rounds", type=click.IntRange(2), default=6, show_default=True, help="Times over, in turns.")


def _html_option(command: Callable) -> Callable:
    return click.option(
        "--html",
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_kept,
        help="Write all figures as one page with plots.",
    )(command)


def _kept(context: click.Context, option: click.Parameter, value: object) -> None:
    """For _save(), so that no command needs to pass it on."""
    if option.name == "html" and value:
        _page()  # what it lacks is said before the work
    context.meta[f"benchmarks.{option.name}"] = value


def _save(found: dict, target: Path | None) -> None:
    """Writes what was asked for: the JSON to `target`, the page to what --html says."""
    meta = click.get_current_context().meta
    command = shlex.join(["benchmark", *sys.argv[1:]])
    document = results.result(command, found, meta.get("benchmarks.date"))
    if target:
        results.save(document, target)
    if html := meta.get("benchmarks.html"):
        results.write(_page()(document), html)


def _page() -> Callable[[dict], str]:
    with _installed():
        from benchmarks.page import page
    return page


SHIPPED = sorted(model.SHIPPED.parent.glob("compact-*.tflite"), reverse=True)


@main.command()
@_models
@data_option
@click.option("--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@_json_option
@_html_option
def accuracy(models: tuple[Path, ...], folder: Path, split: str, target: Path | None) -> None:
    """Recall, balanced accuracy and calibration of MODELS on labelled cells, and the answers that quantization changed.

    MODELS are .tflite files (the shipped ones, if none is named), or runs: their Keras model, and the files beside it,
    as `convert --all RUN` writes them.
    """
    with _installed():
        from benchmarks import accuracy

    result = accuracy.accuracy(folder, models or SHIPPED, split)
    _save({"accuracy": result}, target)
    click.echo(accuracy.table(result))


@main.command()
@_models
@data_option
@click.option("--count", type=click.IntRange(1), help="Pictures of each class of each source.  [default: all]")
@_json_option
@_html_option
def robustness(models: tuple[Path, ...], folder: Path, count: int | None, target: Path | None) -> None:
    """Accuracy of MODELS (the shipped ones, float and int8) on pictures that are damaged at five strengths.

    Out of focus, moved, noisy, compressed, of another light, colour, stain, scale and angle, through locator and crop.
    """
    with _installed():
        from benchmarks import robustness

    result = robustness.robustness(folder, models or SHIPPED, count)
    _save({"robustness": result}, target)
    click.echo(robustness.table(result))


@main.command()
@_models
@data_option
@_json_option
def doubt(models: tuple[Path, ...], folder: Path, target: Path | None) -> None:
    """How many cells MODELS (the shipped ones) answer at a stated risk, how many of these answers are wrong, and what
    they make of other cells, of empty places, and of microscopes that they have never seen."""
    with _installed():
        from benchmarks import selective

    result = selective.measured(folder, models or SHIPPED)
    _save({"doubt": result}, target)
    click.echo(selective.table(result))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_option
@_json_option
def cross(runs: tuple[Path, ...], folder: Path, target: Path | None) -> None:
    """RUNS of `train cross`, float and int8, on sources that they did not learn from and on marked camera fields."""
    with _installed():
        from benchmarks import cross

    result = cross.cross(folder, runs)
    _save({"cross": result}, target)
    click.echo(cross.table(result))


@main.command()
@_models
@data_option
@click.option(
    "--cells",
    "counts",
    type=click.IntRange(0),
    multiple=True,
    metavar="N",
    help="Labelled ones a class; may be given several times.  [default: 0, 5, 10, 15, 20, 50]",
)
@click.option("--draws", type=click.IntRange(1), default=20, show_default=True, help="Times that cells are drawn.")
@_json_option
def sites(models: tuple[Path, ...], folder: Path, counts: tuple[int, ...], draws: int, target: Path | None) -> None:
    """What `edge-site adapt` gains on each source with more and more labelled cells, for MODELS (the shipped ones)."""
    with _installed():
        from benchmarks import sites

    result = sites.sites(folder, models or SHIPPED, counts or sites.COUNTS, draws)
    _save({"sites": result}, target)
    click.echo(sites.table(result))


@main.command()
@_models
@click.option(
    "--pictures",
    "folders",
    type=click.Path(path_type=Path),
    required=True,
    multiple=True,
    metavar="DIR",
    help="A folder of pictures; may be given several times.",
)
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Pictures of each folder.")
@click.option("--threads", type=click.IntRange(1, 64), multiple=True, default=(1,), show_default=True, metavar="N")
@_rounds
@click.option("--warm-up", type=click.IntRange(1), default=20, show_default=True, help="Pictures before it counts.")
@click.option("--many", type=click.IntRange(0), default=1000, show_default=True, help="Pictures in one long process.")
@_json_option
@_html_option
def latency(
    models: tuple[Path, ...],
    folders: tuple[Path, ...],
    count: int,
    threads: tuple[int, ...],
    rounds: int,
    warm_up: int,
    many: int,
    target: Path | None,
) -> None:
    """Milliseconds of each step, apart and together, and seconds and megabytes of the command itself.

    MODELS (the shipped one, if none is named) take turns. --threads may be given several times.
    """
    from benchmarks import latency, pictures

    sets = pictures.folders(folders, count)
    found = latency.latency(sets, models or (model.SHIPPED,), threads, rounds, warm_up, many)
    _save({"latency": found}, target)
    click.echo(latency.table(found))


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
    _save({"locating": result}, target)
    click.echo(locating.table(result))


@main.command()
@data_option
@_json_option
def ruler(folder: Path, target: Path | None) -> None:
    """How well red cells are measured, in one picture and over a run, and what nuclei are worth by either."""
    with _installed():
        from benchmarks import crop_scale

    result = crop_scale.ruler(folder)
    _save({"ruler": result}, target)
    click.echo(crop_scale.table(result))


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
    _save({"memory": result}, target)
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
    _save({"live": result}, target)
    click.echo(live.table(result))


_rivals = click.option(
    "--rivals",
    type=click.Path(path_type=Path),
    default=Path(".rivals"),
    show_default=True,
    metavar="DIR",
    help="What `make rivals` made.",
)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@data_option
@click.option("--count", type=click.IntRange(16), default=200, show_default=True, help="Pictures.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@_rounds
@_rivals
@_json_option
@_html_option
def runtimes(run: Path, folder: Path, count: int, threads: int, rounds: int, rivals: Path, target: Path | None) -> None:
    """The network of a finished RUN, float and int8, in LiteRT and in other runtimes, taking turns.

    RUN needs the files that `convert --float32 RUN` and `convert --int8 RUN` put beside it.
    """
    with _installed():
        from benchmarks import runtimes

    result = runtimes.runtimes(folder, run, count, threads, rounds, rivals)
    _save({"runtimes": result}, target)
    click.echo(runtimes.table(result))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--pictures", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR")
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Different pictures.")
@_rounds
@_rivals
@_json_option
@_html_option
def peers(run: Path, folder: Path, count: int, rounds: int, rivals: Path, target: Path | None) -> None:
    """`edge-classify` beside what one might pick instead: seconds from cold, pictures a second, memory.

    RUN is a finished run with the file that `convert --int8 RUN` put beside it.
    """
    with _installed():
        from benchmarks import peers, pictures

    [chosen] = pictures.folders([folder], count).values()
    result = peers.peers(chosen, run, rounds, rivals)
    _save({"peers": result}, target)
    click.echo(peers.table(result))


@main.command("all")
@_models
@data_option
@click.option("--threads", type=click.IntRange(1, 64), multiple=True, default=(1,), show_default=True, metavar="N")
@click.option("--quick", is_flag=True, help="In minutes: fewer pictures, but for accuracy.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("benchmark-results"),
    show_default=True,
    metavar="DIR",
    help="Where PROCESSOR.json and PROCESSOR.html are written.",
)
@_json_option
def everything(
    models: tuple[Path, ...], folder: Path, threads: tuple[int, ...], quick: bool, out: Path, target: Path | None
) -> None:
    """Accuracy, latency and robustness of MODELS (the shipped ones) as one JSON file and one page."""
    with _installed():
        from benchmarks import suite

    _page()  # what it lacks is said before the work
    facts = machine.machine()
    target, page = target or out / f"{machine.name(facts)}.json", out / f"{machine.name(facts)}.html"
    results.folder(out)
    found = suite.whole(folder, models or SHIPPED, threads, quick)
    click.get_current_context().meta["benchmarks.html"] = page
    _save(found, target)
    click.echo(suite.table(found))
    click.echo(f"\nWritten: {target} and {page}.")


@main.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--everything", is_flag=True, help="Those within the noise, too.")
def compare(a: Path, b: Path, everything: bool) -> None:
    """Which figures of B differ from A's by more than the noise: two JSON files of the same command."""
    with _installed():
        from benchmarks import compare

    one, other = results.read(a), results.read(b)
    rows = compare.compare(one, other)
    if not rows:
        raise UserError(f"{a} and {b} have no figure with an interval in common: they are of different commands.")
    click.echo(compare.table(rows, one, other, everything))


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def readme(files: tuple[Path, ...]) -> None:
    """Write the marked regions of FILES (those of docs/figures) anew from the JSON files in benchmarks/reference."""
    with _installed():
        from benchmarks import readme

    for file in files or readme.PAGES:
        results.write(readme.filled(results.text(file)), file)
        click.echo(f"Written: {file}.")
