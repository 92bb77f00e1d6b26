"""The `benchmark` command: its options. The measuring is done by the other modules of this package."""

import logging
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.report import result
from edge import __version__, frames, locate, model
from edge.errors import UserError, exits_on_user_error
from edge.system.cli import Group, progress_bars
from train.cli import data_option

SHIPPED = sorted(model.SHIPPED.parent.glob("compact-*.tflite"), reverse=True)

_models = click.argument("models", nargs=-1, type=click.Path(path_type=Path))
_rounds = click.option(
    "--rounds",
    type=click.IntRange(2),
    default=6,
    show_default=True,
    help="Number of rounds. In each round everything is measured once, in turns.",
)
_threads = click.option(
    "--threads",
    type=click.IntRange(1, 64),
    multiple=True,
    default=(1,),
    show_default=True,
    metavar="N",
    help="Threads for each network; may be given several times.",
)
_rivals = click.option(
    "--rivals",
    type=click.Path(path_type=Path),
    default=Path(".rivals"),
    show_default=True,
    metavar="DIR",
    help="The folder with the other runtimes and programs, made by `make rivals`.",
)


@exits_on_user_error
def _keep(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Stores the values of --html and --date for `_save`, so that the commands needn't pass them on.

    What stands in the way of --json and --html, the user should know before the work begins.
    """
    if value and option.name in ("target", "html"):
        result.must_be_free(value)
        if value.resolve() in (each.resolve() for each in context.meta.values() if isinstance(each, Path)):
            raise UserError(f"--json and --html name the same file, {value}; name two.")
    if value and option.name == "html":
        _page()  # a package may be missing
    context.meta[f"benchmarks.{option.name}"] = value
    return value


def _json_option(command: Callable) -> Callable:
    date = click.option(
        "--date", metavar="TEXT", expose_value=False, callback=_keep, help="A date to store with the figures."
    )
    return click.option(
        "--json",
        "target",
        type=click.Path(path_type=Path),
        metavar="FILE",
        callback=_keep,
        help="Write all figures to this JSON file.",
    )(date(command))


_html_option = click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    expose_value=False,
    callback=_keep,
    help="Write all figures to this HTML file, with plots.",
)


@contextmanager
def _installed() -> Iterator[None]:
    """Raises UserError if an import inside the `with` block fails because a package isn't installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "a package").partition(".")[0]
        raise UserError(f"{package} is missing; run `pip install edge-classify[benchmark]`.") from error


def _page() -> Callable[[result.Document], str]:
    with _installed():
        from benchmarks.report.page import page
    return page


def _save(results: dict[str, Any], target: Path | None) -> None:
    """Writes the results as JSON to `target`, and as a page to the file of --html, if the user named these files."""
    meta = click.get_current_context().meta
    command = shlex.join(["benchmark", *sys.argv[1:]])
    document = result.document(command, results, meta.get("benchmarks.date"))
    if target:
        result.save(document, target)
    if html := meta.get("benchmarks.html"):
        result.write(_page()(document), html)


def _finish(results: dict[str, Any], target: Path | None, table: str) -> None:
    """Writes the results, shows their table, and names the next command."""
    _save(results, target)
    click.echo(table)
    if target:
        click.echo(f"Next: benchmark compare OTHER.json {shlex.quote(str(target))}", err=True)
    else:
        again = f"benchmark {click.get_current_context().info_name} --json FILE"
        click.echo(f"Next: {again} keeps the figures, for benchmark compare", err=True)


@click.group(cls=Group)
@click.version_option(__version__)
def main() -> None:
    """Measure accuracy, latency and memory on this machine."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)


@main.command()
@_models
@data_option
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Which part of the data set is answered.",
)
@_json_option
@_html_option
@exits_on_user_error
def accuracy(models: tuple[Path, ...], folder: Path, split: str, target: Path | None) -> None:
    """How accurate MODELS are on labelled cells.

    Prints recall, balanced accuracy, calibration error, and how many answers quantization changes. MODELS are .tflite
    files or folders that `train` wrote. Of a folder, its Keras model is measured, and the files that `convert --all`
    put beside it. Without MODELS the shipped files are measured.
    """
    with _installed():
        from benchmarks import accuracy

    with progress_bars() as progress:
        found = accuracy.accuracy(folder, models or SHIPPED, split, progress)
    _finish({"accuracy": found}, target, accuracy.table(found))


@main.command()
@_models
@data_option
@click.option("--count", type=click.IntRange(1), help="Pictures per class and source.  [default: all]")
@_json_option
@_html_option
@exits_on_user_error
def robustness(models: tuple[Path, ...], folder: Path, count: int | None, target: Path | None) -> None:
    """How accurate MODELS are on damaged pictures.

    The pictures are changed in eleven ways at five strengths: defocus, motion blur, sensor noise, JPEG compression,
    brightness, white balance, stain, scale, rotation, a closer cut, and a closer cut that is enlarged again. MODELS are
    .tflite files; without them the shipped ones are measured.
    """
    with _installed():
        from benchmarks import robustness

    with progress_bars() as progress:
        found = robustness.robustness(folder, models or SHIPPED, count, progress=progress)
    _finish({"robustness": found}, target, robustness.table(found))


@main.command()
@_models
@data_option
@_json_option
@exits_on_user_error
def doubt(models: tuple[Path, ...], folder: Path, target: Path | None) -> None:
    """When the answers of MODELS can be trusted.

    Prints how many cells they answer at a stated risk, and how many of these answers are wrong. Also shows how they
    answer cells of other types, empty places, and cells from microscopes that a model has never seen. MODELS are
    .tflite files; without them the shipped ones are measured.
    """
    with _installed():
        from benchmarks import selective

    with progress_bars() as progress:
        found = selective.measure(folder, models or SHIPPED, progress)
    _finish({"doubt": found}, target, selective.table(found))


def _named(option: click.Parameter, places: tuple[str, ...]) -> dict[str, Path]:
    """NAME=PATH, several times -> paths by name. Raises click.BadParameter for anything else."""
    pairs = [each.partition("=") for each in places]
    if bad := [place for place, (name, _, path) in zip(places, pairs, strict=True) if not (name and path)]:
        raise click.BadParameter(f"{bad[0]!r} is not NAME=PATH.", param=option)
    return {name: Path(path) for name, _, path in pairs}


@main.command()
@_models
@data_option
@click.option(
    "--cells",
    multiple=True,
    metavar="NAME=DIR",
    callback=lambda _, option, places: _named(option, places),
    help="Further pictures of single cells, in a folder for each label; may be given several times.",
)
@click.option(
    "--fields",
    "tables",
    multiple=True,
    metavar="NAME=FILE",
    callback=lambda _, option, places: _named(option, places),
    help="A further table of marked camera fields, like fields.csv; may be given several times.",
)
@_json_option
@exits_on_user_error
def unseen(
    models: tuple[Path, ...], folder: Path, cells: dict[str, Path], tables: dict[str, Path], target: Path | None
) -> None:
    """How MODELS answer what they never learned: other microscopes, types of cell, and what is no white cell.

    Every picture goes the whole way that edge-classify takes. The last table shows types that a model was trained
    without (`train --without`), in all splits. MODELS are .tflite files; without them the shipped ones are measured.
    """
    with _installed():
        from benchmarks import unseen

    with progress_bars() as progress:
        found = unseen.measure(folder, models or SHIPPED, cells, tables, progress)
    _finish({"unseen": found}, target, unseen.table(found))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_option
@_json_option
@exits_on_user_error
def cross(runs: tuple[Path, ...], folder: Path, target: Path | None) -> None:
    """How accurate RUNS are on other microscopes.

    Each network is measured as float and as int8, on the sources that it was trained on, on all other sources, and on
    marked camera fields. RUNS are folders that `train cross` wrote.
    """
    with _installed():
        from benchmarks import cross

    with progress_bars() as progress:
        found = cross.cross(folder, runs, progress)
    _finish({"cross": found}, target, cross.table(found))


@main.command()
@_models
@data_option
@click.option(
    "--cells",
    "counts",
    type=click.IntRange(0),
    multiple=True,
    metavar="N",
    help="Labelled cells per class; may be given several times.  [default: 0, 5, 10, 15, 20, 50]",
)
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many random choices of cells per number.",
)
@_json_option
@exits_on_user_error
def sites(models: tuple[Path, ...], folder: Path, counts: tuple[int, ...], draws: int, target: Path | None) -> None:
    """How much labelled cells of a site help.

    Shows how much accuracy `edge-site adapt` gains on each source, with an increasing number of labelled cells. MODELS
    are .tflite files; without them the shipped ones are measured.
    """
    with _installed():
        from benchmarks import sites

    with progress_bars() as progress:
        found = sites.sites(folder, models or SHIPPED, counts or sites.COUNTS, draws, progress)
    _finish({"sites": found}, target, sites.table(found))


@main.command()
@_models
@data_option
@click.option(
    "--slides",
    "count",
    type=click.IntRange(2),
    default=100,
    show_default=True,
    help="Slides per source and composition.",
)
@_json_option
@exits_on_user_error
def slides(models: tuple[Path, ...], folder: Path, count: int, target: Path | None) -> None:
    """How well MODELS count a slide's share of monocytes.

    Slides of 200 cells are put together from the test cells of each source, with 2 to 20 monocytes per 100 lymphocytes
    and monocytes. They are counted by the machine alone, and with a person who decides the doubtful cells. MODELS are
    .tflite files; without them the shipped ones are measured.
    """
    with _installed():
        from benchmarks import slides

    with progress_bars() as progress:
        found = slides.measure(folder, models or SHIPPED, count, progress)
    _save({"slides": found}, target)
    click.echo(slides.table(found))


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
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Pictures per folder.")
@_threads
@_rounds
@click.option(
    "--warm-up",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Pictures that each model answers before anything is measured.",
)
@click.option(
    "--many",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Number of pictures that edge-classify answers in one process, to measure its memory; 0 skips this.",
)
@_json_option
@_html_option
@exits_on_user_error
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
    """How fast edge-classify and its steps are.

    Prints milliseconds for each step and for all steps together, and seconds and megabytes for the whole command. All
    pictures of a folder are answered as one run, as `edge-classify` does. MODELS are .tflite files, which take turns;
    without them the shipped int8 file is measured.
    """
    from benchmarks import latency, pictures

    sets = pictures.of_folders(folders, count)
    settings = latency.Settings(rounds, warm_up, threads)
    with progress_bars() as progress:
        found = latency.latency(sets, models or (model.SHIPPED,), settings, many, progress)
    _finish({"latency": latency.document(found)}, target, latency.table(found))


@main.command()
@data_option
@click.option(
    "--locator", "file", type=click.Path(path_type=Path), metavar="FILE", help="A locator instead of the shipped one."
)
@click.option(
    "--changed", is_flag=True, help="Use fields with something black, white or blurred around them, and mosaics."
)
@_json_option
@exits_on_user_error
def locating(folder: Path, file: Path | None, changed: bool, target: Path | None) -> None:
    """How well and how fast cells are located.

    Prints recall, precision and speed of the locator on camera fields, pictures of one cell, empty places and drawn
    fields. With --changed, prints recall and wrong finds in fields with a surround, and in mosaics of fields.
    """
    with _installed():
        from benchmarks import changed_fields, locating
    from edge import locate

    if changed:
        with progress_bars() as progress:
            figures = changed_fields.changed_fields(folder, locate.Locator(file or locate.SHIPPED), progress)
        _finish({"changed_fields": figures}, target, changed_fields.table(figures))
        return
    with progress_bars() as progress:
        found = locating.locating(folder, locate.Locator(file or locate.SHIPPED), progress)
    _finish({"locating": found}, target, locating.table(found))


@main.command()
@data_option
@_json_option
@exits_on_user_error
def ruler(folder: Path, target: Path | None) -> None:
    """How well the size of red cells is measured.

    Compares the red-cell ruler of single pictures with that of a whole run, and prints the sizes of nuclei measured
    with both.
    """
    with _installed():
        from benchmarks import crop_scale

    with progress_bars() as progress:
        found = crop_scale.crop_scale(folder, progress)
    _finish({"ruler": found}, target, crop_scale.table(found))


@main.command("site-ruler")
@data_option
@click.option("--fields", "count", type=click.IntRange(8), default=10, show_default=True, help="Fields in each draw.")
@click.option("--draws", type=click.IntRange(1), default=20, show_default=True, help="Draws for each microscope.")
@_json_option
@exits_on_user_error
def site_ruler(folder: Path, count: int, draws: int, target: Path | None) -> None:
    """How well a few fields give the ruler of a microscope.

    Draws fields of each source, measures them as `edge-site ruler` does, and compares the result with the ruler of all
    fields. Also shows how often a run of these fields notices that a profile's ruler is 30 % off.
    """
    with _installed():
        from benchmarks import site_ruler

    with progress_bars() as progress:
        found = site_ruler.site_ruler(folder, count, draws, progress)
    _save({"site_ruler": found}, target)
    click.echo(site_ruler.table(found))


@main.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@exits_on_user_error
def estimate(models: tuple[Path, ...]) -> None:
    """What networks may cost on a Raspberry Pi: an estimate, not a measurement.

    It is made from their multiply-adds and a published figure of the same kind of network. MODELS are .tflite files
    that `convert` made; by default the shipped locator and classifier.
    """
    with _installed():
        from benchmarks import estimate

    click.echo(estimate.table(models or (locate.SHIPPED, model.SHIPPED)))


@main.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--fields", default=100, show_default=True, help="Number of camera fields from DATA/fields.")
@click.option("--cells", default=500, show_default=True, help="Number of pictures of one cell from DATA/cells.")
@exits_on_user_error
def parity(data: Path, fields: int, cells: int) -> None:
    """Checksums for comparing two machines.

    If two machines print the same lines, they find the same cells, make the same crops and give the same answers. DATA
    is a folder with the folders `fields` and `cells`. For each of the two, two lines are printed: the sha256 of the
    cells and crops, and the sha256 of the shipped model's answers.
    """
    from benchmarks import parity

    with progress_bars() as progress:
        digests = list(parity.parity(data, fields, cells, progress))
    for digest in digests:
        click.echo(str(digest))
    click.echo("Next: the same command on the other machine; it must print the same lines", err=True)


@main.command()
@click.option(
    "--pictures",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    metavar="DIR",
    help="A folder of pictures to answer, as one run; may be given several times.",
)
@click.option("--count", type=click.IntRange(1), default=None, help="Pictures of each folder.  [default: all]")
@click.option(
    "--other", type=click.Path(path_type=Path), metavar="DIR", help="Another checkout of this project, to compare with."
)
@click.option("--whole-image", is_flag=True, help="Run edge-classify with --whole-image.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="In each, all ways take turns.")
@click.option("--cost", is_flag=True, help="Instead, answer 10, 100, 1,000 and 10,000 pictures of the first folder.")
@_json_option
@exits_on_user_error
def whole(
    folders: tuple[Path, ...],
    count: int | None,
    other: Path | None,
    whole_image: bool,
    rounds: int,
    cost: bool,
    target: Path | None,
) -> None:
    """How fast edge-classify is as a whole, with its start and the measuring of red cells.

    Runs the command by one process, by one for each core, and from another checkout if there is one. Prints pictures a
    second, processor time, seconds from cold, peak memory, and energy where the machine tells it.
    """
    from benchmarks import pictures, whole

    sets = pictures.of_folders(folders, count)
    with progress_bars() as progress:
        if cost:
            found = whole.cost(next(iter(sets.values())), progress=progress)
        else:
            options = ["--whole-image"] if whole_image else []
            found = whole.whole(sets, other, options, rounds, progress)
    _save({"whole": found}, target)
    click.echo(whole.cost_rows(found).text() if cost else whole.table(found))


@main.command()
@click.argument("paths", nargs=-1)
@click.option("--made", default=1600, show_default=True, help="Number of pictures that are made, of 16 kinds in turn.")
@exits_on_user_error
def decoding(paths: tuple[str, ...], made: int) -> None:
    """Are decoded pictures the same as by Pillow alone?

    Pictures are made of all kinds of JPEG, whole and damaged, and decoded both ways; so are the JPEG files in PATHS.
    Exit code 1 if one differs. It needs only what is also installed on a Raspberry Pi.
    """
    from benchmarks import decoding

    found = decoding.decoding(made, frames.expand(paths))
    click.echo(str(found))
    sys.exit(1 if found.differ else 0)


@main.command()
@click.option(
    "--pictures", type=click.IntRange(40), default=100_000, show_default=True, help="Pictures in the data set."
)
@click.option(
    "--size",
    type=click.IntRange(32, 512),
    default=64,
    show_default=True,
    help="Width of the pictures and of the network's input, in pixels.",
)
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True, help="Epochs of training.")
@_json_option
@exits_on_user_error
def memory(pictures: int, size: int, epochs: int, target: Path | None) -> None:
    """How much memory training takes.

    Prints the peak memory and the seconds of `train baseline` on a very large data set. The data set is generated in a
    temporary folder.
    """
    from benchmarks import memory

    with progress_bars() as progress:
        found = memory.memory(pictures, size, epochs, progress)
    _finish({"memory": found}, target, memory.table(found))


@main.command()
@data_option
@click.option(
    "--cells",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Cells of the simulated slide that is counted twice.",
)
@_json_option
@exits_on_user_error
def repeats(folder: Path, cells: int, target: Path | None) -> None:
    """How well edge-count recognises a cell that it has counted before.

    Measures fields in which the same cell was photographed more than once, each film as one session, and a simulated
    slide that is counted twice. Pairs that the table of the fields doesn't call one cell are listed: look at them.
    """
    with _installed():
        from benchmarks import repeats

    with progress_bars() as progress:
        found = repeats.repeats(folder, progress)
        drawn = repeats.twice(cells, progress)
    _save({"repeats": {"fields": found, "drawn": drawn}}, target)
    click.echo(repeats.table(found, drawn))


@main.command()
@data_option
@click.option("--cells", type=click.IntRange(1), default=1000, show_default=True, help="Cells of the simulated slide.")
@click.option(
    "--seconds",
    type=click.FloatRange(5),
    default=60.0,
    show_default=True,
    help="Seconds of frames at a camera's frame rate.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Minutes of simulated frames, to measure memory over time; 0 skips this.",
)
@_json_option
@exits_on_user_error
def live(folder: Path, cells: int, seconds: float, minutes: float, target: Path | None) -> None:
    """How well cells are counted at the camera.

    Measures whether `edge-classify --camera` counts each cell once, how old frames are when they are answered, and how
    much memory it takes.
    """
    with _installed():
        from benchmarks.live import session

    with progress_bars() as progress:
        found = session.live(folder, cells, seconds, minutes, progress)
    _finish({"live": found}, target, session.table(found))


@main.command("review-order")
@_models
@data_option
@_json_option
@exits_on_user_error
def review_order(models: tuple[Path, ...], folder: Path, target: Path | None) -> None:
    """Whether the review shows wrong answers first.

    Puts the test cells of each source into a session, and counts how many of the wrong answers of MODELS the first
    fifth of the page's gallery holds. MODELS are .tflite files; without them the shipped ones are measured.
    """
    with _installed():
        from benchmarks import review_order

    with progress_bars() as progress:
        found = review_order.measure(folder, models or SHIPPED, progress)
    _finish({"review_order": found}, target, review_order.table(found))


@main.command()
@click.option("--seconds", type=click.FloatRange(3), default=30.0, show_default=True, help="How long a browser looks.")
@_rounds
@_json_option
@exits_on_user_error
def page(seconds: float, rounds: int, target: Path | None) -> None:
    """What the page shows, and what it costs.

    Measures how old pictures are in a browser, and by how much people who look on slow down the count and enlarge its
    memory. Needs Playwright and Chromium.
    """
    with _installed():
        from benchmarks.live import page

    with progress_bars() as progress:
        found = page.measure(seconds, rounds, progress)
    _finish({"page": found}, target, page.table(found))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@data_option
@click.option("--count", type=click.IntRange(16), default=200, show_default=True, help="Number of test pictures.")
@click.option(
    "--threads", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="Threads for the network."
)
@_rounds
@_rivals
@_json_option
@_html_option
@exits_on_user_error
def runtimes(run: Path, folder: Path, count: int, threads: int, rounds: int, rivals: Path, target: Path | None) -> None:
    """How fast a network is in other runtimes.

    Runs the network of RUN, as float and as int8, in LiteRT and in other runtimes, which take turns. RUN is a folder
    that `train` wrote, with the files that `convert --float32 RUN` and `convert --int8 RUN` put there.
    """
    with _installed():
        from benchmarks.rivals import runtimes

    options = runtimes.Options(count, threads, rounds, rivals)
    with progress_bars() as progress:
        found = runtimes.runtimes(folder, run, options, progress)
    _finish({"runtimes": found}, target, runtimes.table(found))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--pictures",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A folder of pictures to answer.",
)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Number of different pictures.")
@_rounds
@_rivals
@_json_option
@_html_option
@exits_on_user_error
def peers(run: Path, folder: Path, count: int, rounds: int, rivals: Path, target: Path | None) -> None:
    """How fast other programs do the same task.

    Prints, for edge-classify and for other programs, the seconds from the start to the first answer, pictures per
    second, and memory. RUN is a folder that `train` wrote, with the file that `convert --int8 RUN` put there.
    """
    with _installed():
        from benchmarks import pictures
        from benchmarks.rivals import peers

    [chosen] = pictures.of_folders([folder], count).values()
    with progress_bars() as progress:
        found = peers.peers(chosen, run, rounds, rivals, progress)
    _finish({"peers": found}, target, peers.table(found))


@main.command("all")
@_models
@data_option
@_threads
@click.option("--quick", is_flag=True, help="Take only minutes: use fewer pictures, except for accuracy.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("benchmark-results"),
    show_default=True,
    metavar="DIR",
    help="Folder for PROCESSOR.json and PROCESSOR.html, named after this machine.",
)
@_json_option
@exits_on_user_error
def everything(
    models: tuple[Path, ...], folder: Path, threads: tuple[int, ...], quick: bool, out: Path, target: Path | None
) -> None:
    """Accuracy, latency, robustness on one page.

    The results are written as an HTML page and as JSON. MODELS are .tflite files; without them the shipped ones are
    measured.
    """
    with _installed():
        from benchmarks import suite
    from benchmarks.machine import machine

    _page()  # if a package for pages is missing, the user should know before the work begins
    name = machine().file_name
    target, page = target or out / f"{name}.json", out / f"{name}.html"
    result.make_folder(out)
    result.must_be_free(target)
    result.must_be_free(page)
    with progress_bars() as progress:
        amount = suite.QUICK if quick else suite.FULL
        found = suite.suite(folder, models or SHIPPED, threads, amount, progress)
    click.get_current_context().meta["benchmarks.html"] = page
    _save(suite.results(found), target)
    click.echo(suite.table(found))
    click.echo(f"\nWritten: {target} and {page}.")
    click.echo(f"Next: open {page} in a browser, or benchmark compare OTHER.json {shlex.quote(str(target))}", err=True)


@main.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--everything", is_flag=True, help="Also show figures that differ by no more than the noise.")
@exits_on_user_error
def compare(a: Path, b: Path, everything: bool) -> None:
    """Which differences exceed the noise.

    Prints the figures that differ between A and B by more than the noise. A and B are JSON files that the same command
    wrote.
    """
    with _installed():
        from benchmarks.report import compare

    one, other = result.read(a), result.read(b)
    rows = compare.compare(one, other)
    if not rows:
        raise UserError(
            f"{a} and {b} have no figure with an interval in common; name two files that the same command wrote."
        )
    click.echo(compare.table(rows, one, other, everything))
    if not everything:
        names = f"{shlex.quote(str(a))} {shlex.quote(str(b))}"
        click.echo(f"Next: benchmark compare {names} --everything shows the other figures, too", err=True)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@exits_on_user_error
def readme(files: tuple[Path, ...]) -> None:
    """Update the tables in the documentation.

    Replaces the marked tables in FILES by figures from the JSON files in benchmarks/reference. Without FILES, all pages
    of the documentation with such tables are updated.
    """
    with _installed():
        from benchmarks.report import readme

    for file in files or readme.PAGES:
        result.write(readme.filled(result.text(file)), file)
        click.echo(f"Written: {file}.")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--pictures", "count", default=2000, show_default=True, type=click.IntRange(10), help="Number of pictures."
)
@click.option("--seed", default=0, show_default=True, help="Of the random moments at which is killed.")
@click.option("--whole-image", "whole", is_flag=True, help="Take each picture as one cell, which is faster.")
@_json_option
@exits_on_user_error
def archive(folder: Path, count: int, seed: int, whole: bool, target: Path | None) -> None:
    """Does edge-archive lose a picture, or answer one twice, when workers and nodes of a cluster are killed?

    The pictures of FOLDER are repeated under other names, and answered by one process, by a cluster of Ray of three
    nodes on this machine, and by one in which a worker, a node and the command are killed. Prints what was lost,
    pictures a second against the sum of what the workers do alone, and the memory of each. Exit code 1 if rows differ.
    """
    with _installed():
        from benchmarks import archive, pictures
    [paths] = pictures.of_folders((folder,), None).values()
    with progress_bars() as progress:
        found = archive.archive(paths, count, seed, whole, progress)
    _save({"archive": found}, target)
    click.echo(archive.table(found))
    sys.exit(0 if all(found.same.values()) and not found.lost and not found.twice else 1)
