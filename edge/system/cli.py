"""What commands share: help in groups, progress bars, and log lines."""

import errno
import logging
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from edge.system.progress import Progress, silent
from edge.system.streams import printable, standard_streams

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# What an option takes that is text, and mostly a file: SOURCE may be a video, KEY a file with the key.
_FILES = ("FILE", "FILE|-", "FILE|capture", "DIR", "SOURCE", "PICTURES", "KEY")
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO)  # what writing to a full or broken disk gives


class _FileName(click.types.StringParamType):
    """Text that names a file, or several: a shell completes it as such."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


class Command(click.Command):
    """A click command with -h beside --help, and with a sentence, not a traceback, if standard output is full.

    nan and inf are refused as values of options: no range of click excludes nan.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        for each in self.params:
            is_file = isinstance(each, click.Argument) or each.metavar in _FILES
            if is_file and type(each.type) is click.types.StringParamType:
                each.type = _FileName()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            value = ctx.params.get(parameter.name or "")
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, float) and not math.isfinite(each):
                    raise click.BadParameter(f"{each} is not a number that can be used here.", ctx, parameter)
        return rest

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with standard_streams():
            try:
                return super().main(*args, **kwargs)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                sys.stderr.write(f"Error: Can't write standard output: {error.strerror}.\n")
                sys.exit(2)


class Group(Command, click.Group):
    """Such a command with subcommands, which are such commands, too."""

    command_class = Command


class Grouped(Command):
    """A command whose --help shows its options in groups. A subclass sets `groups`.

    Attributes:
        groups: for the title of each group, the names of its options, such as "--json". An option in no group isn't
            shown.
    """

    groups: ClassVar[dict[str, tuple[str, ...]]] = {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {option.opts[-1]: option.get_help_record(ctx) for option in self.get_params(ctx)}
        for title, names in self.groups.items():
            with formatter.section(title):
                formatter.write_dl([record for name in names if (record := records[name])])


def end_at_once(main: Callable[[], object], *ignored: str) -> None:
    """Runs a command, and ends the process with all output written.

    Python would first take apart all that it has loaded. It still does if there are threads, or if output can't be
    written, which it reports.

    Args:
        main: the command.
        ignored: packages whose threads don't count. They have nothing left to do.
    """
    try:
        main()
    except SystemExit as end:
        import threading  # loaded by then

        busy = threading.active_count() > 1 and not any(name in sys.modules for name in ignored)
        if busy or not isinstance(end.code, int | None):
            raise
        try:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
        except (OSError, ValueError):
            raise end from None
        os._exit(end.code or 0)


@contextmanager
def progress_bars(shown: bool | None = None, delay: float = 0.0) -> Iterator[Progress]:
    """Gives a Progress that draws bars on stderr, with speed and remaining time.

    Args:
        shown: whether bars are drawn; None to draw them only if stderr is a terminal.
        delay: a bar is drawn only if its work takes longer than so many seconds.
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield silent
        return
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def progress(what: str, done: int, total: int) -> None:
        bar = bars.get(what)
        if bar is None and total and done >= total:  # too short to be watched
            return
        if bar is None or done < bar.n:
            if bar is not None:
                bar.close()
            # Some terminals, such as serial consoles, don't tell their size; tqdm would then draw nothing.
            columns, rows = shutil.get_terminal_size()
            bar = bars[what] = tqdm(
                desc=what, total=total or None, file=sys.stderr, ncols=columns, nrows=rows, delay=delay
            )
        bar.update(done - bar.n)
        if total and done >= total:
            bars.pop(what).close()  # its line stays, and the next work gets a line of its own

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


class LogLines(logging.Handler):
    """Writes log lines to stderr, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        for line in self.format(record).splitlines():
            tqdm.write(printable(line), file=sys.stderr)


def show_log(*packages: str) -> None:
    """Shows what these packages log, at level INFO and above, as plain lines on stderr."""
    for name in packages:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.handlers = [LogLines()]
        logger.propagate = False


def size(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Callback of an option that gives a size, WIDTHxHEIGHT in pixels."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.lower())
    pixels = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(pixels):
        raise click.BadParameter(f"{text!r} is not a size: give WIDTHxHEIGHT, such as 1280x720.")
    return pixels


signed = click.option(
    "--require-signed",
    "key",
    metavar="KEY",
    envvar="EDGE_REQUIRE_SIGNED",
    help="Use only a model, a locator and a profile that this public key of minisign (a file, or its text) has signed. "
    "The environment variable EDGE_REQUIRE_SIGNED does the same.",
)


def fourcc(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Callback of an option that gives a pixel format."""
    if text is not None and not (len(text) == 4 and text.isascii()):
        raise click.BadParameter(f"{text!r} is not a code of four characters, such as MJPG.")
    return text


model_option = click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this .tflite file, made by `convert`, instead of the shipped model.",
)


def ruler(_: click.Context, __: click.Parameter, text: str | None) -> str | float | None:
    """Callback of an option that gives the ruler: run, picture, or the diameter of a red cell in pixels."""
    if text is None or text in ("run", "picture"):
        return text
    try:
        pixels = float(text)
    except ValueError:
        pixels = 0.0
    if not 3 <= pixels <= 10_000:
        raise click.BadParameter(f"{text!r} is not run, picture, or a red cell's diameter in pixels (3 to 10000).")
    return pixels


def page_option(text: str) -> Callable[[Any], Any]:
    """The option --page. text: its help."""
    return click.option("--page", is_flag=False, flag_value="127.0.0.1:8080", metavar="[HOST:PORT]", help=text)


def tls(command: Any) -> Any:
    """The options for serving the page by https."""
    path = click.Path(path_type=Path)
    key = click.option("--tls-key", type=path, metavar="FILE", help="The certificate's key (PEM).")
    text = "Serve the page by https, with this certificate (PEM)."
    return click.option("--tls-certificate", type=path, metavar="FILE", help=text)(key(command))
