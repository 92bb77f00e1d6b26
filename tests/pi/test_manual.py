"""Man pages and shell completion: are they whole, and does a shell that uses them offer what the command knows?"""

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import ROOT

from pi import manual

COMMANDS = manual.PI | manual.WORKSTATION


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    manual.write(folder, COMMANDS)
    return folder


def options(command: click.Command) -> set[str]:
    """The options of a command and of its subcommands."""
    found = {name for each in command.params for name in each.opts if name.startswith("-")}
    children = command.commands.values() if isinstance(command, click.Group) else ()
    return found.union(*map(options, children))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_man_page_names_all_options(name: str, share: Path) -> None:
    main = manual.opened(COMMANDS[name])
    page = (share / "man" / "man1" / f"{name}.1").read_text()
    assert page.startswith(f".TH {name.upper()}".replace("-", "\\-"))
    for option in options(main) | {"--help"}:
        assert option.replace("-", "\\-") in page, option
    for child in getattr(main, "commands", ()):
        assert f".SS {name} {child}".replace("-", "\\-") in page
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_text_stays_text() -> None:
    @click.command(help="Ends.\n\n.5 of a\\b\n\n\b\n'kept\n  lines")
    def main() -> None:
        pass

    page = manual.man_page("edge-classify", main)
    assert "\n\\&.5 of a\\eb\n.PP\n.nf\n\\&'kept\n  lines\n.fi\n" in page


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands of a Pi, as an installation makes them."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in manual.PI.items():
        code = f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        (folder / name).write_text(f"{code}from {module} import main\nmain()\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("edge-classify --js", "--json"),
        ("edge-count rep", "report"),
        ("edge-count start --rea", "--read --readers"),
        ("edge-site ruler --ca", "--camera --camera-sensor"),
        ("edge-doctor --fo", "--folder"),
        ("edge-classify pic", "pictures.tif"),  # a file of the folder
        ("edge-classify --site pic", "pictures.tif"),
    ],
)
def test_bash_completes(line: str, offered: str, share: Path, path: Path, tmp_path: Path) -> None:
    name = line.split()[0]
    (tmp_path / "pictures.tif").touch()
    # compopt, which asks bash for file names, works only while bash itself completes.
    script = (
        'compopt() { COMPREPLY=($(compgen -f "${COMP_WORDS[COMP_CWORD]}")); }\n'
        f"source {share}/bash-completion/completions/{name}\n"
        f"COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        f"_{name.replace('-', '_')}_completion {name}; printf '%s\\n' ${{COMPREPLY[@]}} | sort | xargs"
    )
    environment = {"PATH": f"{path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.stdout.strip(), done.stderr) == (offered, "")


def test_zsh_and_fish_ask_the_command(share: Path) -> None:
    assert "_EDGE_COUNT_COMPLETE=zsh_complete" in (share / "zsh/vendor-completions/_edge-count").read_text()
    fish = (share / "fish/vendor_completions.d/edge-convert.fish").read_text()
    assert "_CONVERT_COMPLETE=fish_complete" in fish and "--command edge-convert" in fish
