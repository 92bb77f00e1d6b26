"""Does a Raspberry Pi, as far as QEMU can be one, install the bundle and answer as this machine does, byte for byte?

`python pi/prove.py BUNDLE --data ../shared/data`, or `make pi-proof`. In arm64 Debian roots, kept in --roots: README's
two commands; edge-doctor; the JSON of edge-classify on real cells and fields; the cells that --camera sim counts;
removal. Emulated time says nothing about a Pi's.
"""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

HERE = Path(__file__).parent
PROJECT = HERE.parent
SYSTEMS = ("bookworm", "trixie")
CORES = {"cortex-a72": "Pi 4", "cortex-a76": "Pi 5"}
TOOLS = ("qemu-aarch64-static", "mmdebstrap", "proot")
# Every frame counts, and its light and stage are a recording's: what is counted doesn't depend on the emulator's pace.
SIMULATED = "sim:width=640,height=480,red_cell=40,fps=8,every=1"
ROOTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-classify" / "pi"


class Failed(click.ClickException):
    """Something on the emulated Pi is not as it must be."""


class Absent(click.ClickException):
    """Nothing can be emulated here."""

    exit_code = 2


@dataclass(frozen=True)
class Task:
    """What both machines are asked: names of pictures, relative to folder, and seconds of a simulated camera."""

    folder: Path
    names: list[str]
    seconds: float


def need_tools() -> None:
    """Raises Absent where a Pi can't be emulated here."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        raise Absent(
            f"A Pi can't be emulated here without {', '.join(absent)}: "
            "run `sudo apt-get install qemu-user-static mmdebstrap arch-test proot`."
        )


def readme_commands() -> str:
    """The two commands of README's section, as a newcomer copies them."""
    blocks = (PROJECT / "README.md").read_text().split("```sh\n")[1:]
    [block] = [b.split("```")[0] for b in blocks if "tar xf edge-classify-pi.tar.xz" in b]
    return "\n".join(line.partition("  #")[0].removeprefix("sudo ") for line in block.splitlines())


