"""Man pages and shell completion, made from the commands themselves: `python -m pi.manual DIR`, or `make manual`.

DIR gets the folders that a Debian system has below /usr/share. The completion asks the command itself, by click.
"""

import inspect
import sys
from importlib import import_module
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from edge import RELEASED, __version__
from edge.system.cli import Grouped

# By the name of a command, the module whose main() it is: those of a Pi, and those of a workstation.
PI = {"edge-classify": "edge.cli", "edge-count": "edge.count.cli", "edge-site": "edge.site.cli"}
PI |= {"edge-doctor": "edge.doctor.cli"}
WORKSTATION = {"edge-archive": "edge.archive.cli"}
WORKSTATION |= {"edge-train": "train.cli", "edge-convert": "convert.cli", "edge-benchmark": "benchmarks.cli"}
_FILES = {
    "bash": "bash-completion/completions/{}",
    "zsh": "zsh/vendor-completions/_{}",
    "fish": "fish/vendor_completions.d/{}.fish",
}


def opened(module: str) -> click.Command:
    """The command of a module."""
    main: click.Command = import_module(module).main
    return main


def completion(name: str, shell: str) -> str:
    """The script that completes a command. shell: "bash", "zsh" or "fish"."""
    kind = get_completion_class(shell)
    assert kind
    # `convert` runs in a process of its own, which knows itself by this name only.
    variable = "_CONVERT_COMPLETE" if name == "edge-convert" else f"_{name.upper().replace('-', '_')}_COMPLETE"
    script = kind(click.Command(name), {}, name, variable)
    return script.source_template % script.source_vars()  # source() also tries whether there is a bash


def man_page(name: str, main: click.Command) -> str:
    """The man page of a command with all its subcommands, in the language of man(7)."""
    context = click.Context(main, info_name=name, **main.context_settings)
    day = RELEASED.isoformat()
    lines = [f'.TH {_roff(name.upper())} 1 {_roff(day)} "edge\\-classify {__version__}" "edge\\-classify"']
    lines += [".SH NAME", f"{_roff(name)} \\- {_roff(main.get_short_help_str(300).rstrip('.'))}", ".SH SYNOPSIS"]
    lines += [*_usage(context), ".SH DESCRIPTION", *_text(main.help or "")]
    lines += [".SH OPTIONS", *_options(context)]
    if isinstance(main, click.Group):
        lines.append(".SH COMMANDS")
        for child in main.list_commands(context):
            command = main.get_command(context, child)
            assert command
            within = click.Context(command, info_name=child, parent=context, **command.context_settings)
            lines += [f".SS {_roff(name)} {_roff(child)}", *_usage(within), ".PP", *_text(command.help or "")]
            lines += _options(within)
    others = sorted({*PI, *WORKSTATION} - {name})
    lines += [".SH SEE ALSO", ",\n".join(f".BR {_roff(other)} (1)" for other in others)]
    return "\n".join(lines) + "\n"


def _usage(context: click.Context) -> list[str]:
    pieces = context.command.collect_usage_pieces(context)
    return [f".B {_roff(context.command_path.split(' [')[0])}", _roff(" ".join(pieces))]


def _text(help_: str) -> list[str]:
    """Paragraphs, of which those that begin with click's mark \\b keep their lines."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(help_).partition("\f")[0].strip().split("\n\n"):
        if lines:
            lines.append(".PP")
        if paragraph.startswith("\b\n"):
            lines += [".nf", *map(_roff, paragraph.split("\n")[1:]), ".fi"]
        else:
            lines.append(_roff(" ".join(paragraph.split())))
    return lines


def _options(context: click.Context) -> list[str]:
    """The options, in the groups that --help shows them in, if it does."""
    options = [each for each in context.command.get_params(context) if isinstance(each, click.Option)]
    records = {each.opts[-1]: each.get_help_record(context) for each in options}
    groups = context.command.groups if isinstance(context.command, Grouped) else {"": tuple(records)}
    lines: list[str] = []
    for title, names in groups.items():
        lines += [f".SS {_roff(title)}"] * bool(title)
        for name, said in filter(None, map(records.get, names)):
            lines += [".TP", f".B {_roff(name)}", _roff(" ".join(said.split()))]
    return lines


def _roff(text: str) -> str:
    """Text as it is, whatever man(7) would take it for."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def write(folder: Path, commands: dict[str, str]) -> None:
    """Writes the files of commands. folder: what is /usr/share on a system; commands: as PI."""
    for name, module in commands.items():
        files = {f"man/man1/{name}.1": man_page(name, opened(module))}
        files |= {place.format(name): completion(name, shell) for shell, place in _FILES.items()}
        for place, text in files.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]), PI if sys.argv[2:] == ["--pi"] else PI | WORKSTATION)