def pictures(data: Path, cells: int, fields: int) -> list[str]:
    """Relative to data: so many cells of the test splits, half of each source, and fields, all evenly spread."""
    with (data / "cells.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    sources = sorted({row["source"] for row in rows})
    shares = [cells // len(sources) + (i < cells % len(sources)) for i in range(len(sources))]
    names: list[str] = []
    for source, share in zip(sources, shares, strict=True):
        names += spread([row["path"] for row in rows if row["source"] == source], share)
    shown = sorted(str(f.relative_to(data)) for f in (data / "fields").rglob("*") if f.suffix in (".jpg", ".png"))
    return names + spread(shown, fields)


def spread(names: list[str], count: int) -> list[str]:
    return [names[i * len(names) // count] for i in range(min(count, len(names)))]


class Pi:
    """An emulated Raspberry Pi: a root, a core, and this machine's folders that it sees."""

    def __init__(self, root: Path, core: str, binds: list[Path]) -> None:
        self.root, self.core = root, core
        self._binds = ":".join(map(str, binds))

    def run(self, script: str, *codes: int) -> str:
        """A shell's script -> its standard output. Raises Failed where it ends with none of these codes (0)."""
        done = subprocess.run(
            [HERE / "run", self.root, self.core, "sh", "-c", script],
            env=os.environ | {"BIND": self._binds}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in (codes or (0,)):
            raise Failed(f"{self.root.name}, {self.core}: {script!r} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout


def made(system: str, roots: Path) -> Path:
    """The root of a system, made if it isn't there."""
    root = roots / system
    if not root.exists():
        roots.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=roots) as half:
            done = subprocess.run(
                [HERE / "make-root", system, f"{half}/root"], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise Absent(f"No root of {system} can be made here: {done.stderr.strip()}")
            Path(half, "root").rename(root)
    return root


def asked(task: Task, out: str) -> str:
    """What is asked of both machines: JSON lines for the pictures, and for the cells of the simulated microscope."""
    return (
        f"cd '{task.folder}' && edge-classify --json {out}/pictures.json - < {out}/list > /dev/null && "
        f"edge-classify --camera {SIMULATED},end={task.seconds:g} --json {out}/camera.json > /dev/null"
    )


def counted(file: Path) -> list[tuple[int, str]]:
    """Number and answer of each cell that a camera's run counted."""
    return [(row["cell"], row["label"]) for row in map(json.loads, file.read_text().splitlines())]


def here(task: Task, out: Path) -> None:
    """The same by this machine: the project's own code, that of the bundle."""
    command = f'edge-classify() {{ "{sys.executable}" -m edge "$@"; }}; {asked(task, str(out))}'
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"This machine itself can't answer: {done.stderr}")
    if not counted(out / "camera.json"):
        raise Failed("This machine itself counts no cell.")


def install(pi: Pi, bundle: Path) -> str:
    """README's two commands in an empty home -> what the installer says last."""
    home = pi.root / "root"
    shutil.rmtree(pi.root / "opt" / "edge-classify", ignore_errors=True)
    shutil.rmtree(home)
    home.mkdir()
    shutil.copy(bundle, home / "edge-classify-pi.tar.xz")
    said = pi.run(f"set -e\n{{ {readme_commands()}\n}} 2>&1")
    for file in home.glob("edge-classify*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    return said.strip().splitlines()[-1]


def examined(pi: Pi) -> str:
    """edge-doctor finds nothing bad but that there is no camera -> its findings, shortly."""
    document = json.loads(pi.run("edge-doctor --json --seconds 1", 0, 1))
    states = {finding["name"]: finding["state"] for finding in document["findings"]}
    wrong = [name for name in ("python", "numpy", "ai-edge-litert", "model", "locator") if states[name] != "fine"]
    if wrong or document["state"] == "bad":
        raise Failed(f"edge-doctor on {pi.root.name}, {pi.core}: {document}")
    return ", ".join(name for name, state in states.items() if state == "fine") + " fine"


def compared(theirs: Path, ours: Path) -> str:
    """Both files to the byte, the cells of the camera by number and answer."""
    name = "pictures.json"
    lines = list(itertools.zip_longest(*((place / name).read_text().splitlines() for place in (theirs, ours))))
    other = [pair for pair in lines if pair[0] != pair[1]]
    if other or not lines:
        first = "\n".join(map(str, other[0])) if other else ""
        raise Failed(f"{len(other)} of {len(lines)} answers differ, the first there and here:\n{first}")
    if counted(theirs / "camera.json") != counted(ours / "camera.json"):
        raise Failed(f"The camera's cells differ: {counted(theirs / 'camera.json')}, {counted(ours / 'camera.json')}")
    return f"{len(lines)} answers equal to the byte, the {len(counted(ours / 'camera.json'))} cells of a camera equal"


@click.command()
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Holds cells.csv and fields.")
@click.option("--system", "systems", multiple=True, type=click.Choice(SYSTEMS), default=SYSTEMS, show_default=True)
@click.option("--core", "cores", multiple=True, type=click.Choice(list(CORES)), default=list(CORES), show_default=True)
@click.option("--cells", default=200, show_default=True)
@click.option("--fields", default=20, show_default=True)
@click.option("--seconds", default=12.0, show_default=True, help="Of a simulated camera, 8 frames each.")
@click.option(
    "--roots", type=click.Path(path_type=Path), default=ROOTS, show_default=True, help="Where roots are kept."
)
def main(
    bundle: Path,
    data: Path,
    systems: tuple[str, ...],
    cores: tuple[str, ...],
    cells: int,
    fields: int,
    seconds: float,
    roots: Path,
) -> None:
    """Exit code 0: all is equal; 1: something isn't; 2: nothing can be emulated here."""
    need_tools()
    task = Task(data.resolve(), pictures(data.resolve(), cells, fields), seconds)
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder, "here")
        ours.mkdir()
        (ours / "list").write_text("\n".join(task.names) + "\n")
        here(task, ours)
        click.echo(f"{os.uname().machine}: {cells} cells and {fields} fields answered.")
        for system in systems:
            root = made(system, roots.resolve())
            for core in cores:
                began, theirs = time.monotonic(), Path(folder, f"{system}-{core}")
                theirs.mkdir()
                shutil.copy(ours / "list", theirs)
                pi = Pi(root, core, [task.folder, theirs])
                click.echo(f"{system}, {core} ({CORES[core]}): {install(pi, bundle)}")
                click.echo(f"  edge-doctor: {examined(pi)}")
                pi.run(asked(task, str(theirs)))
                click.echo(f"  {compared(theirs, ours)}")
                pi.run("sh /opt/edge-classify/install.sh --uninstall")
                if list((root / "opt").iterdir()) or list((root / "usr/local/bin").iterdir()):
                    raise Failed(f"{system}: something is left behind.")
                click.echo(f"  removed without a trace; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
